# SPDX-License-Identifier: Apache-2.0
"""What a wish for another signature means: `remove b`, `add parameter timeout=3`, a new header.

In: a function's parameters as text, the user's words or a header. Out: a `Wish`: the new items of
the list, which parameter was which, what calls are to pass. Raises Refused where the words are not
understood: then the model is asked for the header. It knows no file and no call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from indexer import masks
from indexer.signatures import Parameter, parameters, split
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = r"[`'\"]?([\w$]+)[`'\"]?"
_KIND = r"(?:the\s+)?(?:(?:keyword|keyword-only|optional|required)\s+)?(?:parameter|argument)?\s*"
_STEP = re.compile(r"\s*(?:;|\n|\band then\b)\s*")
_ADD = re.compile(
    r"add\s+(?:an?\s+)?(?P<kind>keyword(?:-only)?\s+)?(?:(?:parameter|argument)\s+)?"
    r"(?P<text>.+?)(?:\s+passing\s+(?P<passed>.+?))?"
    r"(?:\s+(?P<side>before|after)\s+(?P<near>[\w$]+))?\s*",
    re.IGNORECASE,
)
_REMOVE = re.compile(rf"(?:remove|drop|delete)\s+{_KIND}{_NAME}\s*", re.IGNORECASE)
_RENAME = re.compile(rf"rename\s+{_KIND}{_NAME}\s+to\s+{_NAME}\s*", re.IGNORECASE)
_MOVE = re.compile(rf"move\s+{_KIND}{_NAME}\s+(before|after)\s+{_NAME}\s*", re.IGNORECASE)
_SWAP = re.compile(rf"swap\s+{_KIND}{_NAME}\s+(?:and|with)\s+{_NAME}\s*", re.IGNORECASE)
_DEFAULTS = ("python", "javascript", "typescript", "tsx")  # languages with default values
_RECEIVERS = (b"self", b"cls")


@dataclass(frozen=True, slots=True)
class Wish:
    """`items` are the texts between the commas, `came_from` and `passes` as in `arguments`."""

    language: str
    items: tuple[bytes, ...]
    came_from: dict[bytes, bytes] = field(default_factory=dict)
    passes: dict[bytes, bytes] = field(default_factory=dict)
    result: bytes | None = None  # text of the return type with its sign, where one is wished for

    def at(self, name: bytes) -> int:
        """Which item is a parameter. Raises Refused."""
        for number, item in enumerate(self.items):
            if name_of(self.language, item) == name:
                return number
        raise Refused(f"there is no parameter {name.decode()}")


def items_of(data: bytes, code: bytes) -> tuple[bytes, ...]:
    """The texts between the commas of a list, bare."""
    found = []
    for start, end in split(code, 0, len(code)):
        item = code[start:end]
        begin = start + len(item) - len(item.lstrip())
        found.append(data[begin : start + len(item.rstrip())])
    return tuple(found)


def name_of(language: str, item: bytes) -> bytes:
    """The name of a parameter; b"" of `*`, `/` and what is none."""
    code = masks.code_of(language, item)
    found = parameters(language, code)
    return found[0].name if found else b""


def unchanged(language: str, items: Sequence[bytes]) -> Wish:
    """As it is: what steps begin with."""
    names = [name_of(language, item) for item in items]
    return Wish(language, tuple(items), {name: name for name in names if name})


def wished(now: Wish, words: str) -> Wish | None:
    """What plain words ask for; None where they are not understood. Raises Refused."""
    it = now
    for step in _STEP.split(words.strip().rstrip(".")):
        found = _step(it, step)
        if found is None:
            return None
        it = found
    return it


def _step(it: Wish, step: str) -> Wish | None:
    for pattern, work in (
        (_RENAME, _renamed),
        (_REMOVE, _removed),
        (_MOVE, _moved),
        (_SWAP, _swapped),
        (_ADD, _added),
    ):
        match = pattern.fullmatch(step)
        if match is not None:
            return work(it, match)
    return None


def _renamed(it: Wish, match: re.Match[str]) -> Wish:
    old, new = match[1].encode(), match[2].encode()
    if not masks.is_word(it.language, new) or new in it.came_from:
        raise Refused(f"{match[2]} cannot be the name of a parameter here")
    at = it.at(old)
    items = list(it.items)
    code = masks.code_of(it.language, items[at])
    word = next(masks.words(code, old))
    items[at] = items[at][:word] + new + items[at][word + len(old) :]
    came_from = {new if key == old else key: value for key, value in it.came_from.items()}
    passes = {new if key == old else key: value for key, value in it.passes.items()}
    return replace(it, items=tuple(items), came_from=came_from, passes=passes)


def _removed(it: Wish, match: re.Match[str]) -> Wish:
    name = match[1].encode()
    at = it.at(name)
    items = [item for number, item in enumerate(it.items) if number != at]
    if it.language == "go" and at and not _has_type(it.items[at - 1]) and _has_type(it.items[at]):
        items[at - 1] += b" " + it.items[at].partition(b" ")[2]  # `a, b int`
    if it.language == "python" and b"*" in items and items[-1] == b"*":
        items.remove(b"*")
    came_from = {key: value for key, value in it.came_from.items() if key != name}
    passes = {key: value for key, value in it.passes.items() if key != name}
    return replace(it, items=tuple(items), came_from=came_from, passes=passes)


def _moved(it: Wish, match: re.Match[str]) -> Wish:
    item = _typed(it)[it.at(match[1].encode())]
    items = [one for one in _typed(it) if one != item]
    near = replace(it, items=tuple(items)).at(match[3].encode())
    items.insert(near + (match[2].lower() == "after"), item)
    return replace(it, items=tuple(items))


def _swapped(it: Wish, match: re.Match[str]) -> Wish:
    one, other = it.at(match[1].encode()), it.at(match[2].encode())
    items = list(_typed(it))
    items[one], items[other] = items[other], items[one]
    return replace(it, items=tuple(items))


def _typed(it: Wish) -> tuple[bytes, ...]:
    """The items, each with its type: `a, b int` of Go can only be moved so."""
    if it.language != "go":
        return it.items
    items, kind = [], b""
    for item in reversed(it.items):
        kind = item.partition(b" ")[2].strip() if _has_type(item) else kind
        items.append(item if _has_type(item) else item + b" " + kind)
    return tuple(reversed(items))


def _has_type(item: bytes) -> bool:
    return b" " in item


def _added(it: Wish, match: re.Match[str]) -> Wish | None:
    text = _unquoted(match["text"].strip()).encode()
    code = masks.code_of(it.language, text)
    found = parameters(it.language, code)
    if not found or len(found) != 1 or not masks.is_word(it.language, found[0].name):
        return None
    name = found[0].name
    if name in it.came_from:
        raise Refused(f"there is a parameter {name.decode()} already")
    passed = match["passed"].encode() if match["passed"] else None
    equals = code.find(b"=")
    if it.language not in _DEFAULTS and equals >= 0:
        passed, text = passed or text[equals + 1 :].strip(), text[:equals].rstrip()
    optional = found[0].optional and it.language in _DEFAULTS
    at = _place(it, match, optional=optional, keyword=bool(match["kind"]))
    items = list(_typed(it) if at < len(it.items) else it.items)
    if it.language == "go" and items and not _has_type(text):
        raise Refused("a parameter of Go needs its type: `timeout int = 3`")
    items.insert(at, text)
    if match["kind"] and it.language == "python" and not _is_keyword_place(items[:at]):
        items.insert(at, b"*")
    passes = {**it.passes, name: passed} if passed is not None else it.passes
    return replace(it, items=tuple(items), passes=passes)


def _unquoted(text: str) -> str:
    """A parameter without the quotes around all of it; a default value keeps its own."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "`'\""
    return text[1:-1] if quoted else text


def _place(it: Wish, match: re.Match[str], *, optional: bool, keyword: bool) -> int:
    if match["near"]:
        return it.at(match["near"].encode()) + (match["side"].lower() == "after")
    rows = [parameters(it.language, masks.code_of(it.language, item)) for item in it.items]
    last = len(it.items)
    for number, item in enumerate(it.items):
        if item.startswith(b"**") or (it.language != "python" and _is_rest(rows[number])):
            last = min(last, number)
    if keyword or optional:
        return last
    for number, item in enumerate(it.items):
        if item.startswith(b"*") or (rows[number] and rows[number][0].optional):  # type: ignore[index]
            return min(last, number)
    return last


def _is_rest(row: tuple[Parameter, ...] | None) -> bool:
    return bool(row) and row[0].kind == "*"  # type: ignore[index]


def _is_keyword_place(before: Sequence[bytes]) -> bool:
    return any(item.startswith(b"*") for item in before)


def from_header(now: Wish, name: str, text: str) -> Wish | None:
    """What a new header asks for: `def f(a, b=1) -> int`; None where it is none. Raises Refused."""
    data = text.strip().strip("`").strip().encode()
    code = masks.code_of(now.language, data)
    opened = _opening(code, name.encode())
    closed = masks.closing(code, opened) if opened >= 0 else -1
    if closed < 0:
        return None
    inner, inner_code = data[opened + 1 : closed], code[opened + 1 : closed]
    items = items_of(inner, inner_code)
    row = parameters(now.language, inner_code)
    if row is None:
        raise Refused("the parameters of that header cannot be read")
    old = [key for key in now.came_from if key not in _RECEIVERS]
    new = [each.name for each in row if each.name not in _RECEIVERS]
    kept = {each: each for each in new if each in old}
    gone, fresh = [k for k in old if k not in kept], [k for k in new if k not in kept]
    if len(gone) == len(fresh) == 1 and old.index(gone[0]) == new.index(fresh[0]):
        kept[fresh[0]] = gone[0]
    elif gone and fresh:
        raise Refused("some parameters go and others come: say `rename a to b`, one step each")
    kept |= {each: each for each in now.came_from if each in _RECEIVERS}
    return Wish(now.language, items, kept, result=_result(now.language, data, code, closed))


def _opening(code: bytes, name: bytes) -> int:
    for at in masks.words(code, name):
        behind = masks.behind(code, at + len(name))
        if code[behind : behind + 1] in (b"(", b"<", b"["):
            return code.find(b"(", behind)
    return -1


def _result(language: str, data: bytes, code: bytes, closed: int) -> bytes | None:
    """The return type of Python or Rust; other languages keep theirs."""
    arrow = code.find(b"->", closed)
    if language not in ("python", "rust") or arrow < 0:
        return None
    end = len(data)
    for stop in (b":\n", b"{") if language == "rust" else (b":\n",):
        at = code.find(stop, arrow)
        end = min(end, at if at >= 0 else end)
    text = data[arrow:end].strip()
    return text.removesuffix(b"...").rstrip().removesuffix(b":").rstrip()
