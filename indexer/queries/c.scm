; SPDX-License-Identifier: Apache-2.0
; C; cpp.scm adds to it.
(function_definition type: (_) @type
  declarator: (function_declarator declarator: (identifier) @name) body: (_) @body) @def.function
(function_definition type: (_) @type declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @name)) body: (_) @body) @def.function
(declaration type: (_) @type declarator: (function_declarator declarator: (identifier) @name)) @def.function
(declaration type: (_) @type declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @name))) @def.function
(struct_specifier name: (_) @name body: (_) @body) @def.struct
(union_specifier name: (_) @name body: (_) @body) @def.union
(enum_specifier name: (_) @name body: (_) @body) @def.enum
(enumerator name: (_) @name) @def.variable
(type_definition type: (_) @type declarator: (type_identifier) @name) @def.type
(preproc_def name: (_) @name) @def.constant
(preproc_function_def name: (_) @name) @def.macro
(field_declaration type: (_) @type declarator: (field_identifier) @name) @def.variable
(field_declaration type: (_) @type declarator: (pointer_declarator declarator: (field_identifier) @name)) @def.variable
(translation_unit (declaration type: (_) @type declarator: (init_declarator declarator: (identifier) @name)) @def.variable)
(translation_unit (declaration type: (_) @type declarator: (identifier) @name) @def.variable)
(preproc_include) @import
(parameter_declaration type: (_) @type declarator: (identifier) @name) @typed
(parameter_declaration type: (_) @type declarator: (pointer_declarator declarator: (identifier) @name)) @typed
(declaration type: (type_identifier) @type declarator: (identifier) @name) @typed
(declaration type: (type_identifier) @type declarator: (init_declarator declarator: (identifier) @name)) @typed
(declaration type: (type_identifier) @type
  declarator: (init_declarator declarator: (pointer_declarator declarator: (identifier) @name))) @typed
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (_) @ref.call))
(type_identifier) @ref.type
(comment) @skip
(string_literal) @skip
(char_literal) @skip
