# SPDX-License-Identifier: Apache-2.0
"""A call's arguments, for a function that is to take other parameters.

In: the parameters before and after, which is which, the text between a call's parentheses. Out: the
new text, or `Uncertain` with the reason. Arguments keep their white space and their order where
they can. Other than `signatures`, which reads a change from an edit and the names of arguments,
this one is told what is meant, and that all calls are still as they were. It knows no file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from indexer.signatures import Parameter, split

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYWORD = re.compile(rb"\s*(\w+)\s*=(?!=)")
_GENERATOR = re.compile(rb"\bfor\b")
_UNDEFINED = ("javascript", "typescript", "tsx")  # what is left out can be said there


class Uncertain(Exception):
    """It cannot be said what a call should pass now. One line."""


class Change(NamedTuple):
    """`came_from[name]`: what a parameter of `after` was called before; absent where it is new.

    `passes[name]`: what calls are to pass for a new one. A parameter's `kind`: see `signatures`.
    """

    language: str
    before: tuple[Parameter, ...]
    after: tuple[Parameter, ...]
    came_from: dict[bytes, bytes]
    passes: dict[bytes, bytes]

    @property
    def compatible(self) -> bool:
        """Whether every call that was right still is, whatever it passes."""
        now = {each.name: each for each in self.after}
        stays = all(
            each.name in now
            and self.came_from.get(each.name) == each.name
            and each.optional <= now[each.name].optional
            and each.kind == now[each.name].kind
            for each in self.before
        )
        old = [each.name for each in self.before if not each.kind]
        new = [each.name for each in self.after if not each.kind]
        grown = new[len(old) :] and any(_is_rest(each) for each in self.before)
        fresh = [each for each in self.after if each.name not in self.came_from]
        harmless = all(each.optional and each.name not in self.passes for each in fresh)
        return stays and harmless and not grown and new[: len(old)] == old


class _Argument(NamedTuple):
    """`key`: of a keyword argument; `many`: "*" or "**" of one that stands for many."""

    text: bytes
    key: bytes | None = None
    many: str = ""


def rewritten(it: Change, data: bytes, code: bytes) -> bytes:
    """The text between a call's parentheses as it has to be.

    `data` and `code`: as it is, and without strings and comments. Raises Uncertain.
    """
    if it.compatible:
        return data
    spans = split(code, 0, len(code))
    given = [_argument(it.language, data, code, start, end) for start, end in spans]
    wanted = _Binding(it, given).wanted()
    if [each.text for each in wanted] == [each.text for each in given]:
        return data
    if len(given) == 1 and len(wanted) > 1 and _is_generator(it.language, code, spans[0]):
        old = given[0].text
        texts = [b"(" + old + b")" if each.text == old else each.text for each in wanted]
    else:
        texts = [each.text for each in wanted]
    return laid_out(data, code, texts)


def laid_out(data: bytes, code: bytes, texts: Sequence[bytes]) -> bytes:
    """A list between brackets with other items, spaced as the one that was there."""
    spans = split(code, 0, len(code))
    if not spans:
        return b", ".join(texts)
    if not texts:
        return b"" if data[spans[0][0] : spans[-1][1]].strip() else data
    leads, trails = [], []
    for start, end in spans:
        item = code[start:end]
        inner = start + len(item) - len(item.lstrip())
        leads.append(data[start:inner])
        trails.append(data[start + len(item.rstrip()) : end])
    tail = data[spans[-1][1] :]  # a last comma
    more = leads[1] if len(leads) > 1 else leads[0]
    more = more[more.rindex(b"\n") :] if b"\n" in more else b" "  # a comment belongs to one
    parts = []
    for number, text in enumerate(texts):
        lead = leads[number] if number < len(leads) else more
        last = number == len(texts) - 1
        trail = trails[-1] if last else (trails[number] if number < len(trails) - 1 else b"")
        parts.append(lead + text + trail)
    return b",".join(parts) + tail


def _argument(language: str, data: bytes, code: bytes, start: int, end: int) -> _Argument:
    item = code[start:end]
    begin = start + len(item) - len(item.lstrip())
    stop = start + len(item.rstrip())
    text, bare = data[begin:stop], code[begin:stop]
    many = ""
    if language == "python" and bare.startswith(b"*"):
        many = "**" if bare.startswith(b"**") else "*"
    elif bare.startswith(b"...") or bare.endswith(b"..."):
        many = "*"
    match = _KEYWORD.match(bare) if language == "python" else None
    return _Argument(text, match[1] if match else None, many)


def _is_generator(language: str, code: bytes, span: tuple[int, int]) -> bool:
    item = code[span[0] : span[1]].strip()
    return (
        language == "python"
        and _GENERATOR.search(item) is not None
        and not (item[:1] in (b"(", b"[", b"{") and item[-1:] in (b")", b"]", b"}"))
    )


class _Binding:
    """What each argument of one call is for."""

    def __init__(self, it: Change, given: Sequence[_Argument]) -> None:
        self.it = it
        self.plain: list[_Argument] = []
        self.named: list[_Argument] = []
        self.star = -1  # how many plain arguments come before one that stands for many
        self.double = False
        for each in given:
            self._sort(each)
        self.before = [each for each in it.before if not each.kind]
        self.rest = any(_is_rest(each) for each in it.before)
        self.by_name = self._bound()

    def _sort(self, each: _Argument) -> None:
        if each.key is not None or each.many == "**":
            self.named.append(each)
            self.double = self.double or each.many == "**"
            return
        if self.named and not each.many:
            raise Uncertain("a plain argument follows one that stands for many")
        if each.many and self.star < 0:
            self.star = len(self.plain)
        self.plain.append(each)

    def _bound(self) -> dict[bytes, _Argument]:
        """The arguments by the old names of the parameters that take them."""
        fixed = self.plain if self.star < 0 else self.plain[: self.star]
        if len(fixed) > len(self.before) and not self.rest:
            raise Uncertain("it passes more than the function takes")
        bound = {each.name: arg for each, arg in zip(self.before, fixed, strict=False)}
        for arg in self.named:
            if arg.key is not None:
                if arg.key in bound:
                    raise Uncertain(f"it passes {arg.key.decode()} twice")
                bound[arg.key] = arg
        missing = [each for each in self.it.before if not each.optional and each.name not in bound]
        if missing and self.star < 0 and not self.double:
            raise Uncertain(f"it does not pass {missing[0].name.decode()}")
        return bound

    def wanted(self) -> list[_Argument]:
        """What the call has to pass, in order."""
        python = self.it.language == "python"
        tail = self._tail()
        plain: list[_Argument] = []
        keyed: dict[bytes, _Argument] = {}
        skipped: list[Parameter] = []  # behind them there is no place without a keyword
        for each in self.it.after:
            if _is_rest(each) or (not each.kind and self.star >= 0 and self._from_star(each)):
                continue
            arg = self._value(each)
            if arg is None:
                skipped += [] if each.kind else [each]
            elif python and (each.kind or arg.key is not None or skipped):
                keyed[each.name] = _named(each.name, arg)
                skipped += [] if each.kind else [each]
            else:
                plain += self._fillers(skipped)
                plain.append(arg)
                skipped = []
        if tail and skipped:
            raise Uncertain("it passes more than has names, behind what it leaves out")
        return [*plain, *tail, *self._keywords(keyed)]

    def _fillers(self, skipped: list[Parameter]) -> list[_Argument]:
        if skipped and self.it.language not in _UNDEFINED:
            raise Uncertain(f"nothing says what it is to pass for {skipped[0].name.decode()}")
        return [_Argument(b"undefined")] * len(skipped)

    def _tail(self) -> list[_Argument]:
        """What follows the parameters with names; checked that it may stay."""
        if self.star < 0:
            more = self.plain[len(self.before) :]
            if more and not any(_is_rest(each) for each in self.it.after):
                raise Uncertain("it passes what no parameter takes any more")
            return more
        old = [each.name for each in self.before[self.star :]]
        new = [self.it.came_from.get(e.name, b"") for e in self.it.after if not e.kind]
        start = len(new) - len(old) if not old else (new.index(old[0]) if old[0] in new else -1)
        same = start >= 0 and new[start : start + len(old)] == old
        behind = [each for each in self.it.after if not each.kind][start + len(old) :]
        if not same or not all(each.optional for each in behind):
            raise Uncertain("what it passes by * cannot be counted")
        if behind and self.rest:
            raise Uncertain("what it passes by * would reach a new parameter")
        return self.plain[self.star :]

    def _from_star(self, each: Parameter) -> bool:
        """Whether the argument that stands for many begins with this parameter."""
        old = [one.name for one in self.before[self.star :]]
        name = self.it.came_from.get(each.name)
        return name in old if old else name is None

    def _value(self, each: Parameter) -> _Argument | None:
        name = self.it.came_from.get(each.name)
        if name is None:
            text = self.it.passes.get(each.name)
            if text is None and not each.optional:
                raise Uncertain(f"nothing says what it is to pass for {each.name.decode()}")
            return _Argument(text) if text is not None else None
        arg = self.by_name.get(name)
        if arg is None and self.double and name != each.name:
            raise Uncertain(f"it may pass {name.decode()} by **")
        if arg is not None and arg.key is not None and name != each.name:
            return _Argument(_rekeyed(arg.text, name, each.name), each.name)
        if arg is None and not each.optional and not self.double and self.star < 0:
            raise Uncertain(f"it does not pass {each.name.decode()}")
        return arg

    def _keywords(self, keyed: dict[bytes, _Argument]) -> list[_Argument]:
        """Keyword arguments in the order in which the call has them, new ones before `**`."""
        names = {each.name for each in self.it.before}
        after = {old: new for new, old in self.it.came_from.items()}
        found: list[_Argument] = []
        for arg in self.named:
            if arg.many == "**" or arg.key not in names:
                if arg.many == "**":
                    self._check_double()
                elif arg.key in {each.name for each in self.it.after}:
                    raise Uncertain(f"it passes {(arg.key or b'').decode()} to ** already")
                found.append(arg)
            elif (new := after.get(arg.key or b"")) is not None and new in keyed:
                found.append(keyed.pop(new))
        at = next((n for n, arg in enumerate(found) if arg.many == "**"), len(found))
        return [*found[:at], *keyed.values(), *found[at:]]

    def _check_double(self) -> None:
        kept = set(self.it.came_from.values())
        for each in self.it.before:
            if each.name not in kept and each.name not in self.by_name and not _is_rest(each):
                raise Uncertain(f"it may pass {each.name.decode()} by **")


def _named(name: bytes, arg: _Argument) -> _Argument:
    return arg if arg.key is not None else _Argument(name + b"=" + arg.text, name)


def _rekeyed(text: bytes, old: bytes, new: bytes) -> bytes:
    return new + text[len(old) :]


def _is_rest(each: Parameter) -> bool:
    return each.kind == "*"
