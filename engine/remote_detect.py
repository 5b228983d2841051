# SPDX-License-Identifier: Apache-2.0
"""Which server answers at an address, which model it runs and how it wants to be spoken to.

In: an address. Out: a `Server`, a vocabulary, the row of the catalogue if the model has one. Sends
no text of a user: questions about the server, and a line of our own to see whether it tokenises.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine import catalogue
from engine.layout import layouts
from engine.remote_http import Declined
from engine.remote_speech import Kind, Server
from engine.remote_tokens import (
    ByteVocabulary,
    LlamaVocabulary,
    ServerVocabulary,
    has_tokenizer,
)
from engine.types import ModelNotFound, ModelRejected

if TYPE_CHECKING:
    from engine.catalogue import Model
    from engine.remote_http import Http
    from engine.remote_tokens import Vocabulary

CHAT_LAYOUT = "chatml"  # of a server that takes conversations only: its own template writes them
OWNERS: dict[str, Kind] = {"llamacpp": "llama-server", "vllm": "vLLM", "sglang": "SGLang"}
MARKS: tuple[tuple[str, str, Kind], ...] = (  # a path, what its answer has, whose it is
    ("/props", "default_generation_settings", "llama-server"),
    ("/version", "version", "vLLM"),
    ("/get_model_info", "model_path", "SGLang"),
)
SHOWN = 3  # models named in an error


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answers. `row` is None for a model that the catalogue does not know."""

    server: Server
    vocabulary: Vocabulary
    row: Model | None
    layout: str  # "": by the vocabulary


def base_of(url: str) -> str:
    """The address of the server itself: people give that of its API as well."""
    return url.rstrip("/").removesuffix("/v1")


def is_own(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def find(http: Http, url: str, model: str) -> Found:
    """Ask a server what it is. Raises Away, KeyRefused, ModelNotFound, ModelRejected."""
    listed = _listed(http)
    entry = _entry(listed, model, http.host)
    name = model or str(entry.get("id", ""))
    kind = _kind(http, entry)
    row = row_of(name)
    context = _count(entry.get("max_model_len"))
    if kind == "llama-server":
        props = _asked(http, "/props")
        settings = props.get("default_generation_settings")
        context = _count(settings.get("n_ctx") if isinstance(settings, dict) else 0)
        slots = _count(props.get("total_slots"))
        server = Server(kind, name, context, slots, own=is_own(url))
        return Found(server, LlamaVocabulary(http), row, row.layout if row else "")
    server = Server(kind, name, context)
    if has_tokenizer(http, name) and _takes_raw(http, name):
        return Found(server, ServerVocabulary(http, name), row, row.layout if row else "")
    return _without_tokenizer(http, server, row)


def row_of(model: str) -> Model | None:
    """The row of the catalogue that a server's name for its model means."""
    last = PurePosixPath(model.replace("\\", "/")).name.lower()
    rows = catalogue.load().values()
    for row in rows:
        if any(file.name.lower() == last for file in row.files):
            return row
    named = [row for row in rows if last.startswith(row.id)]
    return max(named, key=lambda row: len(row.id), default=None)


def shown(model: str) -> str:
    """A model's name for the user: llama-server gives the path of its file."""
    return PurePosixPath(model.replace("\\", "/")).name if model.endswith(".gguf") else model[:80]


def _without_tokenizer(http: Http, server: Server, row: Model | None) -> Found:
    """Text then: with its layout's tokens by name where prompts are taken raw, else in turns."""
    layout = row.layout if row else ""
    if layout and _takes_raw(http, server.model):
        return Found(server, ByteVocabulary(tuple(layouts()[layout].specials)), row, layout)
    turns = Server(server.kind, server.model, server.context_tokens, raw=False)
    specials = tuple(layouts()[CHAT_LAYOUT].specials)
    return Found(turns, ByteVocabulary(specials), row, CHAT_LAYOUT)


def _takes_raw(http: Http, model: str) -> bool:
    """Whether there is an endpoint for raw prompts; asked with one token of ours."""
    try:
        http.post("/v1/completions", {"model": model, "prompt": "x", "max_tokens": 1})
    except Declined:
        return False
    return True


def _listed(http: Http) -> list[dict[str, Any]]:
    answer = http.get("/v1/models")
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ModelRejected(f"{http.host} is no server of models: /v1/models lists none")
    return [entry for entry in data if isinstance(entry, dict)]


def _entry(listed: list[dict[str, Any]], model: str, host: str) -> dict[str, Any]:
    names = [str(entry.get("id", ""))[:80] for entry in listed]
    if not model and listed:
        return listed[0]
    for entry in listed:
        if entry.get("id") == model:
            return entry
    have = ", ".join(names[:SHOWN]) or "none"
    raise ModelNotFound(f"{host} does not have the model {model[:80]!r} but {have}: remote.model")


def _kind(http: Http, entry: dict[str, Any]) -> Kind:
    owner = str(entry.get("owned_by", "")).lower()
    if owner in OWNERS:
        return OWNERS[owner]
    for path, mark, kind in MARKS:
        if mark in _asked(http, path):
            return kind
    return "OpenAI-compatible"


def _asked(http: Http, path: str) -> dict[str, Any]:
    """The object at a path; empty where there is none."""
    try:
        answer = http.get(path)
    except Declined:
        return {}
    return answer if isinstance(answer, dict) else {}


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0
