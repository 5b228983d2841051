; SPDX-License-Identifier: Apache-2.0
; What TypeScript adds to javascript.scm.
(abstract_class_declaration name: (_) @name (class_heritage)? @bases body: (_) @body) @def.class
(interface_declaration name: (_) @name (extends_type_clause)? @bases body: (_) @body) @def.interface
(type_alias_declaration name: (_) @name value: (_) @type) @def.type
(enum_declaration name: (_) @name body: (_) @body) @def.enum
(internal_module name: (_) @name body: (_) @body) @def.module
(module name: (_) @name body: (_) @body) @def.module
(function_signature name: (_) @name return_type: (_)? @type) @def.function
(method_signature name: (_) @name return_type: (_)? @type) @def.function
(abstract_method_signature name: (_) @name return_type: (_)? @type) @def.function
(property_signature name: (_) @name type: (_)? @type) @def.variable
(public_field_definition name: (_) @name type: (_)? @type) @def.variable
(required_parameter pattern: (identifier) @name type: (type_annotation) @type) @typed
(optional_parameter pattern: (identifier) @name type: (type_annotation) @type) @typed
(variable_declarator name: (identifier) @name type: (type_annotation) @type) @typed
(type_identifier) @ref.type
