# SPDX-License-Identifier: Apache-2.0
"""How a family of models wants its prompt: `templates.toml` as values, and items as token ids.

In: the name of a layout, or a vocabulary to choose one by. Out: a `Layout`, and the ids of its
items. No template from a model file is ever looked at. Knows no budget and no repository.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.types import RequestRejected

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.tokens import Tokens
    from engine.types import Part

KINDS: dict[str, Literal["special", "text", "slot"]] = {
    "special": "special",
    "text": "text",
    "slot": "slot",
}
NAMES = ("repository", "path")  # short slots, which are tokenised with the text around them
BODIES = ("pieces", "text", "block", "prefix", "lines", "answer", "suffix")
PREFIX_ONLY = "prefix"  # of an engine that takes models without tokens for holes


@dataclass(frozen=True, slots=True)
class Item:
    """A special token, a fixed text or a slot, in the order in which the model reads them."""

    kind: Literal["special", "text", "slot"]
    value: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One table of templates.toml."""

    name: str
    repository: bool  # trained on several files with tokens between them
    prompt: tuple[Item, ...]
    piece: tuple[Item, ...]

    @property
    def specials(self) -> frozenset[str]:
        """The names of all special tokens that it places."""
        return frozenset(i.value for i in (*self.prompt, *self.piece) if i.kind == "special")

    @property
    def is_chat(self) -> bool:
        """Whether the middle is asked for in a turn, with the answer begun for the model."""
        return Item("slot", "answer") in self.prompt


@cache
def layouts() -> dict[str, Layout]:
    """Every layout of templates.toml by its name, in the order of the file."""
    text = Path(__file__).with_name("templates.toml").read_text(encoding="utf-8")
    return {name: _layout(name, row) for name, row in tomllib.loads(text).items()}


def detect(special: Callable[[str], int | None]) -> str | None:
    """The first layout of which a vocabulary has all special tokens, None where there is none."""
    known: dict[str, bool] = {}
    for layout in layouts().values():
        for name in sorted(layout.specials):
            if name not in known:
                known[name] = special(name) is not None
        if layout.specials and all(known[name] for name in layout.specials):
            return layout.name
    return None


def render(
    items: Iterable[Item], slots: Mapping[str, str], tokens: Tokens
) -> Iterator[tuple[str, array[int]]]:
    """The ids of items in turn, each with the slot it fills, "" for what belongs to the layout.

    A slot of `BODIES` stands alone: what is in it has the same ids wherever it stands. One that
    is not in `slots` is given without ids. Raises RequestRejected where the vocabulary lacks a
    special token.
    """
    text = ""
    for item in items:
        if item.kind == "text":
            text += item.value
        elif item.value in NAMES and item.kind == "slot":
            text += slots[item.value]
        else:
            if text:
                yield "", tokens.ids(text)
                text = ""
            yield _alone(item, slots, tokens)
    if text:
        yield "", tokens.ids(text)


def piece_ids(part: Part, layout: Layout, tokens: Tokens) -> array[int]:
    """A piece as it stands in the prompt, with its header."""
    block = part.text if part.text.endswith("\n") else part.text + "\n"
    slots = {"path": part.path, "text": part.text, "block": block}
    found = array("i")
    for _, ids in render(layout.piece, slots, tokens):
        found.extend(ids)
    return found


def _alone(item: Item, slots: Mapping[str, str], tokens: Tokens) -> tuple[str, array[int]]:
    if item.kind == "slot":
        return item.value, tokens.ids(slots.get(item.value, ""))
    token = tokens.special(item.value)
    if token is None:
        raise RequestRejected(f"this model has no token {item.value}: it cannot fill in")
    return "", array("i", (token,))


def _layout(name: str, row: Mapping[str, Any]) -> Layout:
    return Layout(name, row["repository"], _items(row["prompt"]), _items(row["piece"]))


def _items(texts: Iterable[str]) -> tuple[Item, ...]:
    items = []
    for text in texts:
        kind, _, value = text.partition(":")
        if kind not in KINDS or (kind == "slot" and value not in NAMES + BODIES):
            raise ValueError(f"templates.toml: {text!r} is no item")
        items.append(Item(KINDS[kind], value))
    return tuple(items)
