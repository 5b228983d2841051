(field_definition property: (_) @name) @def.variable
