; SPDX-License-Identifier: Apache-2.0
; Bash.
(function_definition name: (_) @name body: (_) @body) @def.function
(variable_assignment name: (variable_name) @name) @def.variable
(command name: (command_name) @_source (#match? @_source "^(source|[.])$") argument: (_)) @import
(command name: (command_name (word) @ref.call))
(simple_expansion (variable_name) @ref.name)
(expansion (variable_name) @ref.name)
(comment) @skip
(string) @skip
(raw_string) @skip
(heredoc_body) @skip
(command_substitution) @code
(simple_expansion) @code
(expansion) @code
