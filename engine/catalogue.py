# SPDX-License-Identifier: Apache-2.0
"""The models we know: what they are, how to talk to them and where their files come from.

In: `catalogue.toml`, read strictly. Out: frozen rows. This module does not know what is on disk,
and fetches nothing.
"""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from engine.shape import Shape, state_bytes
from engine.types import ModelNotFound, Sampling

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

CLOSE_MATCHES = 3  # named in an error
CLOSE_ENOUGH = 0.4  # difflib ratio: `qwen-7b` still finds `qwen2.5-coder-7b`
MATRICES = 3  # of an expert: gate, up and down
KERNEL, KEY_HEADS, STATE_WIDTH = 4, 16, 128  # the same in all rows that have a Gated DeltaNet
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. Size in bytes and SHA-256 in hex where the catalogue knows them."""

    name: str
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the model hub. `folder` is empty or the files' folder in it."""

    repo: str
    revision: str
    folder: str


@dataclass(frozen=True, slots=True)
class IndexSource:
    """Packages of the package index whose data files, joined in order, are the model's file."""

    package: str  # with {part} in it
    version: str
    parts: int

    def requirements(self) -> tuple[str, ...]:
        """One pinned requirement a part, in the order of joining."""
        numbers = range(1, self.parts + 1)
        return tuple(f"{self.package.format(part=n)}=={self.version}" for n in numbers)


@dataclass(frozen=True, slots=True)
class Figures:
    """What memory depends on, see `catalogue.toml`. Widths in elements."""

    layers: int
    attention_layers: int
    width: int
    heads: int
    kv_heads: int
    key_width: int
    value_width: int
    feed_forward: int
    vocabulary: int
    expert_width: int
    dense_layers: int
    state_values: int

    @property
    def expert_elements(self) -> int:
        """Of one expert in each layer that has them."""
        return (self.layers - self.dense_layers) * MATRICES * self.width * self.expert_width

    @property
    def state_bytes(self) -> int:
        """For one slot, of all layers without attention."""
        without = self.layers - self.attention_layers
        return without * state_bytes(KERNEL, self.state_values, KEY_HEADS, STATE_WIDTH)


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the catalogue. Contexts in tokens, parameters in billions."""

    id: str
    title: str
    architecture: str
    total_parameters_b: float
    active_parameters_b: float
    experts: int
    experts_active: int
    native_context: int
    extended_context: int
    fim: str
    chat: str
    fim_sampling: Sampling
    chat_sampling: Sampling
    thinking: bool
    licence: str
    approx_gb: float
    figures: Figures
    files: tuple[ModelFile, ...]
    hub: HubSource | None
    index: IndexSource | None

    @property
    def is_moe(self) -> bool:
        return self.experts > 0

    @property
    def layout(self) -> str:
        """The layout of a prompt that fills a hole: that of turns where there is no other."""
        return self.chat if self.fim == "chat" else self.fim

    @property
    def shape(self) -> Shape:
        """What memory depends on, of a file that nobody here has read yet."""
        known, of = [file.bytes or 0 for file in self.files], self.figures
        weights = sum(known) if all(known) else int(self.approx_gb * 1e9)
        # Experts take the same share of the file as of the parameters. What is not theirs is what
        # each token goes through anyway.
        routed_b = of.expert_elements * self.experts / 1e9
        others_b = self.active_parameters_b - of.expert_elements * self.experts_active / 1e9
        return Shape(
            layers=of.layers,
            attention_layers=of.attention_layers,
            width=of.width,
            heads=of.heads,
            kv_heads=of.kv_heads,
            key_width=of.key_width,
            value_width=of.value_width,
            state_bytes=of.state_bytes,
            feed_forward=of.feed_forward,
            vocabulary=of.vocabulary,
            native_tokens=self.native_context,
            weights=weights,
            expert_bytes=int(weights * routed_b / (routed_b + others_b)),
            repackable=weights,
            dense_layers=of.dense_layers,
        )


def load() -> dict[str, Model]:
    """All rows by id, in the order of the file. Raises ValueError where the file is not sound."""
    return parse((resources.files("engine") / "catalogue.toml").read_text(encoding="utf-8"))


def find(model_id: str) -> Model:
    """The row with this id. Raises ModelNotFound with close matches in its one line."""
    models = load()
    if model_id in models:
        return models[model_id]
    close = difflib.get_close_matches(model_id.lower(), models, CLOSE_MATCHES, CLOSE_ENOUGH)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ModelNotFound(
        f"no model {model_id[:60]!r} in the catalogue; {hint}`ghostwright models list` shows all"
    )


def parse(text: str) -> dict[str, Model]:
    """Rows from the text of a catalogue. An unknown, missing or ill-typed field is a ValueError."""
    top = _Table("catalogue", tomllib.loads(text))
    sampling = {
        name: _sampling(_Table(f"sampling {name}", fields))
        for name, fields in top.take("sampling", dict).items()
    }
    rows = [_model(_Table("model", fields), sampling) for fields in top.take("model", list)]
    top.finish()
    models = {row.id: row for row in rows}
    if len(models) != len(rows):
        raise ValueError("catalogue: two models have one id")
    return models


class _Table:
    """A TOML table that knows which of its fields were taken."""

    def __init__(self, what: str, fields: Mapping[str, Any]) -> None:
        self.what = what
        self._left = dict(fields)

    def take(self, name: str, kind: type[T]) -> T:
        if name not in self._left:
            raise ValueError(f"{self.what}: the field {name} is missing")
        value = self._left.pop(name)
        if type(value) is not kind:
            raise ValueError(f"{self.what}: {name} is not of type {kind.__name__}")
        return value

    def take_or(self, name: str, kind: type[T]) -> T | None:
        return self.take(name, kind) if name in self._left else None

    def finish(self) -> None:
        if self._left:
            raise ValueError(f"{self.what}: unknown field {', '.join(self._left)}")


def _sampling(table: _Table) -> Sampling:
    found = Sampling(
        temperature=table.take("temperature", float),
        top_k=table.take("top_k", int),
        top_p=table.take("top_p", float),
        repeat_penalty=table.take("repeat_penalty", float),
        presence_penalty=table.take("presence_penalty", float),
    )
    table.finish()
    return found


def _model(table: _Table, sampling: Mapping[str, Sampling]) -> Model:
    model_id = table.take("id", str)
    table.what = f"model {model_id}"
    found = Model(
        id=model_id,
        title=table.take("title", str),
        architecture=table.take("architecture", str),
        total_parameters_b=table.take("total_parameters_b", float),
        active_parameters_b=table.take("active_parameters_b", float),
        experts=table.take("experts", int),
        experts_active=table.take("experts_active", int),
        native_context=table.take("native_context", int),
        extended_context=table.take("extended_context", int),
        fim=table.take("fim", str),
        chat=table.take("chat", str),
        fim_sampling=_named(sampling, table, "fim_sampling"),
        chat_sampling=_named(sampling, table, "chat_sampling"),
        thinking=table.take("thinking", bool),
        licence=table.take("licence", str),
        approx_gb=table.take("approx_gb", float),
        figures=_figures(_Table(f"{table.what}, shape", table.take("shape", dict))),
        files=tuple(
            _file(_Table(f"{table.what}, file", fields)) for fields in table.take("file", list)
        ),
        hub=_hub(table),
        index=_index(table),
    )
    table.finish()
    return found


def _figures(table: _Table) -> Figures:
    found = Figures(
        layers=table.take("layers", int),
        attention_layers=table.take("attention_layers", int),
        width=table.take("width", int),
        heads=table.take("heads", int),
        kv_heads=table.take("kv_heads", int),
        key_width=table.take("key_width", int),
        value_width=table.take("value_width", int),
        feed_forward=table.take("feed_forward", int),
        vocabulary=table.take("vocabulary", int),
        expert_width=table.take_or("expert_width", int) or 0,
        dense_layers=table.take_or("dense_layers", int) or 0,
        state_values=table.take_or("state_values", int) or 0,
    )
    table.finish()
    return found


def _named(sampling: Mapping[str, Sampling], table: _Table, field: str) -> Sampling:
    name = table.take(field, str)
    if name not in sampling:
        raise ValueError(f"{table.what}: {field} names no sampling {name}")
    return sampling[name]


def _file(table: _Table) -> ModelFile:
    found = ModelFile(
        name=table.take("name", str),
        bytes=table.take_or("bytes", int),
        sha256=table.take_or("sha256", str),
    )
    table.finish()
    if not _PLAIN_NAME.fullmatch(found.name):  # it becomes a path in our cache
        raise ValueError(f"{table.what}: {found.name!r} is not a plain file name")
    if found.sha256 is not None and not _SHA256.fullmatch(found.sha256):
        raise ValueError(f"{table.what}: sha256 of {found.name} is not 64 hex digits")
    return found


def _hub(table: _Table) -> HubSource | None:
    fields = table.take_or("hub", dict)
    if fields is None:
        return None
    source = _Table(f"{table.what}, hub", fields)
    found = HubSource(
        repo=source.take("repo", str),
        revision=source.take("revision", str),
        folder=source.take_or("folder", str) or "",
    )
    source.finish()
    return found


def _index(table: _Table) -> IndexSource | None:
    fields = table.take_or("index", dict)
    if fields is None:
        return None
    source = _Table(f"{table.what}, index", fields)
    found = IndexSource(
        package=source.take("package", str),
        version=source.take("version", str),
        parts=source.take("parts", int),
    )
    source.finish()
    return found
