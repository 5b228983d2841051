; SPDX-License-Identifier: Apache-2.0
; Python. Files are read by quick.py, which must find the same; this is what it is held to.
(decorated_definition definition: (_) @inner) @decorated
(function_definition name: (identifier) @name parameters: (parameters) @params
  return_type: (type)? @type body: (block) @body) @def.function
(class_definition name: (identifier) @name superclasses: (argument_list)? @bases
  body: (block) @body) @def.class
(type_alias_statement left: (type . (identifier) @name .)) @def.type
(assignment left: (identifier) @name type: (type)? @type) @def.variable
(import_statement) @import
(import_from_statement) @import
(future_import_statement) @import
(typed_parameter . (identifier) @name type: (type) @type) @typed
(typed_default_parameter name: (identifier) @name type: (type) @type) @typed
(comment) @skip
(string) @skip
(interpolation) @code
