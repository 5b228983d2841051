; SPDX-License-Identifier: Apache-2.0
; Haskell. A function's equations come one by one: each is a definition, the signature another.
(data_type name: (_) @name) @def.type
(newtype name: (_) @name) @def.type
(type_synomym name: (_) @name) @def.type
(class name: (_) @name declarations: (_)? @body) @def.class
(instance name: (_) @name declarations: (_)? @body) @def.instance
(signature name: (_) @name type: (_) @type) @def.signature
(function name: (_) @name) @def.function
(bind name: (_) @name) @def.function
(data_constructor constructor: (_ name: (constructor) @name)) @def.constructor
(field name: (field_name (variable) @name) type: (_) @type) @def.variable
(import) @import
(apply function: (variable) @ref.call)
(apply function: (qualified id: (variable) @ref.call))
(apply function: (constructor) @ref.call)
(name) @ref.type
(comment) @skip
(haddock) @skip
(literal (string) @skip)
(literal (char) @skip)
