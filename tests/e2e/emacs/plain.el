;;; plain.el --- Eglot alone: the suggestion as one completion  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Code:
(require 'driver)
(load user-init-file nil t)

(gw-open)
(gw-wait "connected" (lambda () (and (fboundp 'eglot-current-server) (eglot-current-server))))
(gw-wait "the model is loaded"
         (lambda () (equal "ready" (plist-get (jsonrpc-request (eglot-current-server) :workspace/executeCommand
                                                               '(:command "ghostwright.status" :arguments []))
                                              :state))))
(gw-type "def subtract(a, b):\n    retur") ; a word begun: what replaces it must bring it along
(let ((before (buffer-string)))
  ;; The first answer may take longer than the ten seconds that eglot waits.
  (gw-wait "completion-at-point inserts it"
           (lambda () (ignore-errors (completion-at-point)) (not (equal before (buffer-string)))))
  (gw-must "behind what was there" (string-prefix-p before (buffer-string)))
  (gw-log "inserted: %S" (substring (buffer-string) (length before))))
(kill-emacs 0)
;;; plain.el ends here
