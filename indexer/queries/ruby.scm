; SPDX-License-Identifier: Apache-2.0
; Ruby.
(class name: (_) @name superclass: (_)? @bases body: (_)? @body) @def.class
(module name: (_) @name body: (_)? @body) @def.module
(method name: (_) @name body: (_)? @body) @def.function
(singleton_method name: (_) @name body: (_)? @body) @def.function
(assignment left: (constant) @name) @def.constant
(call !receiver method: (identifier) @_require (#match? @_require "^(require|require_relative|load)$")) @import
(call method: (_) @ref.call)
(superclass (constant) @ref.type)
(constant) @ref.name
(comment) @skip
(string) @skip
(subshell) @skip
(regex) @skip
(simple_symbol) @skip
(heredoc_body) @skip
(interpolation) @code
