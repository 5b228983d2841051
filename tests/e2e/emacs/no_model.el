;;; no_model.el --- Without a model: it is said, and typing goes on  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Code:
(require 'driver)
(load user-init-file nil t)

(gw-open)
(gw-wait "the server says so" (lambda () (and (ghostwright--server) (equal (gw-state) "no-model"))))
(gw-must "the mode line" (equal " ghost:no-model" (ghostwright--lighter)))
(gw-wait "and a message" (lambda () (with-current-buffer "*Messages*"
                                      (save-excursion (goto-char (point-min))
                                                      (search-forward "ghostwright setup" nil t)))))
(gw-type "qux = 1\n")
(accept-process-output nil 0.3)
(gw-must "text is as typed" (string-suffix-p "qux = 1\n" (buffer-string)))
(gw-must "nothing is shown" (not (ghostwright--text)))
(kill-emacs 0)
;;; no_model.el ends here
