;;; refactor.el --- A code action from eglot's list, applied by eglot  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Code:
(require 'driver)
(load user-init-file nil t)

(gw-open)
(gw-ready)
(goto-char (point-min))
(search-forward "        result += item")
(let* ((beg (line-beginning-position)) (end (line-end-position 2)) asked
       (listed (mapcar (lambda (it) (plist-get it :kind)) (eglot-code-actions beg end))))
  (gw-must "extract is listed" (member "refactor.extract.function" listed))
  (gw-must "what asks for words is not" (not (member "refactor.rewrite.instruct" listed)))
  (cl-letf (((symbol-function 'y-or-n-p) (lambda (prompt) (setq asked prompt) t)))
    (let ((began (float-time)))
      (eglot-code-actions beg end "refactor.extract.function" t)
      (gw-log "eglot returned after %.2f s" (- (float-time) began))
      (gw-must "nothing waits for the model" (< (- (float-time) began) 5)))
    (gw-wait "the edit is applied"
             (lambda () (save-excursion (goto-char (point-min)) (re-search-forward "^def .*result.*:$" nil t)))))
  (gw-must "eglot asked before it" (string-match-p "wants to edit" asked)))
(gw-must "the statement is moved once"
         (= 1 (how-many "result \\+= item" (point-min) (point-max))))
(gw-must "and is above" (< (save-excursion (goto-char (point-min)) (search-forward "result += item"))
                           (save-excursion (goto-char (point-min)) (search-forward "def total("))))
(gw-log "%s" (buffer-string))
(kill-emacs 0)
;;; refactor.el ends here
