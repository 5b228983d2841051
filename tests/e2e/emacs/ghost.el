;;; ghost.el --- The README's path: ghost text, Tab, a word, explain, pause  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Code:
(require 'driver)
(load user-init-file nil t)

(gw-open)
(gw-ready)
(gw-type "def subtract(a, b):\n")
(gw-type "    return a ")
(let ((before (buffer-string)) (ghost (gw-ghost)))
  (gw-log "after the cursor: %S" ghost)
  (gw-must "ghost text is not in the buffer" (equal before (buffer-string)))
  (gw-must "its face" (eq 'ghostwright-ghost
                          (get-text-property 0 'face (overlay-get ghostwright--ghost 'after-string))))
  (gw-must "the mode line" (string-match-p "ghost:" (ghostwright--lighter)))
  (gw-type (substring ghost 0 1))
  (gw-must "typed as suggested it stays" (equal (ghostwright--text) (substring ghost 1)))
  (gw-keys "TAB")
  (gw-must "Tab accepts" (equal (buffer-string) (concat before ghost)))
  (gw-must "and it is gone" (not (equal (ghostwright--text) (substring ghost 1)))))

(gw-keys "RET RET")
(gw-keys "C-a")
(gw-type "def multiply(a, b):\n    return ")
(let ((ghost (gw-ghost)) (at (point)))
  (gw-keys "M-<right>")
  (let ((word (buffer-substring-no-properties at (point))))
    (gw-log "a word: %S" word)
    (gw-must "a word of it" (and (string-prefix-p word ghost) (< 0 (length word) (length ghost))))
    (gw-must "the rest stays" (equal (ghostwright--text) (substring ghost (length word)))))
  (gw-keys "C-g")
  (gw-must "C-g dismisses" (not (ghostwright--text))))

(ghostwright-explain)
(gw-wait "explain has a page" (lambda () (get-buffer "*ghostwright*")))
(gw-must "with the source" (with-current-buffer "*ghostwright*"
                             (string-match-p ":source" (buffer-string))))
(ghostwright-pause)
(gw-wait "paused" (lambda () (equal (gw-state) "paused")))
(gw-must "as the mode line says" (equal " ghost:paused" (ghostwright--lighter)))
(gw-keys "C-e")
(gw-type "x")
(accept-process-output nil 0.5)
(gw-must "paused, nothing is shown" (not (ghostwright--text)))
(gw-keys "TAB") ; whatever it does in this mode; it must not fail
(kill-emacs 0)
;;; ghost.el ends here
