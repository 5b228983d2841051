; SPDX-License-Identifier: Apache-2.0
; Go.
(function_declaration name: (_) @name result: (_)? @type body: (_)? @body) @def.function
(method_declaration receiver: (parameter_list (parameter_declaration type: (_) @bases)) name: (_) @name result: (_)? @type body: (_)? @body) @def.method
(type_declaration (type_spec name: (_) @name type: (struct_type (field_declaration_list) @body))) @def.struct
(type_declaration (type_spec name: (_) @name type: (interface_type) @body)) @def.interface
(type_spec name: (_) @name type: (_) @type) @def.type
(type_alias name: (_) @name type: (_) @type) @def.type
(method_elem name: (_) @name result: (_)? @type) @def.function
(field_declaration name: (_) @name type: (_) @type) @def.variable
(const_spec name: (_) @name type: (_)? @type) @def.constant
(source_file (var_declaration (var_spec name: (_) @name type: (_)? @type) @def.variable))
(source_file (var_declaration (var_spec_list (var_spec name: (_) @name type: (_)? @type) @def.variable)))
(package_clause (package_identifier) @name) @def.module
(import_spec) @import
(parameter_declaration name: (_) @name type: (_) @type) @typed
(variadic_parameter_declaration name: (_) @name type: (_) @type) @typed
(var_spec name: (_) @name type: (_) @type) @typed
(call_expression function: (identifier) @ref.call)
(call_expression function: (selector_expression field: (_) @ref.call))
(composite_literal type: (type_identifier) @ref.call)
(composite_literal type: (qualified_type name: (_) @ref.call))
(type_identifier) @ref.type
(comment) @skip
(interpreted_string_literal) @skip
(raw_string_literal) @skip
(rune_literal) @skip
