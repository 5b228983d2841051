; SPDX-License-Identifier: Apache-2.0
; Scala.
(class_definition name: (_) @name extend: (_)? @bases body: (_)? @body) @def.class
(trait_definition name: (_) @name extend: (_)? @bases body: (_)? @body) @def.trait
(object_definition name: (_) @name extend: (_)? @bases body: (_)? @body) @def.object
(enum_definition name: (_) @name body: (_)? @body) @def.enum
(function_definition name: (_) @name return_type: (_)? @type body: (_)? @body) @def.function
(function_declaration name: (_) @name return_type: (_)? @type) @def.function
(val_definition pattern: (identifier) @name type: (_)? @type) @def.variable
(var_definition pattern: (identifier) @name type: (_)? @type) @def.variable
(val_declaration name: (identifier) @name type: (_)? @type) @def.variable
(type_definition name: (_) @name type: (_)? @type) @def.type
(package_clause name: (_) @name) @def.module
(import_declaration) @import
(parameter name: (_) @name type: (_) @type) @typed
(class_parameter name: (_) @name type: (_) @type) @typed
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (_) @ref.call))
(call_expression function: (generic_function function: (identifier) @ref.call))
(instance_expression (type_identifier) @ref.call)
(type_identifier) @ref.type
(comment) @skip
(block_comment) @skip
(string) @skip
(interpolated_string) @skip
(interpolation) @code
(character_literal) @skip
