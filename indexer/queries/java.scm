; SPDX-License-Identifier: Apache-2.0
; Java.
(class_declaration name: (_) @name superclass: (_)? @bases interfaces: (_)? @bases body: (_) @body) @def.class
(interface_declaration name: (_) @name (extends_interfaces)? @bases body: (_) @body) @def.interface
(enum_declaration name: (_) @name interfaces: (_)? @bases body: (_) @body) @def.enum
(record_declaration name: (_) @name interfaces: (_)? @bases body: (_) @body) @def.record
(annotation_type_declaration name: (_) @name body: (_) @body) @def.annotation
(method_declaration type: (_) @type name: (_) @name body: (_)? @body) @def.function
(constructor_declaration name: (_) @name body: (_) @body) @def.constructor
(compact_constructor_declaration name: (_) @name body: (_) @body) @def.constructor
(field_declaration type: (_) @type declarator: (variable_declarator name: (_) @name)) @def.variable
(constant_declaration type: (_) @type declarator: (variable_declarator name: (_) @name)) @def.variable
(enum_constant name: (_) @name) @def.variable
(package_declaration [(scoped_identifier) (identifier)] @name) @def.module
(import_declaration) @import
(formal_parameter type: (_) @type name: (_) @name) @typed
(local_variable_declaration type: (_) @type declarator: (variable_declarator name: (_) @name)) @typed
(enhanced_for_statement type: (_) @type name: (_) @name) @typed
(resource type: (_) @type name: (_) @name) @typed
(method_invocation name: (_) @ref.call)
(object_creation_expression type: (type_identifier) @ref.call)
(object_creation_expression type: (generic_type (type_identifier) @ref.call))
(type_identifier) @ref.type
(marker_annotation name: (identifier) @ref.type)
(annotation name: (identifier) @ref.type)
(line_comment) @skip
(block_comment) @skip
(string_literal) @skip
(character_literal) @skip
