# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.docstring`: documentation for a function or class that has none.

In: the definition at the cursor. Out: the same text with a docstring or a comment more, in the form
of its language and the style of its file. The model writes prose only; where it goes, and that the
code stays what it was, is the machinery's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from indexer.masks import SCRIPTS
from indexer.scopes import OWNERS
from lsp_server.actions import doc_text, evidence, rewrite, syntax, wording
from lsp_server.actions.target import (
    FUNCTIONS,
    indent_at,
    indent_unit,
    line_start,
    replaced,
    symbol_at,
)
from lsp_server.actions.types import Check, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.chat import Turn
    from indexer.types import Symbol
    from lsp_server.actions.doc_text import Doc
    from lsp_server.actions.types import Proposal, Target

KINDS = frozenset((*FUNCTIONS, *OWNERS)) - {"module"}
TAGGED = SCRIPTS | {"java", "kotlin", "php"}
SLASHED = {"go": "// ", "rust": "/// ", "csharp": "/// ", "swift": "/// ", "dart": "/// "}
ATTRIBUTES = {"rust": (b"#[",), "typescript": (b"@",), "tsx": (b"@",), "javascript": (b"@",)}
EVIDENCE_CHARS = 1500  # who calls it says what it is for
BODY_CHARS = 6000  # of a long class or function its beginning is shown
FILES_FOR_STYLE = 6  # of the same folder, where the file itself shows none
_CODE = re.compile(
    r"(?:def|class|function|func|fn|public|private|return|const|let)\b.*[({:;=]|import [\w.]+$"
    r"|from [\w.]+ import |package \w+$|use \w+::"
)
_FORM = """Answer with plain text in this form and no code:
one sentence that says what it does
param NAME: what it is
returns: what it gives back"""
_NO_FORM = "Answer with one or two sentences of plain text and no code."


class Docstring:
    """See the module."""

    kind: ClassVar[str] = "refactor.rewrite.docstring"

    def title(self, it: Target) -> str:
        symbol = _place(it)
        return f"Document {symbol.name}" if symbol is not None else ""

    def ask(self, it: Target) -> Sequence[Turn]:
        symbol = _symbol(it)
        code = it.data[slice(*syntax.whole(it.data, symbol))].decode()
        code = wording.dedented(code, indent_at(it, symbol.start))
        if len(code) > BODY_CHARS:
            code = code[:BODY_CHARS].rpartition("\n")[0]
        line = symbol.start_line
        names = ", ".join(_parameters(it, symbol))
        form = _FORM if names else _NO_FORM
        task = f"Task: write the documentation of {symbol.name}. {form}"
        task += f"\nIts parameters are: {names}." if names else ""
        where = f"The code to document: {it.path}, from line {line} on"
        shown = wording.Code(it.path, code, where, rewrite.fence(it))
        return wording.asked(task, shown, self._pieces(it))

    def _pieces(self, it: Target) -> tuple[evidence.Piece, ...]:
        symbol = _symbol(it)
        return evidence.gather(it, symbol.start, symbol.end, EVIDENCE_CHARS)

    def answer_tokens(self, it: Target) -> int:
        """How long an answer may be."""
        return 120 + 40 * len(_parameters(it, _symbol(it)))

    def read(self, it: Target, answer: str) -> Proposal:
        symbol = _symbol(it)
        doc = _read(it, symbol, answer)
        start, end, text = _placed(it, symbol, doc)
        return rewrite.proposed(it, replaced(it, start, end, rewrite.visible(it, text)))

    def checks(self, it: Target, proposal: Proposal) -> Sequence[Check]:
        after = proposal.changes[0].after.encode()
        then, now = _code(it.language, it.data), _code(it.language, after)
        if then != now:
            detail = "the documentation would change the code itself"
            return (Check("code", passed=False, detail=detail),)
        return (Check("code", passed=True),)


def _place(it: Target) -> Symbol | None:
    """The definition to document: the innermost around the cursor, if it has no documentation."""
    symbol = symbol_at(it)
    while symbol is not None and symbol.kind not in KINDS:
        symbol = it.record.symbols[symbol.parent] if symbol.parent >= 0 else None
    if symbol is None or symbol.doc or it.language not in {"python", *TAGGED, *SLASHED}:
        return None
    if it.language == "python" and symbol.start_line == symbol.end_line:
        return None  # its body is on the line of its header
    return symbol


def _symbol(it: Target) -> Symbol:
    symbol = _place(it)
    if symbol is None:
        raise Refused("there is nothing without documentation at the cursor")
    return symbol


def _parameters(it: Target, symbol: Symbol) -> list[str]:
    if symbol.kind not in FUNCTIONS:
        return []
    names = syntax.parameters(it.language, it.data, symbol) or ()
    return [name for name in names if name not in {"self", "cls", "this"} and name.strip("_")]


def _read(it: Target, symbol: Symbol, answer: str) -> Doc:
    """What an answer says, whatever it has been wrapped in. Raises Refused."""
    text = _prose(it, symbol, answer)
    if len(text) > doc_text.MAX_CHARS:
        raise Refused(f"that is too long; {doc_text.MAX_CHARS} characters are the most")
    names = _parameters(it, symbol)
    doc = doc_text.read(text, names)
    if doc.strange and (names or symbol.kind in FUNCTIONS):
        known = f"its parameters are {', '.join(names)}" if names else "it has no parameters"
        raise Refused(f"{symbol.name} has no parameter {doc.strange[0]}; {known}")
    if len(doc.summary) < doc_text.SUMMARY_MIN_CHARS or not re.search(r"[^\W\d]{2}", doc.summary):
        raise Refused("the answer holds no sentence that says what it does")
    if _CODE.match(doc.summary):
        raise Refused("that is code; answer with the text of the documentation alone")
    return doc


def _prose(it: Target, symbol: Symbol, answer: str) -> str:
    """The documentation alone: an answer may hold the whole function with it."""
    code = wording.code_of(answer)
    if symbol.name not in code or not re.search(r"[{}();]|:\s*$", code, re.MULTILINE):
        return code
    data = code.encode()
    record = rewrite.extracted(it.language, data)
    same = next((row for row in record.symbols if row.name == symbol.name), None)
    if same is None:
        return code
    if it.language != "python":
        above = data[: syntax.whole(data, same)[0]].decode()
        return above or code
    found = syntax.shape(it.language, data, same)
    span = syntax.docstring(it.language, data, found) if found is not None else (0, 0)
    return data[slice(*span)].decode() if span != (0, 0) else code


def _placed(it: Target, symbol: Symbol, doc: Doc) -> tuple[int, int, str]:
    """Where the documentation goes, and its lines as the file has them, LF alone."""
    if it.language == "python":
        return _python(it, symbol, doc)
    start = _first_line(it, symbol)
    base = indent_at(it, symbol.start)
    width = max(40, doc_text.WIDTH - len(base.expandtabs(4)) - 3)
    if it.language in TAGGED:
        rows = doc_text.tagged_lines(doc, width)
        if it.language == "java":
            rows = [re.sub(r"^@returns\b", "@return", row) for row in rows]
        rows = [row.replace("*/", "* /") for row in rows]
        lines = [f"{base}/**", *(f"{base} * {row}".rstrip() for row in rows), f"{base} */"]
        if len(rows) == 1:
            lines = [f"{base}/** {rows[0]} */"]
    else:
        mark = SLASHED[it.language]
        if it.language == "go":
            doc = _named_first(symbol.name, doc)
        rows = doc_text.prose_lines(doc, width)
        lines = [f"{base}{mark}{row}".rstrip() for row in rows]
    return start, start, "\n".join(lines) + "\n"


def _first_line(it: Target, symbol: Symbol) -> int:
    """The line above which documentation stands: that of the first attribute or decorator."""
    start = line_start(it, symbol.start)
    while start:
        above = line_start(it, start - 1)
        if not it.data[above:start].lstrip().startswith(ATTRIBUTES.get(it.language, ())):
            break
        start = above
    return start


def _named_first(name: str, doc: Doc) -> Doc:
    """Go's custom: a comment begins with the name of what it is about."""
    first = doc.summary.split(maxsplit=1)[0].strip("`")
    if first == name:
        return doc
    summary = doc.summary[:1].lower() + doc.summary[1:]
    summary = f"is {summary}" if first.lower() in {"a", "an", "the"} else summary
    return doc_text.Doc(f"{name} {summary}", doc.more, doc.parameters, doc.returns, doc.raises)


def _python(it: Target, symbol: Symbol, doc: Doc) -> tuple[int, int, str]:
    at = _body_line(it, symbol)
    if at < 0:
        raise Refused(f"the body of {symbol.name} has no line of its own")
    body = it.data[at:].partition(b"\n")[0].decode()
    base = body[: len(body) - len(body.lstrip())] or indent_unit(it)
    width = max(40, doc_text.WIDTH - len(base.expandtabs(4)))
    style = _style(it)
    rows = doc_text.python_lines(doc, style, width)
    unit = indent_unit(it)
    rows = [_with_unit(row, unit) for row in rows]
    text = "\n".join(f"{base}{row}".rstrip() for row in rows).lstrip()
    if '"""' in text:
        text = text.replace('"""', "'''")
    quotes = 'r"""' if "\\" in text else '"""'
    if text.endswith(('"', "\\")):
        text += " "
    end = f"\n{base}" if len(rows) > 1 else ""
    empty = _empty_docstring(it, symbol)
    if empty is not None:
        return *empty, f'{quotes}{text}{end}"""'
    return at, at, f'{base}{quotes}{text}{end}"""\n'


def _with_unit(row: str, unit: str) -> str:
    """A line of a docstring with the steps of its file."""
    steps = (len(row) - len(row.lstrip())) // len(doc_text.STEP)
    return unit * steps + row.lstrip()


def _empty_docstring(it: Target, symbol: Symbol) -> tuple[int, int] | None:
    found = syntax.shape(it.language, it.data, symbol)
    span = syntax.docstring(it.language, it.data, found) if found is not None else (0, 0)
    return span if span != (0, 0) else None


def _body_line(it: Target, symbol: Symbol) -> int:
    """Where the first line of a Python body begins; -1 where the body is on the header's line."""
    found = syntax.shape(it.language, it.data, symbol)
    if found is None:
        return -1
    start = line_start(it, found.body[0])
    if it.data[start : found.body[0]].strip():
        return -1
    # Before a comment that may stand between: only the first thing of a body is a docstring.
    node = syntax.node_of(it.language, it.data, found)
    colon = it.data.rfind(b":", 0, found.body[0])
    for child in node.children if node is not None else ():
        if child.type == ":":
            colon = child.end_byte
    return it.data.find(b"\n", colon) + 1


def _style(it: Target) -> doc_text.Style:
    """The style of the file's docstrings, else of its neighbours', else Google's."""
    own = _docstrings(it.data)
    found = doc_text.style_of(own)
    if found != "plain" or it.snapshot is None:
        return found if own else "google"
    others = [text for data in _neighbours(it) for text in _docstrings(data)]
    return doc_text.style_of(others) if own or others else "google"


def _docstrings(data: bytes) -> list[str]:
    """The docstrings of a Python file that say something."""
    spans = syntax.docstrings(syntax.root("python", data))
    texts = [data[start:end].decode("utf-8", "replace") for start, end in spans]
    return [text for text in texts if text.strip("\"'rRuU \n")]


def _neighbours(it: Target) -> Iterator[bytes]:
    assert it.snapshot is not None
    folder = it.path.rpartition("/")[0]
    near = [
        path
        for path in it.snapshot.paths()
        if path.endswith(".py") and path != it.path and path.rpartition("/")[0] == folder
    ]
    for path in near[:FILES_FOR_STYLE]:
        yield it.snapshot.text(path)


def _code(language: str, data: bytes) -> tuple[bytes, ...]:
    """All words of a file but its comments and, for Python, the strings that begin a body."""
    if language != "python":
        return syntax.tokens(language, data, 0, len(data))
    top = syntax.root(language, data)
    found: list[bytes] = []
    at = 0
    for start, end in sorted(syntax.docstrings(top)):
        found += syntax.tokens(language, data, at, start)
        at = end
    return (*found, *syntax.tokens(language, data, at, len(data)))


ACTION = Docstring()
