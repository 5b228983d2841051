; SPDX-License-Identifier: Apache-2.0
; JavaScript; typescript.scm and tsx.scm add to it what types need.
(class_declaration name: (_) @name (class_heritage)? @bases body: (_) @body) @def.class
(function_declaration name: (_) @name body: (_) @body) @def.function
(generator_function_declaration name: (_) @name body: (_) @body) @def.function
(method_definition name: (_) @name body: (_) @body) @def.function
(variable_declarator name: (identifier) @name value: (arrow_function body: (_) @body)) @def.function
(variable_declarator name: (identifier) @name value: (function_expression body: (_) @body)) @def.function
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @def.class
(assignment_expression left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @def.function
(pair key: (property_identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @def.function
(export_statement declaration: (_) @inner) @decorated
(import_statement) @import
(export_statement source: (_)) @import
(lexical_declaration (variable_declarator value: (call_expression
  function: (identifier) @_require (#eq? @_require "require")))) @import
(program (lexical_declaration (variable_declarator name: (identifier) @name) @def.variable))
(program (variable_declaration (variable_declarator name: (identifier) @name) @def.variable))
(program (export_statement (lexical_declaration
  (variable_declarator name: (identifier) @name) @def.variable)))
(call_expression function: (identifier) @ref.call)
(call_expression function: (member_expression property: (_) @ref.call))
(new_expression constructor: (identifier) @ref.call)
(comment) @skip
(string) @skip
(template_string) @skip
(template_substitution) @code
(regex) @skip
