# SPDX-License-Identifier: Apache-2.0
"""What may be read and shown, in words for people.

The decision which files may be read is `indexer.policy`'s; this module says it, and hears a file
that asks to be left alone. (What may leave as a suggestion is decided by `engine.trim`.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A file that says so is left alone, whoever opens it: a comment near its start, in any language.
SWITCH = re.compile(r"\bghostwright:[ \t]*off\b", re.IGNORECASE)
SWITCH_LINES = 10
SWITCH_CHARS = 400  # of a line

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


def switched_off(lines: Sequence[str]) -> bool:
    """Whether a file asks near its start for no suggestions: `ghostwright: off` in a comment."""
    return any(SWITCH.search(line, 0, SWITCH_CHARS) for line in lines[:SWITCH_LINES])


def in_words(reason: str) -> str:
    """A reason of the policy or of the reader as a person would say it."""
    return REASONS.get(reason, reason.replace("-", " "))
