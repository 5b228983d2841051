# SPDX-License-Identifier: Apache-2.0
"""What the model wrote to what may be shown: one rule, one function (in `engine.rules`).

In: raw text and the `Gap` it is meant to fill. Out: the text to insert and the names of the rules
that fired. Knows no file, no editor and no model. Two moments: `enough` while text streams, so that
no token is written in vain; `trim` at the end, and again at each key that the raw text serves.

A rule only cuts, or changes white space at the beginning of a line: no two pieces of text are ever
joined to something that no rule has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.rules.form import (
    BEGINNING,
    LONGEST_LINE_CHARS,
    MAX_LINES,
    fences,
    half_token,
    invisible,
    long_lines,
    max_lines,
    newlines,
    preamble,
    single_line,
    special_tokens,
    too_short,
    trailing_space,
    whole_line,
)
from engine.rules.gap import Gap
from engine.rules.indent import odd_indent, own_unit
from engine.rules.repetition import repeated_blocks, repeated_lines, repetition, rewrites_above
from engine.rules.scope import balanced, blank_gap, dangling, scope, unopened
from engine.rules.suffix import line_below, rest_of_line, suffix_start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    Rule = Callable[[str, Gap], str]

__all__ = ["GROUPS", "LONGEST_LINE_CHARS", "MAX_LINES", "Gap", "enough", "trim"]

# All that can be shown, and a greeting before it. What is behind is not even looked at, so that no
# garbage, however long, takes more time than this much text.
MAX_RAW_CHARS = MAX_LINES * LONGEST_LINE_CHARS + 1000
MOST_ROUNDS = 8  # a rule may find something when a later one has cut; two rounds are usual

GROUPS: Mapping[str, tuple[Rule, ...]] = {
    "form": (
        newlines,
        invisible,
        special_tokens,
        half_token,
        preamble,
        fences,
        single_line,
        max_lines,
        long_lines,
        trailing_space,
        too_short,
    ),
    "indent": (odd_indent, own_unit),
    "repetition": (repeated_lines, repeated_blocks, repetition, rewrites_above),
    "suffix": (suffix_start, rest_of_line, line_below),
    "scope": (scope, balanced, unopened, blank_gap, dangling),
}
# Once, since they take off something that may come a second time and be meant then.
FIRST_RULES: tuple[Rule, ...] = (newlines, invisible, preamble, special_tokens)
RULES: tuple[Rule, ...] = (
    preamble,
    fences,
    half_token,
    odd_indent,
    single_line,
    max_lines,
    long_lines,
    own_unit,
    repeated_lines,
    repeated_blocks,
    repetition,
    suffix_start,
    rest_of_line,
    line_below,
    rewrites_above,
    scope,
    balanced,
    blank_gap,
    unopened,
    dangling,
    trailing_space,
    too_short,
)
# While text streams: rules that end it in the middle of a line, and such that look at whole lines.
AT_ONCE: tuple[Rule, ...] = (invisible, special_tokens, fences, suffix_start)
BY_LINE: tuple[Rule, ...] = (
    max_lines,
    long_lines,
    repeated_lines,
    repeated_blocks,
    line_below,
    scope,
    balanced,
    blank_gap,
)


def enough(raw: str, gap: Gap) -> bool:
    """Whether more tokens could not change what will be shown."""
    if len(raw) > MAX_RAW_CHARS:
        return True
    if raw.strip() and BEGINNING.fullmatch(raw):
        return False
    text = preamble(newlines(raw, gap), gap)
    if any(rule(text, gap) != text for rule in AT_ONCE):
        return True
    if gap.one_line and _lines_stand(text, gap):
        return True
    complete, _, last = text.rpartition("\n")
    if len(last) > LONGEST_LINE_CHARS:
        return True
    complete = own_unit(complete + "\n", gap)
    return bool(complete.strip()) and any(rule(complete, gap) != complete for rule in BY_LINE)


def _lines_stand(text: str, gap: Gap) -> bool:
    """Whether the one line that is wanted is there, and the next where this one may be finished.

    The next is not shown yet. It is there when the first has been typed or accepted.
    """
    begun = text.lstrip(" \t") if gap.before.strip() and not gap.may_end else text.lstrip()
    end = whole_line(begun, gap)
    if not end:
        return begun.count("\n") >= MAX_LINES
    return not gap.may_end or "\n" in begun[end:].lstrip()


def trim(raw: str, gap: Gap, without: Collection[str] = frozenset()) -> tuple[str, tuple[str, ...]]:
    """The text to insert, empty when nothing is worth showing, and the rules that fired.

    `without`: names of GROUPS to leave out, to see what they are good for. What is shown is settled
    but for white space given back: trimmed once more, it stays as it is.
    """
    left_out = {rule for group in without for rule in GROUPS[group]}
    fired: dict[str, None] = {}
    text = _run(raw[:MAX_RAW_CHARS], gap, [r for r in FIRST_RULES if r not in left_out], fired)
    rules = [rule for rule in RULES if rule not in left_out]
    for _ in range(MOST_ROUNDS):
        before, text = text, _run(text, gap, rules, fired)
        if text == before:
            break
    return text, tuple(fired)


def _run(text: str, gap: Gap, rules: Collection[Rule], fired: dict[str, None]) -> str:
    for rule in rules:
        trimmed = rule(text, gap)
        if trimmed != text:
            fired[rule.__name__] = None
        text = trimmed
    return text
