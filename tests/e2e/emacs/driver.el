;;; driver.el --- A person at Emacs, in batch mode  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;;; Commentary:
;; In: GHOSTWRIGHT_TEST, JSON with the folder of a project and its file.  Keys go through the command
;; loop, so that key maps and hooks act as they do for a person.  A scenario that fails ends Emacs
;; with one line and the code 1.
;;; Code:
(require 'package)
(require 'cl-lib)
(package-initialize) ; what Emacs does at a start that is not in batch mode

(defvar gw-place (json-parse-string (getenv "GHOSTWRIGHT_TEST") :object-type 'plist))
(defvar gw-deadline-s 60)
(defvar gw-began (float-time))

(defun gw-get (name) (plist-get gw-place name))

(defun gw-log (form &rest arguments)
  (message "%5.1f s %s" (- (float-time) gw-began) (apply #'format form arguments)))

(defun gw-must (what value)
  "End with WHAT unless VALUE is something."
  (unless value
    (message "FAILED: %s\nbuffer: %S" what (buffer-string))
    (let ((kill-emacs-hook nil)) (kill-emacs 1)))
  value)

(defun gw-wait (what test)
  "Wait until TEST gives something."
  (let ((until (+ (float-time) gw-deadline-s)) found)
    (while (not (or (setq found (funcall test)) (> (float-time) until)))
      (accept-process-output nil 0.05))
    (gw-must what found)
    (gw-log "%s" what)
    found))

(defun gw-keys (keys) (execute-kbd-macro (kbd keys)))

(defun gw-type (text)
  "Type TEXT, 30 ms a key."
  (seq-do (lambda (char) (execute-kbd-macro (vector char)) (accept-process-output nil 0.03)) text))

(defun gw-open ()
  "Visit the file as a person does, at its end."
  (switch-to-buffer (find-file-noselect (expand-file-name (gw-get :file) (gw-get :folder))))
  (goto-char (point-max))
  (setq-local electric-indent-inhibit t)
  (gw-keys "C-e"))

(defun gw-state ()
  (plist-get (slot-value (ghostwright--server) 'status) :state))

(defun gw-ready ()
  (gw-wait "the server is ready"
           (lambda () (and (ghostwright--server) (equal (gw-state) "ready") ghostwright-mode))))

(defun gw-ghost () (gw-wait "ghost text" #'ghostwright--text))

(provide 'driver)
;;; driver.el ends here
