; SPDX-License-Identifier: Apache-2.0
; JSX: an element is a use of its component.
(jsx_opening_element name: (identifier) @ref.call)
(jsx_self_closing_element name: (identifier) @ref.call)
(jsx_text) @skip
