; SPDX-License-Identifier: Apache-2.0
; PHP.
(class_declaration name: (_) @name (base_clause)? @bases (class_interface_clause)? @bases body: (_) @body) @def.class
(interface_declaration name: (_) @name (base_clause)? @bases body: (_) @body) @def.interface
(trait_declaration name: (_) @name body: (_) @body) @def.trait
(enum_declaration name: (_) @name body: (_) @body) @def.enum
(enum_case name: (_) @name) @def.variable
(function_definition name: (_) @name return_type: (_)? @type body: (_) @body) @def.function
(method_declaration name: (_) @name return_type: (_)? @type body: (_)? @body) @def.function
(property_declaration type: (_)? @type (property_element name: (variable_name (name) @name))) @def.variable
(const_declaration (const_element (name) @name)) @def.constant
(namespace_definition name: (_) @name) @def.module
(namespace_use_declaration) @import
(require_once_expression) @import
(require_expression) @import
(include_expression) @import
(include_once_expression) @import
(simple_parameter type: (_) @type name: (variable_name) @name) @typed
(property_promotion_parameter type: (_) @type name: (variable_name) @name) @typed
(function_call_expression function: (name) @ref.call)
(function_call_expression function: (qualified_name (name) @ref.call))
(member_call_expression name: (name) @ref.call)
(nullsafe_member_call_expression name: (name) @ref.call)
(scoped_call_expression name: (name) @ref.call)
(object_creation_expression (name) @ref.call)
(object_creation_expression (qualified_name (name) @ref.call))
(named_type (name) @ref.type)
(base_clause (name) @ref.type)
(class_interface_clause (name) @ref.type)
(use_declaration (name) @ref.type)
(comment) @skip
(string) @skip
(encapsed_string) @skip
(encapsed_string [(member_call_expression) (member_access_expression) (variable_name)] @code)
(heredoc) @skip
(nowdoc) @skip
(text) @skip
