# SPDX-License-Identifier: Apache-2.0
"""Tests as text: `$0` marks the cursor, `//- path` starts a file."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

CURSOR = "$0"


@dataclass(frozen=True)
class Marked:
    """Text without its mark, and where the mark was."""

    text: str
    offset: int

    @property
    def before(self) -> str:
        return self.text[: self.offset]

    @property
    def after(self) -> str:
        return self.text[self.offset :]

    @property
    def line(self) -> int:
        return self.before.count("\n")

    @property
    def index(self) -> int:
        return self.offset - (self.before.rfind("\n") + 1)


def marked(text: str) -> Marked:
    """Text with one `$0` in it. Indentation that all lines share does not count."""
    text = dedent(text).removeprefix("\n")
    assert text.count(CURSOR) == 1, f"one {CURSOR} is needed in:\n{text}"
    return Marked(text.replace(CURSOR, ""), text.index(CURSOR))


def files(text: str) -> dict[str, str]:
    """The files of a fixture: `//- path` on a line of its own, the text below."""
    found: dict[str, str] = {}
    for part in dedent(text).split("//- ")[1:]:
        path, _, body = part.partition("\n")
        found[path.strip()] = body
    return found
