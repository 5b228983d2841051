# SPDX-License-Identifier: Apache-2.0
"""Cutting text between two lines. Knows no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def keep_lines(text: str, wanted: Callable[[str], bool]) -> str:
    """Lines up to the first that is not wanted."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not wanted(line):
            return "\n".join(lines[:index])
    return text
