; SPDX-License-Identifier: Apache-2.0
; Rust.
(function_item name: (_) @name return_type: (_)? @type body: (_) @body) @def.function
(function_signature_item name: (_) @name return_type: (_)? @type) @def.function
(struct_item name: (_) @name body: (_)? @body) @def.struct
(union_item name: (_) @name body: (_)? @body) @def.union
(enum_item name: (_) @name body: (_) @body) @def.enum
(enum_variant name: (_) @name) @def.variable
(trait_item name: (_) @name bounds: (_)? @bases body: (_) @body) @def.trait
(impl_item trait: (_)? @bases type: [(type_identifier) @name (generic_type type: (_) @name)]
  body: (_) @body) @def.impl
(mod_item name: (_) @name body: (_) @body) @def.module
(const_item name: (_) @name type: (_) @type) @def.constant
(static_item name: (_) @name type: (_) @type) @def.variable
(type_item name: (_) @name type: (_) @type) @def.type
(macro_definition name: (_) @name) @def.macro
(field_declaration name: (_) @name type: (_) @type) @def.variable
(use_declaration) @import
(extern_crate_declaration) @import
(mod_item !body) @import
(parameter pattern: (identifier) @name type: (_) @type) @typed
(let_declaration pattern: (identifier) @name type: (_) @type) @typed
(call_expression function: (identifier) @ref.call)
(call_expression function: (scoped_identifier name: (_) @ref.call))
(call_expression function: (field_expression field: (_) @ref.call))
(call_expression function: (generic_function function: (identifier) @ref.call))
(macro_invocation macro: (identifier) @ref.call)
(struct_expression name: (type_identifier) @ref.call)
(type_identifier) @ref.type
(line_comment) @skip
(block_comment) @skip
(string_literal) @skip
(raw_string_literal) @skip
(char_literal) @skip
