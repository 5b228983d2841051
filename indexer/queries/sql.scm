; SPDX-License-Identifier: Apache-2.0
; SQL: what is created is defined, what is selected from or called is used.
(create_table (object_reference name: (_) @name)) @def.table
(create_view (object_reference name: (_) @name)) @def.view
(create_function (object_reference name: (_) @name)) @def.function
(create_index column: (identifier) @name) @def.index
(column_definition name: (_) @name type: (_) @type) @def.variable
(relation (object_reference name: (_) @ref.name))
(invocation (object_reference name: (_) @ref.call))
(create_index (object_reference name: (_) @ref.name))
(comment) @skip
(marginalia) @skip
(literal) @skip
