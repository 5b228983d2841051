# SPDX-License-Identifier: Apache-2.0
"""The text of a documentation: read from what a model writes, written in a language's form.

In: an answer in any of the customary forms, names of parameters, the style of a file. Out: a `Doc`
of plain text, and from it the lines of a comment or a docstring. It knows no tree and no file.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Style = Literal["google", "numpy", "sphinx", "plain"]
WIDTH = 88  # of a line with its indentation, where a file does not have longer ones
STEP = "    "  # in docstrings; the file's own is put in its place
SUMMARY_MIN_CHARS = 3
MAX_CHARS = 4000  # of all: more is no documentation of one function
_MARK = re.compile(r"^\s*(?:///?!?|//|/\*\*?|\*/|\*(?!\*)|#)\s?")
_END = re.compile(r"\s*\*/\s*$")
_QUOTES = re.compile(r"^\s*[rRuU]?(?:\"\"\"|''')|(?:\"\"\"|''')\s*$")
_SPHINX = re.compile(r":param(?:eter)?\s+(?:[\w.\[\]|, ]+\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_TAG = re.compile(
    r"@?param(?:eter)?\s+(?:\{[^}]*\}\s*)?[`*\[]*(\w+)(?:=[^\]]*\])?[`*\]]*(?:\s*[:\u2013-]+\s*|\s+|$)(.*)",
    re.IGNORECASE,
)
_RETURNS = re.compile(r"(?:@|:)?returns?\s*(?:\{[^}]*\})?\s*:?\s*(.*)", re.IGNORECASE)
_RAISES = re.compile(
    r"(?:@throws|@exception|:raises?|raises?|throws)\s+(?:\{)?`?([A-Za-z_][\w.]*)`?\}?\s*:?\s*(.*)",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"(?:#+\s*)?\**(args|arguments|parameters|params|returns?|raises|throws|errors|yields|examples?"
    r"|notes?|see also)\**\s*:?\**\s*$",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?:[-*•]\s+)?[`*]*(\*{0,2}\w+)[`*]*\s*(?:\([^()]*(?:\([^()]*\))?[^()]*\))?\s*(?::|-|\u2013)\s+(.*)"
)
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+)(?:\s*:\s*[^:]*)?$")
_PREFIX = re.compile(r"^(?:summary|description)\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Doc:
    """What a documentation says. `strange`: parameters it speaks of that do not exist."""

    summary: str
    more: tuple[str, ...] = ()  # paragraphs
    parameters: tuple[tuple[str, str], ...] = ()
    returns: str = ""
    raises: tuple[tuple[str, str], ...] = ()
    strange: tuple[str, ...] = ()


def bare(text: str) -> str:
    """Text without the signs of comments and strings around it, and without its margin."""
    lines = [_END.sub("", _MARK.sub("", line)) for line in text.strip("\n").split("\n")]
    joined = textwrap.dedent("\n".join(lines)).strip()
    return _QUOTES.sub("", _QUOTES.sub("", joined)).strip()


class _Reader:
    """Takes lines one by one and knows what section they are in."""

    def __init__(self, known: Sequence[str]) -> None:
        self.known = known
        self.section = ""
        self.prose: list[list[str]] = [[]]
        self.parameters: dict[str, str] = {}
        self.returns = ""
        self.raises: dict[str, str] = {}
        self.strange: list[str] = []
        self._last: tuple[str, str] = ("", "")

    def take(self, line: str) -> None:
        text = line.strip().rstrip("\\").strip()
        section = _SECTION.fullmatch(text)
        if section is not None:
            self.section, self._last = section[1].lower().rstrip("s"), ("", "")
        elif not text or re.fullmatch(r"[-=~]{3,}", text):
            self._last = ("", "")
            self.prose.append([])
        elif not (self._tagged(text) or self._listed(text) or self._goes_on(text)):
            self.prose[-1].append(text)

    def _tagged(self, text: str) -> bool:
        tag = _SPHINX.fullmatch(text) or _TAG.fullmatch(text)
        returned, raised = _RETURNS.fullmatch(text), _RAISES.fullmatch(text)
        marked = text.startswith(("@", ":"))
        if tag is not None and (marked or tag[1] in self.known or ":" in text):
            self._parameter(tag[1], tag[2])
        elif returned is not None and (marked or re.match(r"returns?\s*:", text, re.IGNORECASE)):
            self.returns, self._last = returned[1], ("returns", "")
        elif raised is not None and (marked or ":" in text):
            self.raises[raised[1]] = raised[2]
            self._last = ("raises", raised[1])
        else:
            return re.match(r"[:@]r?type\b", text) is not None
        return True

    def _listed(self, text: str) -> bool:
        item = _ITEM.fullmatch(text)
        if self.section in {"arg", "argument", "parameter", "param"}:
            numpy = _NUMPY_ITEM.fullmatch(text)
            if item is not None:
                self._parameter(item[1], item[2])
            elif numpy is not None and numpy[1].strip("*") in self.known:
                self._parameter(numpy[1], "")
            return item is not None or (numpy is not None and self._last[0] == "parameter")
        if self.section in {"return", "yield"}:
            typed = _ITEM.fullmatch(text)
            self.returns = f"{self.returns} {typed[2] if typed else text}".strip()
            return True
        if self.section in {"raise", "throw", "error"} and item is not None:
            self.raises[item[1]] = item[2]
            self._last = ("raises", item[1])
            return True
        if item is not None and item[1] in self.known and not self.section:
            self._parameter(item[1], item[2])
            return True
        return False

    def _parameter(self, name: str, text: str) -> None:
        name = name.strip("*")
        if name in self.known:
            self.parameters[name] = text
            self._last = ("parameter", name)
        elif name not in {"self", "cls", "this", "None", "none"}:
            self.strange.append(name)

    def _goes_on(self, text: str) -> bool:
        """A further line of what was said last."""
        kind, name = self._last
        if kind == "parameter":
            self.parameters[name] = f"{self.parameters[name]} {text}".strip()
        elif kind == "raises":
            self.raises[name] = f"{self.raises[name]} {text}".strip()
        elif kind == "returns":
            self.returns = f"{self.returns} {text}".strip()
        return bool(kind)


def read(text: str, known: Sequence[str]) -> Doc:
    """A documentation in any of the customary forms. Its summary is "" where there is none."""
    reader = _Reader([name.strip("*&.") for name in known])
    for line in bare(text).split("\n"):
        reader.take(line)
    paragraphs = [" ".join(lines) for lines in reader.prose if lines]
    first, *more = paragraphs or [""]
    first = _PREFIX.sub("", first).strip().strip("\"'`").strip()
    summary, rest = _first_sentence(first)
    parameters = tuple((n, t) for n, t in reader.parameters.items() if t.strip(" ."))
    return Doc(
        summary,
        tuple(each for each in (rest, *more) if each),
        parameters,
        ""
        if re.fullmatch(r"(?:none|nothing|void|null|n/?a)\W*", reader.returns, re.IGNORECASE)
        else reader.returns,
        tuple(reader.raises.items()) if "none" not in reader.raises else (),
        tuple(dict.fromkeys(reader.strange)),
    )


def _first_sentence(text: str) -> tuple[str, str]:
    match = re.match(r"(.+?[.!?])\s+(?=[A-Z`])(.*)", text, re.DOTALL)
    if match is None or match[1].endswith(("e.g.", "i.e.", "etc.")):
        return text, ""
    return match[1], match[2]


def sentence(text: str) -> str:
    """Text that begins with a capital and ends with a stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":", "`")) else f"{text}."


def style_of(texts: Iterable[str]) -> Style:
    """The custom of docstrings that speak of parameters; plain where there are none."""
    counts = {"google": 0, "numpy": 0, "sphinx": 0}
    for text in texts:
        counts["google"] += len(re.findall(r"^\s+(?:Args|Returns|Raises):\s*$", text, re.MULTILINE))
        counts["numpy"] += len(
            re.findall(r"^\s*(?:Parameters|Returns)\r?\n\s*-{4,}", text, re.MULTILINE)
        )
        counts["sphinx"] += len(re.findall(r"^\s*:(?:param|returns?)\b", text, re.MULTILINE))
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "plain"  # type: ignore[return-value]


def python_lines(doc: Doc, style: Style, width: int) -> list[str]:
    """The lines of a docstring without quotes and indentation, at most `width` wide."""
    lines = (
        [sentence(doc.summary)]
        if len(doc.summary) < width - 6
        else _wrapped(sentence(doc.summary), width)
    )
    for paragraph in doc.more:
        lines += ["", *_wrapped(paragraph, width)]
    if style == "sphinx":
        return [*lines, *_sphinx(doc, width)]
    if style == "numpy":
        return [*lines, *_numpy(doc, width)]
    return [*lines, *_google(doc, width)] if style == "google" else lines


def _google(doc: Doc, width: int) -> list[str]:
    lines: list[str] = []
    for name, rows in (("Args", doc.parameters), ("Raises", doc.raises)):
        if rows:
            if name == "Raises" and doc.returns:
                lines += ["", "Returns:", *_wrapped(doc.returns, width, "    ")]
            lines += ["", f"{name}:"]
            for item, text in rows:
                lines += _wrapped(f"{item}: {text}", width, "    ", "        ")
    if doc.returns and not doc.raises:
        lines += ["", "Returns:", *_wrapped(doc.returns, width, "    ")]
    return lines


def _numpy(doc: Doc, width: int) -> list[str]:
    lines: list[str] = []
    returned = [("", doc.returns)] if doc.returns else []
    for name, rows in (
        ("Parameters", doc.parameters),
        ("Returns", returned),
        ("Raises", doc.raises),
    ):
        if rows:
            lines += ["", name, "-" * len(name)]
            for item, text in rows:
                lines += [item] if item else []
                lines += _wrapped(text, width, "    " if item else "")
    return lines


def _sphinx(doc: Doc, width: int) -> list[str]:
    lines = [""] if doc.parameters or doc.returns or doc.raises else []
    for item, text in doc.parameters:
        lines += _wrapped(f":param {item}: {text}", width, "", "    ")
    lines += _wrapped(f":returns: {doc.returns}", width, "", "    ") if doc.returns else []
    for item, text in doc.raises:
        lines += _wrapped(f":raises {item}: {text}", width, "", "    ")
    return lines


def tagged_lines(doc: Doc, width: int) -> list[str]:
    """Lines for a comment of JSDoc or Javadoc, without stars."""
    lines = _wrapped(sentence(doc.summary), width)
    for paragraph in doc.more:
        lines += ["", *_wrapped(paragraph, width)]
    tags = [f"@param {item} {text}" for item, text in doc.parameters]
    tags += [f"@returns {doc.returns}"] if doc.returns else []
    tags += [f"@throws {item} {text}" for item, text in doc.raises]
    lines += [""] if tags else []
    for tag in tags:
        lines += _wrapped(tag, width, "", "  ")
    return lines


def prose_lines(doc: Doc, width: int) -> list[str]:
    """Lines for languages whose documentation is prose."""
    lines = _wrapped(sentence(doc.summary), width)
    for paragraph in doc.more:
        lines += ["", *_wrapped(paragraph, width)]
    return lines


def _wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        max(width, 40),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
