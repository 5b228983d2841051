; SPDX-License-Identifier: Apache-2.0
; Kotlin.
(class_declaration "interface" (type_identifier) @name (class_body)? @body) @def.interface
(class_declaration "enum" (type_identifier) @name (enum_class_body)? @body) @def.enum
(class_declaration (type_identifier) @name (delegation_specifier)* @bases (class_body)? @body) @def.class
(object_declaration (type_identifier) @name (class_body)? @body) @def.object
(function_declaration (simple_identifier) @name (function_value_parameters)
  . [(user_type) (nullable_type)]? @type (function_body)? @body) @def.function
(property_declaration (variable_declaration (simple_identifier) @name (_)? @type)) @def.variable
(enum_entry (simple_identifier) @name) @def.variable
(type_alias (type_identifier) @name (_) @type) @def.type
(package_header (identifier) @name) @def.module
(import_header) @import
(class_parameter (simple_identifier) @name [(user_type) (nullable_type)] @type) @typed
(parameter (simple_identifier) @name [(user_type) (nullable_type)] @type) @typed
(call_expression . (simple_identifier) @ref.call)
(call_expression . (navigation_expression (navigation_suffix (simple_identifier) @ref.call)))
(constructor_invocation (user_type (type_identifier) @ref.call))
(user_type (type_identifier) @ref.type)
(line_comment) @skip
(multiline_comment) @skip
(string_literal) @skip
(character_literal) @skip
(interpolated_expression) @code
(interpolated_identifier) @code
