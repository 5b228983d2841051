# SPDX-License-Identifier: Apache-2.0
"""What may be read and shown, in words for people.

The decision itself is `indexer.policy`'s; this module only says it. (What may leave as a suggestion
is decided by the rules of `engine.trim`.)
"""

from __future__ import annotations

REASONS = {
    "vanished": "no such file",
    "outside-root": "outside the workspace; --root names another one",
    "symlink-out": "a link that leads out of the workspace",
    "symlink-loop": "a link that leads to itself",
    "secret": "a kind of file that holds secrets; it is never read",
    "excluded": "excluded by .ghostwrightignore or the setting `exclude`",
    "vcs": "part of version control's own files",
    "not-regular": "not a regular file",
    "unreadable": "not readable",
    "huge": "too large to be source code",
    "binary": "not text",
    "minified": "minified",
    "generated": "generated",
    "empty": "empty",
}


def in_words(reason: str) -> str:
    """A reason of the policy or of the reader as a person would say it."""
    return REASONS.get(reason, reason.replace("-", " "))
