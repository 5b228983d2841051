; SPDX-License-Identifier: Apache-2.0
; Swift.
(class_declaration declaration_kind: "class" name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.class
(class_declaration declaration_kind: "struct" name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.struct
(class_declaration declaration_kind: "enum" name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.enum
(class_declaration declaration_kind: "actor" name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.actor
(class_declaration declaration_kind: "extension" name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.extension
(protocol_declaration name: (_) @name (inheritance_specifier)* @bases body: (_) @body) @def.protocol
(function_declaration name: (simple_identifier) @name
  name: [(user_type) (optional_type) (array_type) (dictionary_type) (tuple_type)] @type body: (_) @body) @def.function
(function_declaration name: (simple_identifier) @name body: (_) @body) @def.function
(protocol_function_declaration name: (simple_identifier) @name) @def.function
(init_declaration "init" @name body: (_)? @body) @def.constructor
(property_declaration name: (pattern bound_identifier: (_) @name) (type_annotation) @type) @def.variable
(property_declaration name: (pattern bound_identifier: (_) @name)) @def.variable
(protocol_property_declaration name: (pattern bound_identifier: (_) @name)) @def.variable
(enum_entry name: (_) @name) @def.variable
(typealias_declaration name: (type_identifier) @name) @def.type
(import_declaration) @import
(parameter name: (simple_identifier) @name name: (_) @type) @typed
(call_expression . (simple_identifier) @ref.call)
(call_expression . (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @ref.call)))
(user_type (type_identifier) @ref.type)
(comment) @skip
(multiline_comment) @skip
(line_string_literal) @skip
(multi_line_string_literal) @skip
(interpolated_expression) @code
