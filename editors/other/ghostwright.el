;;; ghostwright.el --- Ghost text from your own machine, through eglot  -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0
;; Package-Requires: ((emacs "28.1") (eglot "1.9"))

;;; Commentary:
;; Eglot does the protocol; this asks it for the one request that it does not know,
;; textDocument/inlineCompletion, and draws the answer behind the cursor.  There is no logic here:
;; when to answer, and what, is decided by the server.

;;; Code:
(require 'eglot)
(require 'seq)

(defvar ghostwright-command '("ghostwright" "serve") "How the server is started.")
(defvar ghostwright-settings nil
  "Settings of the server as a property list, e.g. (:model \"auto\" :maxSuggestionTokens 64).")
(defvar ghostwright-modes '(python-mode js-mode c-mode c++-mode java-mode sh-mode ruby-mode lua-mode)
  "Major modes that `ghostwright-setup' gives to the server.")
(defvar ghostwright-timeout 60 "Seconds after which an answer is no longer waited for.")
(defvar ghostwright-action-timeout 600 "The same for refactors and questions.")

(defface ghostwright-ghost '((t :inherit shadow)) "Ghost text." :group 'eglot)

(defclass ghostwright-server (eglot-lsp-server) ((status :initform nil))
  :documentation "A connection whose server also speaks of ghost text and of its state.")

(cl-defmethod eglot-initialization-options ((_ ghostwright-server))
  (or ghostwright-settings eglot--{}))

(cl-defmethod eglot-client-capabilities ((_ ghostwright-server))
  "What eglot can do, and ghost text: so none comes among the completions."
  (let ((all (cl-call-next-method)))
    (plist-put all :textDocument
               (plist-put (plist-get all :textDocument)
                          :inlineCompletion '(:dynamicRegistration :json-false)))))

(cl-defmethod eglot-handle-notification
  ((server ghostwright-server) (_ (eql ghostwright/status)) &rest status)
  (setf (slot-value server 'status) status)
  (force-mode-line-update t))

(cl-defmethod eglot-handle-notification ((_ ghostwright-server) (_ (eql ghostwright/answer)) &rest _))

(cl-defmethod eglot-execute-command ((server ghostwright-server) command arguments)
  "Do not wait for it: a model takes longer than eglot's ten seconds, and the edit comes by itself."
  (ghostwright--execute server command arguments #'ghostwright--say-refused))

;;; The server's commands

(defun ghostwright--server ()
  (let ((server (eglot-current-server)))
    (and (cl-typep server 'ghostwright-server) server)))

(defun ghostwright--execute (server command arguments then)
  "Have SERVER do COMMAND with ARGUMENTS, a vector; call THEN with what it returns."
  (jsonrpc-async-request
   server :workspace/executeCommand
   (list :command (format "%s" command) :arguments (or arguments []))
   :success-fn then :timeout ghostwright-action-timeout
   :error-fn (lambda (failed) (message "Ghostwright: %s" (plist-get failed :message)))))

(defun ghostwright--say-refused (record)
  "RECORD is that of a refactor: say which check it did not pass."
  (when-let ((bad (seq-find (lambda (check) (eq :json-false (plist-get check :passed)))
                            (plist-get record :checks))))
    (message "Ghostwright: %s: %s" (plist-get bad :name) (plist-get bad :detail))))

(defun ghostwright--lose ()
  (or (ghostwright--server) (user-error "Ghostwright does not run here: M-x eglot")))

(defun ghostwright--show (text)
  (with-current-buffer (get-buffer-create "*ghostwright*")
    (let ((inhibit-read-only t)) (erase-buffer) (insert text))
    (goto-char (point-min))
    (special-mode)
    (display-buffer (current-buffer))))

(defun ghostwright-pause ()
  "Stop suggesting, or go on."
  (interactive)
  (ghostwright--execute (ghostwright--lose) 'ghostwright.pause nil
                        (lambda (it) (message "Ghostwright: %s" (plist-get it :state)))))

(defun ghostwright-explain ()
  "Show why the last suggestion was what it was, or why there was none."
  (interactive)
  (ghostwright--execute (ghostwright--lose) 'ghostwright.explain nil
                        (lambda (it) (ghostwright--show (pp-to-string it)))))

(defun ghostwright-ask (question)
  "Show an answer to QUESTION about the repository, its citations checked."
  (interactive "sAsk about the repository: ")
  (ghostwright--execute
   (ghostwright--lose) 'ghostwright.ask
   (vector (list :question question :uri (plist-get (eglot--TextDocumentIdentifier) :uri)
                 :line (1- (line-number-at-pos nil t))))
   (lambda (it) (ghostwright--show (plist-get it :answer)))))

(defun ghostwright-instruct (instruction beg end)
  "Change the region from BEG to END, or the definition at point, as INSTRUCTION says."
  (interactive (list (read-string "Change it so that: ")
                     (if (use-region-p) (region-beginning) (point))
                     (if (use-region-p) (region-end) (point))))
  (ghostwright--execute
   (ghostwright--lose) 'ghostwright.refactor
   (vector (list :kind "refactor.rewrite.instruct" :instruction instruction
                 :uri (plist-get (eglot--TextDocumentIdentifier) :uri)
                 :range (list :start (eglot--pos-to-lsp-position beg)
                              :end (eglot--pos-to-lsp-position end))))
   #'ghostwright--say-refused))

;;; Ghost text

(defvar-local ghostwright--ghost nil "The overlay with what is suggested; it is at point.")
(defvar-local ghostwright--seen nil "Text and point that were asked about last.")

(defun ghostwright--text ()
  "What is suggested at point, or nil."
  (and ghostwright--ghost (= (point) (overlay-start ghostwright--ghost))
       (overlay-get ghostwright--ghost 'ghostwright-text)))

(defun ghostwright-dismiss ()
  "Take the ghost text away."
  (interactive)
  (when ghostwright--ghost (delete-overlay ghostwright--ghost))
  (setq ghostwright--ghost nil))

(defun ghostwright--draw (text command)
  "Show TEXT behind point; COMMAND is for the server once it is accepted."
  (ghostwright-dismiss)
  (unless (string-empty-p text)
    (let ((shown (propertize text 'face 'ghostwright-ghost)))
      (put-text-property 0 1 'cursor t shown) ; the cursor stays before it
      (setq ghostwright--ghost (make-overlay (point) (point)))
      (overlay-put ghostwright--ghost 'after-string shown)
      (overlay-put ghostwright--ghost 'ghostwright-text text)
      (overlay-put ghostwright--ghost 'ghostwright-command command))))

(defun ghostwright--now () (list (buffer-chars-modified-tick) (point)))

(defun ghostwright--changed ()
  "After each command: what is typed as suggested stays; any other change is asked about."
  (unless (equal ghostwright--seen (ghostwright--now))
    (let* ((ghost ghostwright--ghost) (from (and ghost (overlay-start ghost)))
           (typed (and from (<= from (point)) (buffer-substring-no-properties from (point))))
           (rest (and typed (string-prefix-p typed (overlay-get ghost 'ghostwright-text))
                      (substring (overlay-get ghost 'ghostwright-text) (length typed)))))
      (if rest (ghostwright--draw rest (overlay-get ghost 'ghostwright-command))
        (ghostwright-dismiss))
      (if (eq (car ghostwright--seen) (buffer-chars-modified-tick))
          (setq ghostwright--seen (ghostwright--now)) ; only point moved
        (ghostwright-suggest 2)))))

(defun ghostwright-suggest (&optional kind)
  "Ask for ghost text at point; KIND is 2 where a key did it, and 1 by hand."
  (interactive)
  (when-let ((server (ghostwright--server)) (buffer (current-buffer)))
    (let ((asked (setq ghostwright--seen (ghostwright--now))))
      (eglot--signal-textDocument/didChange)
      (jsonrpc-async-request
       server :textDocument/inlineCompletion
       (append (eglot--TextDocumentPositionParams) `(:context (:triggerKind ,(or kind 1))))
       :timeout ghostwright-timeout :timeout-fn #'ignore :error-fn #'ignore
       :success-fn
       (lambda (answer)
         (when (buffer-live-p buffer)
           (with-current-buffer buffer
             (when (and ghostwright-mode (equal asked (ghostwright--now)))
               (if-let ((item (car (append (plist-get answer :items) nil))))
                   (ghostwright--draw (plist-get item :insertText) (plist-get item :command))
                 (ghostwright-dismiss))))))))))

(defun ghostwright-accept (&optional length)
  "Insert the ghost text, or LENGTH characters of it."
  (interactive)
  (when-let ((text (ghostwright--text)))
    (let ((command (overlay-get ghostwright--ghost 'ghostwright-command)))
      (if (and length (< length (length text))) (insert (substring text 0 length))
        (ghostwright-dismiss)
        (insert text)
        (ghostwright--execute (ghostwright--lose) (plist-get command :command)
                              (plist-get command :arguments) #'ignore)))))

(defun ghostwright-accept-word ()
  "Insert the next word of the ghost text."
  (interactive)
  (when-let ((text (ghostwright--text)))
    (ghostwright-accept (and (string-match "\\`[[:space:]]*\\(?:[[:alnum:]_]+\\|[^[:alnum:]_]\\)" text)
                             (match-end 0)))))

(defun ghostwright--key (command)
  "COMMAND while there is ghost text at point; else what the key does anyway."
  `(menu-item "" ,command :filter (lambda (it) (and (ghostwright--text) it))))

(defvar ghostwright-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "TAB") (ghostwright--key #'ghostwright-accept))
    (define-key map (kbd "<tab>") (ghostwright--key #'ghostwright-accept))
    (define-key map (kbd "M-<right>") (ghostwright--key #'ghostwright-accept-word))
    (define-key map (kbd "C-g") (ghostwright--key #'ghostwright-dismiss))
    map))

(defun ghostwright--lighter ()
  (let* ((server (ghostwright--server)) (status (and server (slot-value server 'status))))
    (format " ghost:%s" (or (plist-get status :state) "off"))))

;;;###autoload
(define-minor-mode ghostwright-mode
  "Ghost text behind the cursor; the keys act only while there is some."
  :lighter (:eval (ghostwright--lighter)) :keymap ghostwright-mode-map
  (ghostwright-dismiss)
  (setq ghostwright--seen (ghostwright--now))
  (if ghostwright-mode (add-hook 'post-command-hook #'ghostwright--changed nil t)
    (remove-hook 'post-command-hook #'ghostwright--changed t)))

(defun ghostwright--follow ()
  (ghostwright-mode (if (and (eglot-managed-p) (ghostwright--server)) 1 -1)))

;;;###autoload
(defun ghostwright-setup ()
  "Have eglot start Ghostwright for `ghostwright-modes' and show its ghost text there."
  (add-to-list 'eglot-server-programs
               (cons ghostwright-modes (cons 'ghostwright-server ghostwright-command)))
  (add-hook 'eglot-managed-mode-hook #'ghostwright--follow)
  (dolist (mode ghostwright-modes)
    (add-hook (intern (format "%s-hook" mode)) #'eglot-ensure)))

(provide 'ghostwright)
;;; ghostwright.el ends here
