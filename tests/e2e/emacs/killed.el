;;; killed.el --- The server is killed in mid-use, and eglot starts it again  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Code:
(require 'driver)
(load user-init-file nil t)

(gw-open)
(gw-ready)
(gw-type "def subtract(a, b):\n    return ")
(gw-ghost)
(let* ((before (ghostwright--server)) (process (jsonrpc--process before)))
  (gw-wait "eglot would start it again" (lambda () (not (eglot--inhibit-autoreconnect before))))
  (signal-process process 'SIGKILL)
  (gw-wait "it is gone" (lambda () (not (process-live-p process))))
  (gw-wait "another one" (lambda () (and (ghostwright--server) (not (eq before (ghostwright--server)))))))
(gw-ready)
(gw-type "a ")
(gw-log "after the cursor: %S" (gw-ghost))
(gw-keys "TAB")
(gw-must "Tab accepts" (string-match-p "return a [^ \n]" (buffer-string)))
(kill-emacs 0)
;;; killed.el ends here
