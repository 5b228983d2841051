; SPDX-License-Identifier: Apache-2.0
(field_definition property: (_) @name) @def.variable
