; SPDX-License-Identifier: Apache-2.0
; Before javascript.scm: the same definitions with what they return.
(function_declaration name: (_) @name return_type: (_) @type body: (_) @body) @def.function
(method_definition name: (_) @name return_type: (_) @type body: (_) @body) @def.function
(variable_declarator name: (identifier) @name
  value: (arrow_function return_type: (_) @type body: (_) @body)) @def.function
