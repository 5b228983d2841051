; SPDX-License-Identifier: Apache-2.0
; Zig: containers are values of constants.
(VarDecl variable_type_function: (_) @name (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType "struct")) @body))) @def.struct
(VarDecl variable_type_function: (_) @name (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType "enum")) @body))) @def.enum
(VarDecl variable_type_function: (_) @name (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType "union")) @body))) @def.union
(Decl (FnProto function: (_) @name (ErrorUnionExpr) @type) (Block)? @body) @def.function
(Decl (FnProto function: (_) @name) (Block)? @body) @def.function
(TestDecl (STRINGLITERALSINGLE) @name (Block) @body) @def.test
(ContainerField field_member: (_) @name . (ErrorUnionExpr) @type) @def.variable
(VarDecl (ErrorUnionExpr (SuffixExpr (BUILTINIDENTIFIER) @_import (#eq? @_import "@import")))) @import
(source_file (Decl (VarDecl variable_type_function: (_) @name) @def.variable))
(ContainerDecl (Decl (VarDecl variable_type_function: (_) @name) @def.variable))
(ParamDecl parameter: (_) @name (ParamType) @type) @typed
(FieldOrFnCall function_call: (_) @ref.call)
(SuffixExpr variable_type_function: (_) @ref.call . (FnCallArguments))
(line_comment) @skip
(doc_comment) @skip
(container_doc_comment) @skip
(STRINGLITERALSINGLE) @skip
(LINESTRING) @skip
(CHAR_LITERAL) @skip
