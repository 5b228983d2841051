# SPDX-License-Identifier: Apache-2.0
"""Options, untrusted, to Settings, total.

In: whatever a client, a workspace or the user's file says under `ghostwright`. Out: one frozen
`Settings` and a list of problems, each one line. A bad value keeps its default. Knows no protocol.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONTEXT_LIMIT_TOKENS = 1_048_576
SUGGESTION_LIMIT_TOKENS = 65_536
ADAPTIVE = -1  # of debounceMs: by the client and by the pace of typing


@dataclass(frozen=True, slots=True)
class Remote:
    """An engine on another machine: off unless its url is set."""

    url: str = ""
    model: str = ""
    apiKeyEnv: str = ""  # noqa: N815  the contract's name
    standIn: str = ""  # noqa: N815  a local model while it is away: a catalogue id, or auto


@dataclass(frozen=True, slots=True)
class Verify:
    """How refactors may be tested."""

    testCommand: str = ""  # noqa: N815
    timeoutS: int = 60  # noqa: N815


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default, under the names of the contract."""

    model: str = "auto"
    modelPath: str = ""  # noqa: N815
    remote: Remote = field(default_factory=Remote)
    lora: tuple[str, ...] = ()  # adapters, PATH or PATH=SCALE
    contextTokens: int = 0  # noqa: N815  0: from the measured speed
    maxSuggestionTokens: int = 64  # noqa: N815
    multiline: bool = True
    debounceMs: int = ADAPTIVE  # noqa: N815
    manual: bool = False
    languages: Mapping[str, str] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    threads: int = 0  # 0: one a physical core
    gpuLayers: int = -1  # noqa: N815  -1: all that fit
    kvType: str = "f16"  # noqa: N815
    shared: bool = True  # one process holds the model for all windows
    stateDiskMb: int = 2048  # noqa: N815
    idleWarm: bool = True  # noqa: N815
    verify: Verify = field(default_factory=Verify)
    logLevel: str = "info"  # noqa: N815


# Inclusive limits of the numbers, and the words that a string may be.
RANGES: Mapping[str, tuple[int, int]] = {
    "contextTokens": (0, CONTEXT_LIMIT_TOKENS),
    "maxSuggestionTokens": (1, SUGGESTION_LIMIT_TOKENS),
    "debounceMs": (ADAPTIVE, 10_000),
    "threads": (0, 1024),
    "gpuLayers": (-1, 1024),
    "stateDiskMb": (0, 1_048_576),
    "timeoutS": (1, 3600),
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "kvType": ("f16", "q8_0"),
    "logLevel": ("debug", "info", "warning", "error"),
}
LISTS: Mapping[str, str] = {"exclude": "patterns", "lora": "adapters, PATH or PATH=SCALE"}


OF_LOADING = (
    "model",
    "modelPath",
    "remote",
    "lora",
    "contextTokens",
    "threads",
    "gpuLayers",
    "kvType",
    "shared",
)


def resolve(*layers: object) -> tuple[Settings, list[str]]:
    """Layers of options, weakest first, to Settings and problems. Never raises."""
    settings, problems = Settings(), list[str]()
    for layer in layers:
        if layer is None:
            continue
        if not isinstance(layer, Mapping):
            problems.append("settings: expected an object of names and values")
            continue
        settings = _merge(settings, _unwrap(layer), "", problems)
    return settings, problems


def needs_loading(before: Settings, after: Settings) -> bool:
    """Whether the model that runs with `before` is not the one that `after` asks for."""
    return any(getattr(before, name) != getattr(after, name) for name in OF_LOADING)


def user_file() -> Path:
    """Where the user's own settings are kept."""
    return Path(platformdirs.user_config_dir("ghostwright", appauthor=False)) / "config.toml"


def read_user_file() -> tuple[Mapping[str, Any], list[str]]:
    """The user's settings, empty when there is no file; a problem when it cannot be read."""
    path = user_file()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [f"settings: {path} cannot be read: {error}"]


def _unwrap(layer: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Options may come bare or under their section's name."""
    inner = layer.get("ghostwright")
    return inner if isinstance(inner, Mapping) else layer


def _merge(current: Any, options: Mapping[Any, Any], path: str, problems: list[str]) -> Any:
    known = {item.name: getattr(current, item.name) for item in fields(current)}
    changes = {}
    for name, value in options.items():
        label = f"{path}{name}"
        if name not in known:
            problems.append(f"settings: {str(name)[:40]!a} is not a setting")
        elif value is None:
            continue
        elif isinstance(known[name], (Remote, Verify)) and isinstance(value, Mapping):
            changes[name] = _merge(known[name], value, f"{label}.", problems)
        else:
            good, problem = _value(name, value, known[name])
            if problem:
                problems.append(f"settings: {label} {problem}; kept {known[name]!r}")
            else:
                changes[name] = good
    return replace(current, **changes)


def _value(name: str, value: Any, default: Any) -> tuple[Any, str]:
    """A checked value, or what is wrong with it."""
    if name == "languages":
        good = isinstance(value, Mapping) and all(v in ("on", "off") for v in value.values())
        return (dict(value), "") if good else (None, 'must map languages to "on" or "off"')
    if name in LISTS:
        good = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
        return (tuple(value), "") if good else (None, f"must be a list of {LISTS[name]}")
    # bool is an int in Python: `threads: true` is not one thread
    if type(value) is not type(default):
        return None, f"must be {_TYPE_WORDS.get(type(default), 'an object')}"
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
        return None, f"must be between {RANGES[name][0]} and {RANGES[name][1]}"
    if name in WORDS and value not in WORDS[name]:
        return None, f"must be one of {', '.join(WORDS[name])}"
    return value, CHECKED[name](value) if name in CHECKED and value else ""


def _url_problem(url: str) -> str:
    """What is wrong with a server's address. It is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is none
    except ValueError:
        return "must be the address of a server"
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        return "must be an address that begins with http:// or https://"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "must hold neither a name nor a password nor a query: see remote.apiKeyEnv"
    return ""


def _variable_problem(name: str) -> str:
    return "" if _VARIABLE.fullmatch(name) else "must be the name of an environment variable"


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
CHECKED: Mapping[str, Callable[[str], str]] = {
    "url": _url_problem,
    "apiKeyEnv": _variable_problem,
}
_TYPE_WORDS = {bool: "true or false", int: "a whole number", str: "text"}
