# SPDX-License-Identifier: Apache-2.0
"""Where a name is given: which words of a text bind one, and how far that name is seen.

In: a file's code (strings and comments blank) with its record, and the offset of a word. Out: the
`Binding` that the word is: a definition of the file, a member, a parameter, a variable, an import;
with the span in which the name means this. Read from the text around the word, not from a tree.
None where the text does not say for certain. It knows no other file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from indexer import masks
from indexer.scopes import FUNCTIONS, OWNERS

if TYPE_CHECKING:
    from indexer.types import FileRecord

_OWNING = OWNERS | {"impl", "extension"}
_TARGETS = rb"(?:[\w.]+[ \t]*,[ \t]*)*"
_MORE = rb"(?:[ \t]*,[ \t]*[\w.]+)*[ \t]*"
_HEADED = rb"(?:^|[;{}(])[ \t]*"


class _Form(NamedTuple):
    """What stands before and behind a word that is bound there, on one line."""

    before: re.Pattern[bytes]
    behind: re.Pattern[bytes]


def _form(before: bytes, behind: bytes) -> _Form:
    return _Form(re.compile(before + rb"\Z"), re.compile(behind))


_SCRIPT = [_form(rb"\b(?:const|let|var)[ \t]+", rb"[ \t]*(?:[=:;,!]|$|of\b|in\b)")]
_TYPED = [
    _form(
        _HEADED + rb"(?:(?:for|try)[ \t]*\([ \t]*)?(?:final[ \t]+|const[ \t]+)*"
        rb"(?!(?:return|new|throw|else|case|goto|delete|await|yield|import|package|using)\b)"
        rb"[\w.:]+(?:<[\w<>, ?.:]*>)?(?:\[\])*[ \t]*[ \t&*]+",
        rb"[ \t]*(?:=(?!=)|;|:(?!:)|\[)",
    )
]
_DECLARED = [_form(rb"\b(?:val|var|let)[ \t]+(?:mut[ \t]+)?", rb"[ \t]*(?:=(?!=)|:|;|$)")]
_FORMS = {
    "python": [
        _form(rb"^[ \t]*" + _TARGETS, _MORE + rb"(?::[^=\n]+)?=(?!=)"),
        _form(rb"^[ \t]*", rb"[ \t]*:[ \t]*[\w\[\]., |]+$"),
        _form(rb"^[ \t]*(?:async[ \t]+)?for[ \t]+\(?" + _TARGETS, _MORE + rb"\)?[ \t]*in\b"),
        _form(rb"^[ \t]*(?:with|async with|except)\b.*[ \t]as[ \t]+", rb"[ \t]*[,:]"),
        _form(rb"\(", rb"[ \t]*:="),
    ],
    **dict.fromkeys(masks.SCRIPTS, _SCRIPT),
    "go": [
        _form(_HEADED + rb"(?:(?:if|for|switch|case)[ \t]+)?" + _TARGETS, _MORE + rb":="),
        _form(rb"\b(?:var|const)[ \t]+", rb"[ \t]*[\w=\[\]*.]"),
    ],
    "rust": [_form(rb"\blet[ \t]+(?:mut[ \t]+)?", rb"[ \t]*(?:=(?!=)|:|;)")],
    **dict.fromkeys(("kotlin", "swift", "scala"), _DECLARED),
    **dict.fromkeys(("java", "c", "cpp", "csharp", "dart"), _TYPED + _DECLARED),
}
# Languages in which a parameter's type stands behind its name.
_NAME_FIRST = masks.SCRIPTS | {"python", "go", "rust", "kotlin", "swift", "scala"}
_OWN = re.compile(rb"\b(?:self|cls|this)[ \t]*\.[ \t]*\Z")
_ASSIGNED = re.compile(rb"[ \t]*(?::[^=\n]+)?=(?!=)")
_LOOP = re.compile(rb"\b(?:for|if|while|switch|with|catch|try)\b")


class Binding(NamedTuple):
    """`kind`: top, member, parameter or variable. Seen from `start` to `end`, in bytes."""

    kind: str
    start: int
    end: int
    symbol: int = -1  # of the record, where it is one; of a parameter, the function's


def binding(language: str, code: bytes, record: FileRecord, at: int) -> Binding | None:
    """What the word at an offset binds, None where it is a use."""
    end = _word_end(code, at)
    found = _symbol(code, record, at)
    if found is None and _is_import(code, record, at, code[at:end]):
        found = _imported(code, record, at)
    if found is None and (function := parameter_of(language, code, record, at)) >= 0:
        row = record.symbols[function]
        found = Binding("parameter", row.start, row.end, function)
    if found is None and _is_own(code, at, end):
        owner = masks.innermost(record, _OWNING, at)
        if owner >= 0:
            row = record.symbols[owner]
            found = Binding("member", row.start, row.end)
    if found is None and is_set(language, code, at, end):
        found = _around(language, code, record, at)
    return found


def is_set(language: str, code: bytes, at: int, end: int) -> bool:
    """Whether the text around a word says that a variable of that name begins here."""
    start, line_end = masks.line_of(code, at)
    head, tail = code[start:at], code[end:line_end].rstrip(b"\r")
    forms = _FORMS.get(language, ())
    return any(form.before.search(head) and form.behind.match(tail) for form in forms)


def parameter_of(language: str, code: bytes, record: FileRecord, at: int) -> int:
    """Number of the function of which the word at an offset is a parameter, else -1."""
    function = masks.innermost(record, FUNCTIONS, at)
    if function < 0:
        return -1
    row = record.symbols[function]
    opened = masks.opening(code, at, row.start)
    if opened < 0 or code[opened] not in b"(" or not is_header(code, row.name_start, opened):
        return -1
    prev, behind = masks.before(code, at), masks.behind(code, _word_end(code, at))
    last, following = code[prev : prev + 1], code[behind : behind + 1]
    if language in _NAME_FIRST:
        named = last in (b"(", b",", b"*", b"&", b"\n") or _is_modifier(code, prev)
        wrong = (b".", b")") if language == "go" else (b".",)
        return function if named and following not in wrong else -1
    typed = last.isalnum() or last in (b"_", b">", b"*", b"&", b"]")
    return function if typed and following in (b",", b")", b"=", b"[") else -1


def is_header(code: bytes, name_start: int, opened: int) -> bool:
    """Whether the bracket at `opened` holds parameters of the function whose name stands there."""
    if opened < name_start:  # a receiver of Go
        return code[masks.behind(code, masks.closing(code, opened) + 1)] == code[name_start]
    return opened == parameters_at(code, name_start)


def parameters_at(code: bytes, name_start: int) -> int:
    """Where the parameters of the function whose name stands there open, -1 without any."""
    at = masks.behind(code, _word_end(code, name_start))
    if code[at : at + 1] in (b"<", b"["):  # type parameters
        at = code.find(b"(", at)
    return at if at >= 0 and code[at : at + 1] == b"(" else -1


_MODIFIERS = re.compile(rb"\b(?:private|public|protected|readonly|mut|ref|vararg|inout)\Z")


def _is_modifier(code: bytes, at: int) -> bool:
    return _MODIFIERS.search(code, max(0, at - 12), at + 1) is not None


def _symbol(code: bytes, record: FileRecord, at: int) -> Binding | None:
    number = next((n for n, row in enumerate(record.symbols) if row.name_start == at), -1)
    if number < 0:
        return None
    row = record.symbols[number]
    around = record.symbols[row.parent] if row.parent >= 0 else None
    if around is not None and around.kind in FUNCTIONS:
        return Binding("variable", around.start, around.end, number)
    if row.kind == "method" or (around is not None and around.kind in _OWNING - {"module"}):
        span = (around.start, around.end) if around is not None else (0, 0)
        return Binding("member", *span, number)
    return Binding("top", 0, len(code), number)


def _is_import(code: bytes, record: FileRecord, at: int, name: bytes) -> bool:
    text = name.decode("utf-8", "replace")
    rows = [row for row in record.imports if row.alias == text and "." not in row.alias]
    if not rows:
        return False
    line = code.count(b"\n", 0, at) + 1
    # The line of an import is that of its statement; names may stand on lines below it.
    start = masks.opening(code, at)
    lines = {line} if start < 0 else {line, code.count(b"\n", 0, start) + 1}
    return any(row.line in lines for row in rows)


def _imported(code: bytes, record: FileRecord, at: int) -> Binding:
    function = masks.innermost(record, FUNCTIONS, at)
    if function < 0:
        return Binding("top", 0, len(code))
    row = record.symbols[function]
    return Binding("variable", row.start, row.end)


def _is_own(code: bytes, at: int, end: int) -> bool:
    """`self.name = ` gives a member."""
    start, _ = masks.line_of(code, at)
    return _OWN.search(code, start, at) is not None and _ASSIGNED.match(code, end) is not None


def _around(language: str, code: bytes, record: FileRecord, at: int) -> Binding | None:
    """As far as a variable is seen: the function, or in languages with braces the block."""
    function = masks.innermost(record, FUNCTIONS, at)
    whole = Binding("top", 0, len(code))
    if function >= 0:
        row = record.symbols[function]
        whole = Binding("variable", row.start, row.end)
    if language != "python":
        return _block(code, whole, at)
    owner = masks.innermost(record, _OWNING, at)
    if owner >= 0 and record.symbols[owner].start > whole.start:
        return None  # in a class and in no function: its members are symbols
    return whole


def _block(code: bytes, whole: Binding, at: int) -> Binding | None:
    opened = masks.opening(code, at, whole.start)
    while opened >= 0 and code[opened] not in b"{":
        opened = masks.opening(code, opened, whole.start)
    line, _ = masks.line_of(code, at)
    if _LOOP.search(code, max(line, opened + 1), at):
        block = code.find(b"{", at, whole.end)
        closed = masks.closing(code, block, whole.end) if block >= 0 else -1
        return Binding("variable", line, closed) if closed >= 0 else None
    if opened < 0:
        return whole
    closed = masks.closing(code, opened, whole.end)
    return Binding("variable", opened, closed) if closed >= 0 else None


def _word_end(code: bytes, at: int) -> int:
    match = masks.WORD.match(code, at)
    return match.end() if match else at
