; SPDX-License-Identifier: Apache-2.0
; Elixir: definitions are calls of a few known names.
(call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body
  (#match? @_def "^(defmodule|defimpl)$")) @def.module
(call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body
  (#eq? @_def "defprotocol")) @def.protocol
(call target: (identifier) @_def (arguments . [(call target: (identifier) @name)
  (binary_operator left: (call target: (identifier) @name)) (identifier) @name]) (do_block) @body
  (#match? @_def "^(def|defp|defguard|defguardp|defdelegate)$")) @def.function
(call target: (identifier) @_def (arguments . [(call target: (identifier) @name)
  (binary_operator left: (call target: (identifier) @name)) (identifier) @name])
  (#match? @_def "^(def|defp|defguard|defguardp|defdelegate)$")) @def.function
(call target: (identifier) @_def (arguments . [(call target: (identifier) @name)
  (binary_operator left: (call target: (identifier) @name)) (identifier) @name])
  (#match? @_def "^(defmacro|defmacrop)$")) @def.macro
(call target: (identifier) @_word (arguments . [(alias) (dot)])
  (#match? @_word "^(alias|import|require|use)$")) @import
(call target: (identifier) @ref.call)
(call target: (dot right: (identifier) @ref.call))
(alias) @ref.name
(comment) @skip
(string) @skip
(charlist) @skip
(sigil) @skip
(atom) @skip
(interpolation) @code
