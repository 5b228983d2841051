# SPDX-License-Identifier: Apache-2.0
"""A conversation as token ids: turns in, a `Prompt` out, for models that were trained on turns.

In: turns, the vocabulary, a budget. Text of a turn never becomes a special token. Knows no
repository, no tool and no model by name: the catalogue says which one thinks.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine import catalogue
from engine.types import ModelNotFound, Prompt, RequestRejected, Sampling

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.tokens import Tokens

Speaker = Literal["system", "user", "assistant"]
ROLES: tuple[Speaker, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says."""

    role: Speaker
    text: str
    paths: tuple[str, ...] = ()  # of files whose text is in it, relative to their root


# Who is asked again must be able to say something else, also a model that nobody has advice for.
UNKNOWN = Sampling(temperature=0.7, top_k=20, top_p=0.8)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is to be asked: see `manner`."""

    sampling: Sampling  # as its makers advise, but for the length and the seed
    silent: bool = False  # it would think first, and must be told not to


def build(
    turns: Sequence[Turn],
    *,
    tokens: Tokens,
    budget: int,
    silent: bool = False,
    opening: Sequence[int] = (),
) -> Prompt:
    """Lay out turns and the beginning of the model's answer, behind `opening` as it is.

    `opening` is what may be resident already (the repository's files); it is left out where the
    conversation would not fit behind it. Nothing of a turn is cut: what must be shorter is for
    the caller to say. Raises RequestRejected where the vocabulary has no turns, and where the
    conversation alone is longer than `budget` tokens.
    """
    row = _row(tokens)
    ids = array("i")
    for turn in turns:
        ids.extend(_ids(row["turn"], turn, tokens))
    mine = Turn("assistant", "")
    ids.extend(_ids(row["answer"], mine, tokens))
    if silent:
        ids.extend(_ids(row["silent"], mine, tokens))
    if len(ids) > budget:
        raise RequestRejected(
            f"the question has {len(ids)} tokens, and there is room for {budget}: select less"
        )
    if len(opening) + len(ids) > budget:
        opening = ()
    return Prompt((*opening, *ids), ())


def manner(model: str) -> Manner:
    """How its makers advise to talk to a model; as Qwen's where the catalogue does not know it."""
    try:
        row = catalogue.find(model)
    except ModelNotFound:
        return Manner(UNKNOWN)
    return Manner(row.chat_sampling, silent=row.thinking)


def _row(tokens: Tokens) -> dict[str, list[str]]:
    for row in _table().values():
        names = (_special(item, role) for item in (*row["turn"], *row["answer"]) for role in ROLES)
        if all(tokens.special(name) is not None for name in names if name):
            return row
    raise RequestRejected("this model was not trained on conversations: choose an Instruct model")


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    text = Path(__file__).with_name("chat.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)
    return found


def _special(item: str, role: str) -> str:
    kind, _, value = item.partition(":")
    return value.replace("{role}", role) if kind == "special" else ""


def _ids(items: Iterable[str], turn: Turn, tokens: Tokens) -> array[int]:
    found = array("i")
    for item in items:
        kind, _, value = item.partition(":")
        if kind == "special":
            number = tokens.special(_special(item, turn.role))
            if number is not None:  # an empty thought, for a vocabulary without thoughts
                found.append(number)
        else:
            text = turn.text if kind == "slot" else value.replace("{role}", turn.role)
            found.extend(tokens.ids(text))
    return found
