# SPDX-License-Identifier: Apache-2.0
"""Rules of white space: the file's own unit of indentation.

In: text and its `Gap`. Out: the text with other white space. No line is cut here.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from engine.rules.gap import OPENS, depth, leading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rules.gap import Gap

WIDEST_STEP = 8  # columns; more is alignment
# Heads of blocks. What stands behind an open parenthesis may be indented by more than a level.
BLOCK = re.compile(r"(?:[{:]|\b(?:do|then|begin))\s*\Z")


def odd_indent(text: str, gap: Gap) -> str:
    """One space behind an indentation is the start of a word's token, not one more level.

    Chat models write it: their answer is begun with the indentation, and words have their space.
    """
    single = text.startswith(" ") and not text[1:2].isspace()
    return text[1:] if single and gap.before and not gap.before.strip() else text


def own_unit(text: str, gap: Gap) -> str:
    """Indent the lines by the file's own unit: tabs or spaces, and as many of them.

    Left alone where the steps are uneven: that is alignment.
    """
    if not gap.unit or "\n" not in text:
        return text
    lines = text.split("\n")
    lines[0] = gap.before + lines[0]
    convert = _to_tabs if gap.unit == "\t" else _to_spaces
    return "\n".join([text.split("\n", 1)[0], *convert(lines, gap.unit)[1:]])


def _to_tabs(lines: Sequence[str], _unit: str) -> list[str]:
    """Spaces at the beginning of a line to tabs, by the width of a level that fits them all."""
    wide = [at for at, line in enumerate(lines) if at and line.startswith(" ") and line.strip()]
    widths = [len(lines[at]) - len(lines[at].lstrip(" ")) for at in wide]
    if not wide:
        return list(lines)
    head = [line for line in lines[: wide[0]] if line.strip()][-1:]
    level = sum(leading(line).count("\t") + (OPENS.search(line) is not None) for line in head)
    steps = [widths[0] // times for times in (level, level - 1) if times > 0]
    step = next((s for s in (*steps, 4, 2) if s > 1 and not any(w % s for w in widths)), 0)
    if not step or step > WIDEST_STEP:
        return list(lines)
    changed = list(lines)
    for at, width in zip(wide, widths, strict=True):
        changed[at] = "\t" * (width // step) + lines[at].lstrip(" ")
    return changed


def _to_spaces(lines: Sequence[str], unit: str) -> list[str]:
    """Tabs to spaces; then levels of another width to the unit's, if all are that wide."""
    spaced = [leading(line).replace("\t", unit) + line.lstrip() for line in lines]
    code = [line for line in spaced if line.strip()]
    steps = {
        depth(inner) - depth(outer)
        for outer, inner in itertools.pairwise(code)
        if BLOCK.search(outer) and depth(inner) > depth(outer)
    }
    base, step = depth(spaced[0]), max(steps, default=0)
    uneven = any((depth(line) - base) % step for line in code) if step else True
    if len(steps) != 1 or step in (0, len(unit)) or step > WIDEST_STEP or uneven:
        return spaced
    return [
        " " * max(0, base + (depth(line) - base) // step * len(unit)) + line.lstrip()
        for line in spaced
    ]
