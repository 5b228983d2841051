; SPDX-License-Identifier: Apache-2.0
; Lua.
(function_declaration name: (identifier) @name body: (_)? @body) @def.function
(function_declaration name: (dot_index_expression table: (_) @bases field: (_) @name) body: (_)? @body) @def.method
(function_declaration name: (method_index_expression table: (_) @bases method: (_) @name) body: (_)? @body) @def.method
(assignment_statement (variable_list name: [(identifier) @name (dot_index_expression field: (_) @name)])
  (expression_list value: (function_definition body: (_)? @body))) @def.function
(variable_declaration (assignment_statement (variable_list name: (identifier))
  (expression_list value: (function_call name: (identifier) @_require (#eq? @_require "require"))))) @import
(variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @def.variable
(chunk (assignment_statement (variable_list name: (identifier) @name)) @def.variable)
(function_call name: (identifier) @ref.call)
(function_call name: (dot_index_expression field: (_) @ref.call))
(function_call name: (method_index_expression method: (_) @ref.call))
(comment) @skip
(string) @skip
