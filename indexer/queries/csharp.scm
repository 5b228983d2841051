; SPDX-License-Identifier: Apache-2.0
; C#.
(class_declaration name: (_) @name (base_list)? @bases body: (_) @body) @def.class
(interface_declaration name: (_) @name (base_list)? @bases body: (_) @body) @def.interface
(struct_declaration name: (_) @name (base_list)? @bases body: (_) @body) @def.struct
(record_declaration name: (_) @name (base_list)? @bases) @def.record
(enum_declaration name: (_) @name body: (_) @body) @def.enum
(enum_member_declaration name: (_) @name) @def.variable
(delegate_declaration type: (_) @type name: (_) @name) @def.type
(namespace_declaration name: (_) @name body: (_) @body) @def.module
(file_scoped_namespace_declaration name: (_) @name) @def.module
(method_declaration returns: (_) @type name: (_) @name body: (_)? @body) @def.function
(local_function_statement name: (_) @name body: (_)? @body) @def.function
(constructor_declaration name: (_) @name body: (_)? @body) @def.constructor
(property_declaration type: (_) @type name: (_) @name accessors: (_)? @body) @def.variable
(field_declaration (variable_declaration type: (_) @type (variable_declarator name: (_) @name))) @def.variable
(event_field_declaration (variable_declaration type: (_) @type (variable_declarator name: (_) @name))) @def.variable
(using_directive) @import
(parameter type: (_) @type name: (_) @name) @typed
(local_declaration_statement (variable_declaration type: (_) @type (variable_declarator name: (_) @name))) @typed
(foreach_statement type: (_) @type left: (identifier) @name) @typed
(invocation_expression function: (identifier) @ref.call)
(invocation_expression function: (member_access_expression name: (identifier) @ref.call))
(invocation_expression function: (member_access_expression name: (generic_name (identifier) @ref.call)))
(invocation_expression function: (generic_name (identifier) @ref.call))
(object_creation_expression type: (identifier) @ref.call)
(object_creation_expression type: (generic_name (identifier) @ref.call))
(base_list (identifier) @ref.type)
(base_list (generic_name (identifier) @ref.type))
(type_argument_list (identifier) @ref.type)
(attribute name: (identifier) @ref.type)
(comment) @skip
(string_literal) @skip
(verbatim_string_literal) @skip
(raw_string_literal) @skip
(character_literal) @skip
(interpolated_string_expression) @skip
(interpolation) @code
