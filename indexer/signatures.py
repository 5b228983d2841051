# SPDX-License-Identifier: Apache-2.0
"""A function's parameters were changed: what its calls should pass instead.

In: the text between the parentheses before and after, a call's arguments. Out: the new text of the
arguments, or None where it is not certain what is meant. Removed, renamed, moved and added
parameters are told apart by their names; one change at a time. It knows no file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from indexer import masks

if TYPE_CHECKING:
    from collections.abc import Callable

_KEYWORD = re.compile(rb"\s*(\w+)\s*=(?!=)")
_MODIFIER = re.compile(rb"\b(?:private|public|protected|readonly|final|mut|ref|const)\b")


class Parameter(NamedTuple):
    """`kind`: "" for a plain one, "*" for one that takes the rest, "key" for keyword-only."""

    name: bytes
    optional: bool
    kind: str = ""


class Change(NamedTuple):
    """What became of the parameters: exactly one of the four."""

    before: tuple[Parameter, ...]
    after: tuple[Parameter, ...]
    removed: int = -1  # place in `before`
    added: int = -1  # place in `after`
    renamed: int = -1  # place in both
    moved: bool = False


def split(code: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Spans between the commas of a list, without those inside of brackets; no empty last one."""
    spans, depth, begin = [], 0, start
    for at in range(start, end):
        char = code[at : at + 1]
        if char in (b"(", b"[", b"{"):
            depth += 1
        elif char in (b")", b"]", b"}"):
            depth -= 1
        elif char == b"," and depth == 0:
            spans.append((begin, at))
            begin = at + 1
    if code[begin:end].strip():
        spans.append((begin, end))
    return spans


def parameters(language: str, code: bytes) -> tuple[Parameter, ...] | None:
    """The parameters in the text between a function's parentheses; None: not understood."""
    found: list[Parameter] = []
    kind = ""
    for start, end in split(code, 0, len(code)):
        text = _MODIFIER.sub(b"", code[start:end]).strip()
        if language == "python" and text in (b"*", b"/"):
            kind = "key" if text == b"*" else kind
            continue
        name = _name(language, text)
        if name is None:
            return None
        rest = text.startswith((b"*", b"...")) or b"..." in text or b" vararg " in text
        optional = rest or b"=" in text or name + b"?" in text
        found.append(Parameter(name, optional, "*" if rest else kind))
        if language == "python" and text.startswith(b"*") and not text.startswith(b"**"):
            kind = "key"
    names = [each.name for each in found]
    return tuple(found) if len({*names}) == len(names) else None


def _name(language: str, text: bytes) -> bytes | None:
    head = re.split(rb"[:=]", text)[0].strip().lstrip(b"*.&").rstrip(b"?")
    names = masks.WORD.findall(head)
    if not names:
        return None
    typed_first = language in ("java", "c", "cpp", "csharp", "dart")
    if not typed_first and language != "go" and len(names) > 1:
        return None
    return bytes(names[-1] if typed_first else names[0])


def change(before: tuple[Parameter, ...], after: tuple[Parameter, ...]) -> Change | None:
    """The one thing that was done; None where it was nothing or more."""
    old, new = [each.name for each in before], [each.name for each in after]
    gone = [at for at, name in enumerate(old) if name not in new]
    fresh = [at for at, name in enumerate(new) if name not in old]
    stayed = [name for name in old if name in new]
    in_order = stayed == [name for name in new if name in old]
    if len(gone) == 1 and not fresh and in_order:
        return Change(before, after, removed=gone[0])
    if len(fresh) == 1 and not gone and in_order:
        return Change(before, after, added=fresh[0])
    if gone == fresh and len(gone) == 1 and in_order:
        return Change(before, after, renamed=gone[0])
    if not gone and not fresh and not in_order:
        return Change(before, after, moved=True)
    return None


def passed(
    language: str, it: Change, data: bytes, code: bytes, known: Callable[[bytes], bool]
) -> bytes | None:
    """The arguments of a call as they should be now; None where they are right or uncertain.

    `data` and `code`: the text between the call's parentheses, as it is and without strings.
    known: whether there is a variable of that name where the call stands.
    """
    spans = split(code, 0, len(code))
    texts = [data[start:end] for start, end in spans]
    if any(
        code[s:e].strip().startswith((b"*", b"...")) or code[s:e].rstrip().endswith(b"...")
        for s, e in spans
    ):
        return None
    keys = [_key(language, code[start:end]) for start, end in spans]
    plain = next((at for at, key in enumerate(keys) if key is not None), len(keys))
    if not _was_right(it.before, keys, plain):
        return None  # no call of what was there before: it is wrong or changed already
    if it.renamed >= 0:
        return _rename(it, data, spans, keys)
    if it.removed >= 0:
        return _without(it, texts, keys, plain)
    if it.added >= 0:
        return _with(language, it, texts, keys, plain, known)
    return _moved(it, texts, keys)


def _was_right(row: tuple[Parameter, ...], keys: list[bytes | None], plain: int) -> bool:
    """Whether these arguments, `plain` of them before the first keyword, are right for a row."""
    named = keys[plain:]
    if None in named or len({*named}) != len(named):
        return False
    if _takes_rest(row):
        return True
    places = [each.name for each in row if not each.kind]
    passed_by = {*places[:plain], *(key for key in named if key is not None)}
    needed = {each.name for each in row if not each.optional}
    fits = len(passed_by) == plain + len(named) and passed_by <= {each.name for each in row}
    return fits and needed <= passed_by


def _key(language: str, argument: bytes) -> bytes | None:
    match = _KEYWORD.match(argument) if language == "python" else None
    return match[1] if match else None


def _rename(
    it: Change, data: bytes, spans: list[tuple[int, int]], keys: list[bytes | None]
) -> bytes | None:
    old, new = it.before[it.renamed].name, it.after[it.renamed].name
    if old not in keys or new in keys:
        return None
    start = data.index(old, spans[keys.index(old)][0])
    return data[:start] + new + data[start + len(old) :]


def _without(it: Change, texts: list[bytes], keys: list[bytes | None], plain: int) -> bytes | None:
    gone = it.before[it.removed]
    if gone.name in keys:
        return _join(texts, keys.index(gone.name))
    # Only where all were passed: with fewer it may have been done already.
    if gone.kind or _takes_rest(it.before) or plain != _places(it.before):
        return None
    return _join(texts, it.removed)


def _join(texts: list[bytes], gone: int) -> bytes:
    """The arguments without one; the first of them keeps the white space before it."""
    left = [text for at, text in enumerate(texts) if at != gone]
    if gone == 0 and left:
        space = texts[0][: len(texts[0]) - len(texts[0].lstrip())]
        left[0] = space + left[0].lstrip()
    return b",".join(left)


def _with(  # noqa: PLR0917  all that is known of the call
    language: str,
    it: Change,
    texts: list[bytes],
    keys: list[bytes | None],
    plain: int,
    known: Callable[[bytes], bool],
) -> bytes | None:
    fresh = it.after[it.added]
    if fresh.optional or fresh.name in keys or not known(fresh.name) or _takes_rest(it.before):
        return None
    required = sum(1 for each in it.before if not each.optional and not each.kind)
    if plain > required:
        return None  # what is too much may be the added one already
    if fresh.kind == "key":
        return _insert(texts, len(texts), fresh.name + b"=" + fresh.name)
    if it.added > plain or (not any(keys) and plain < required):
        if language == "python" and any(keys):
            return _insert(texts, len(texts), fresh.name + b"=" + fresh.name)
        return None
    return _insert(texts, it.added, fresh.name)


def _insert(texts: list[bytes], at: int, argument: bytes) -> bytes:
    if not texts:
        return argument
    tail = texts[-1][len(texts[-1].rstrip()) :]
    bare = [text.strip() for text in texts]
    return b", ".join([*bare[:at], argument, *bare[at:]]) + tail


def _moved(it: Change, texts: list[bytes], keys: list[bytes | None]) -> bytes | None:
    names = [each.name for each in it.before]
    if any(keys) or any(each.kind for each in it.before) or len(texts) != len(names):
        return None
    by_name = dict(zip(names, [text.strip() for text in texts], strict=True))
    places = zip(it.before, it.after, strict=True)
    # By the arguments' own names: nothing else tells an old call from one that is right by now.
    if not all(_ends(by_name[old.name], old.name) for old, new in places if old != new):
        return None
    return b", ".join(by_name[each.name] for each in it.after)


def _ends(argument: bytes, name: bytes) -> bool:
    """`self.name` and `name` are meant for the parameter `name`."""
    return argument == name or argument.endswith(b"." + name)


def _takes_rest(row: tuple[Parameter, ...]) -> bool:
    return any(each.kind == "*" for each in row)


def _places(row: tuple[Parameter, ...]) -> int:
    """How many arguments fit without a keyword."""
    return sum(1 for each in row if not each.kind)
