# SPDX-License-Identifier: Apache-2.0
"""Rules of form: nothing but code, of a size that is read, in characters that are seen.

In: text and its `Gap`. Out: the text, cut. Knows nothing of the file's structure.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from engine.rules.brackets import unpaired
from engine.rules.lines import keep_lines

if TYPE_CHECKING:
    from engine.rules.gap import Gap

MAX_LINES = 12  # more is read by nobody while typing
MIN_CHARS = 2  # a lone bracket is quicker typed than read
LONGEST_LINE_CHARS = 400  # no line that a person writes; models in a loop do
BLANKS = 1  # blank lines before the next line of a suggestion
FENCE = "```"
# What chat models say before they begin; it counts only where a fence follows, as prose may begin
# like this too. Then the fence's own line.
_GREETING = r"(?:Here(?:'s|\u2019s| is| are)|Sure|Certainly|Of course|Below is)\b[^\n]*\n\s*"
_FENCE_LINE = r"```[\w+#.-]*[ \t]*"
PREAMBLE = re.compile(rf"\s*(?P<greeting>{_GREETING})?{_FENCE_LINE}\n")
BEGINNING = re.compile(rf"\s*(?:{_GREETING})?(?:`{{1,2}}|{_FENCE_LINE})?")  # not all there yet
# Separators that editors take for line ends, fillers that show nothing, and what stands for bytes
# that were no text.
UNSEEN = frozenset("\u2028\u2029\u115f\u1160\u3164\uffa0\ufffd")
UNSEEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co"))
# Special tokens as text. The general forms hold those of Qwen, Llama, Kimi, Gemma and many more;
# then StarCoder and Granite, Code Llama, Codestral (not an index: `names[PREFIX]`), and thinking.
SPECIAL = re.compile(
    r"<\|\w{1,40}\|>|<\uff5c[^\uff5c\n]{1,40}\uff5c>"
    r"|<fim[_-](?:prefix|middle|suffix|pad)>|<(?:file_sep|repo_name|endoftext|EOT|eos|bos)>"
    r"|<(?:issue|jupyter|commit)_\w{1,20}>|<(?<![^\n]<)(?:filename|reponame|gh_stars)>"
    r"|\u2581<(?:PRE|SUF|MID)>|<(?:PRE|SUF|MID)>|<(?<!\w<)/?s>"
    r"|\[(?<![\w\])]\[)(?:PREFIX|SUFFIX|MIDDLE|INST|/INST)\]"
    r"|</?(?:think|tool_call|tool_response)>|<(?:start|end)_of_turn>"
)
HALF_SPECIAL = re.compile(r"(?:<\|\w{2,40}\|?|<\uff5c[^\uff5c\n]{0,40}\uff5c?|<fim[_-]\w{0,6})\Z")


def newlines(text: str, _gap: Gap) -> str:
    """LF alone within; the file's own line ends are given back by who inserts."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def invisible(text: str, _gap: Gap) -> str:
    """Cut at the first control or direction-changing character: what is shown is what is there."""
    if text.replace("\n", "").replace("\t", "").isprintable() and UNSEEN.isdisjoint(text):
        return text
    for index, character in enumerate(text):
        unseen = character in UNSEEN or unicodedata.category(character) in UNSEEN_CATEGORIES
        if unseen and character not in "\n\t":
            return text[:index]
    return text


def special_tokens(text: str, gap: Gap) -> str:
    """Cut at a special token that is written out, but for one that the file has as well."""
    known: set[str] = set()
    for match in SPECIAL.finditer(text):
        written = match.group()
        if written in known or gap.has(written) or gap.has(written.replace("</", "<")):
            known.add(written)
        else:
            return text[: match.start()]
    return text


def half_token(text: str, gap: Gap) -> str:
    """Cut a special token at the end that is not written to its own end."""
    match = HALF_SPECIAL.search(text, max(0, len(text) - 50))
    return text[: match.start()] if match and not gap.has(match.group()[:2]) else text


def preamble(text: str, gap: Gap) -> str:
    """Chat models greet and wrap code in Markdown fences: never part of the code.

    A fence without a greeting is left to a file that has fences itself.
    """
    match = PREAMBLE.match(text)
    if match is None or (not match["greeting"] and gap.has(FENCE)):
        return text
    return text[match.end() :]


def fences(text: str, gap: Gap) -> str:
    """Code in a fence ends where the fence does; what follows is talk."""
    return text if FENCE not in text or gap.has(FENCE) else text.split(FENCE, 1)[0]


def single_line(text: str, gap: Gap) -> str:
    """Keep the first line where the place asks for one; the next where this one is finished.

    Brackets that a line opens are closed by the lines that follow: then they belong to it.
    """
    if not gap.one_line:
        return text
    if gap.may_end and text.lstrip(" \t").startswith("\n"):
        return _next_line(text)
    text = text if gap.before.strip() else text.lstrip("\n")
    end = whole_line(f"{text}\n", gap)
    return text[:end] if end else text.partition("\n")[0]


def whole_line(text: str, gap: Gap) -> int:
    """Where the first line ends that leaves no bracket of the text open; 0 where none does."""
    end = -1
    for _ in range(MAX_LINES if gap.code and gap.multiline else 1):
        end = text.find("\n", end + 1)
        if end < 0:
            return 0
        if not unpaired(text[:end])[1]:
            return end
    return 0


def _next_line(text: str) -> str:
    """The first line behind a break, with a blank one before it at most."""
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    return "\n".join(("", *lines[1 : first + 1])) if 0 < first <= 1 + BLANKS else ""


def max_lines(text: str, _gap: Gap) -> str:
    """At most MAX_LINES lines."""
    return "\n".join(text.split("\n", MAX_LINES)[:MAX_LINES])


def long_lines(text: str, _gap: Gap) -> str:
    """Cut before the first line that no person would write."""
    return keep_lines(text, lambda line: len(line) <= LONGEST_LINE_CHARS)


def trailing_space(text: str, _gap: Gap) -> str:
    """Neither blank lines nor spaces at the end."""
    return text.rstrip()


def too_short(text: str, _gap: Gap) -> str:
    """Not worth a glance."""
    return text if len(text.strip()) >= MIN_CHARS else ""
