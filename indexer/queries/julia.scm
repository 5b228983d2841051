; SPDX-License-Identifier: Apache-2.0
; Julia.
(module_definition name: (_) @name) @def.module
(struct_definition (type_head [(identifier) @name (binary_expression . (identifier) @name (_) @bases .)])) @def.struct
(abstract_definition (type_head [(identifier) @name (binary_expression . (identifier) @name (_) @bases .)])) @def.type
(function_definition (signature (typed_expression (call_expression . (_) @name) (_) @type)) (block) @body) @def.function
(function_definition (signature (call_expression . (_) @name)) (block) @body) @def.function
(function_definition (signature (where_expression (call_expression . (_) @name))) (block) @body) @def.function
(macro_definition (signature (call_expression . (_) @name)) (block) @body) @def.macro
(assignment . (call_expression . (identifier) @name)) @def.function
(const_statement (assignment . (identifier) @name)) @def.constant
(struct_definition (block (typed_expression (identifier) @name . (_) @type) @def.variable))
(using_statement) @import
(import_statement) @import
(call_expression . (identifier) @_include (#eq? @_include "include")) @import
(signature (_ (argument_list (typed_expression (identifier) @name . (_) @type)))) @typed
(signature (_ (call_expression (argument_list (typed_expression (identifier) @name . (_) @type))))) @typed
(call_expression . (identifier) @ref.call)
(call_expression . (field_expression (_) . (identifier) @ref.call))
(macrocall_expression (macro_identifier (identifier) @ref.call))
(line_comment) @skip
(block_comment) @skip
(string_literal) @skip
(command_literal) @skip
(string_interpolation) @code
