; SPDX-License-Identifier: Apache-2.0
; What C++ adds to c.scm.
(template_declaration (_) @inner .) @decorated
(class_specifier name: (_) @name (base_class_clause)? @bases body: (_) @body) @def.class
(struct_specifier name: (_) @name (base_class_clause) @bases body: (_) @body) @def.struct
(namespace_definition name: (_) @name body: (_) @body) @def.module
(alias_declaration name: (_) @name type: (_) @type) @def.type
(concept_definition name: (_) @name) @def.type
(function_definition type: (_)? @type declarator: (function_declarator
  declarator: [(identifier) (field_identifier) (destructor_name) (operator_name)] @name)
  body: (_)? @body) @def.function
(function_definition type: (_)? @type declarator: (function_declarator
  declarator: (qualified_identifier scope: (_) @bases name: (_) @name)) body: (_)? @body) @def.function
(function_definition type: (_)? @type declarator: [(pointer_declarator (function_declarator
  declarator: (_) @name)) (reference_declarator (function_declarator declarator: (_) @name))]
  body: (_)? @body) @def.function
(field_declaration type: (_)? @type declarator: (function_declarator
  declarator: (field_identifier) @name)) @def.function
(parameter_declaration type: (_) @type declarator: (reference_declarator (identifier) @name)) @typed
(call_expression function: (qualified_identifier name: (identifier) @ref.call))
(call_expression function: (qualified_identifier name: (template_function name: (_) @ref.call)))
(call_expression function: (template_function name: (identifier) @ref.call))
(new_expression type: (type_identifier) @ref.call)
(raw_string_literal) @skip
