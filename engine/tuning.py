# SPDX-License-Identifier: Apache-2.0
"""How a model runs best on this machine, found by trying it and kept for the next start.

In: engines to try, loaded by the caller. Out: a `Tuning` per model file, build and machine, in the
cache folder. A record that is damaged, or of another build, is none. Decides nothing about memory.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import threading
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from engine import atomic, speed
from engine.llama import BATCH_TOKENS, default_threads
from engine.places import cache_dir
from engine.saved import model_identity
from engine.types import Costs, Prompt, Sampling

if TYPE_CHECKING:
    from pathlib import Path

    from engine.types import Engine

FOLDER = "speed"  # below the cache folder
RECORD_VERSION = 2
MAX_RECORD_BYTES = 1 << 16
BATCHES = (0, *(1 << power for power in range(3, 12)))  # a micro-batch; 0: by the kind of model

READ_S = 1.5  # of a trial: as deep a prompt as is read in it
KEYS = 3  # of a trial; the quickest counts: a busy moment makes none quicker
KEY_TOKENS, KEY_DECODED = 24, 6
MOST_TRIED_TOKENS = 4096
# Attention and batches are the same for short prompts: not worth a load of the model.
LEAST_TRIED_TOKENS = 512
TRIALS_S = 30.0
# A batch is read to its end before a key is heard. Larger ones are quicker on a GPU.
BATCH_S = 0.1
LARGEST_BATCH_TOKENS = 512
BETTER, WORSE = 1.15, 1.05  # measured times differ by more than chance

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How to run a model. The default is right for most processors; nothing is known of costs."""

    flash: bool = False
    batch_tokens: int = 0  # 0: by the kind of model
    repacked: bool = False  # weights in a second form for this processor
    costs: Costs | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a way of running a model took: a token of a prompt, and a key behind it."""

    depth: int
    read_ms: float
    key_ms: float

    def beats(self, other: Trial) -> bool:
        """Clearly quicker in one, and no slower in the other."""
        read, key = other.read_ms / self.read_ms, other.key_ms / self.key_ms
        return max(read, key) > BETTER and min(read, key) > 1 / WORSE


def trial(engine: Engine, depth: int = 0) -> Trial:
    """Read a prompt and press keys behind it. Without a `depth`, as deep as READ_S allows."""
    costs = speed.costs_of(engine.info)
    room = min(MOST_TRIED_TOKENS, engine.info.context_tokens) - KEYS * KEY_TOKENS - KEY_DECODED
    depth = depth or max(1, min(room, speed.read_ahead_tokens(costs, READ_S)))
    lines = "".join(f"value_{n} = compute({n})\n" for n in range(depth))
    ids = tuple(engine.tokenize(lines))[: depth + KEYS * KEY_TOKENS]
    never = threading.Event()
    read = engine.warm(Prompt(ids[:depth], ()), never)
    keys = []
    for key in range(1, KEYS + 1):
        prompt = Prompt(ids[: depth + key * KEY_TOKENS], ())
        done = engine.complete(prompt, Sampling(KEY_DECODED), never, lambda _: True)
        keys.append(done.usage.total_ms)
    return Trial(depth, read.total_ms / max(1, read.evaluated_tokens), min(keys))


def others(
    tuning: Tuning, best: Trial, *, is_hybrid: bool = False, may_repack: bool = False
) -> list[Tuning]:
    """Ways worth trying against one that was tried.

    A hybrid keeps its small batches: what a key has to read again grows with them. The other form
    of the weights may pay only together with flash attention.
    """
    ways = []
    if may_repack:
        ways += [replace(tuning, flash=True, repacked=True), replace(tuning, repacked=True)]
    if best.depth < LEAST_TRIED_TOKENS:
        return ways
    ways.append(replace(tuning, flash=True))
    fitting = 1 << max(0, int(BATCH_S * 1000 / best.read_ms).bit_length() - 1)
    batch = min(LARGEST_BATCH_TOKENS, fitting)
    if batch > BATCH_TOKENS and not is_hybrid:
        ways.append(replace(tuning, batch_tokens=batch))
    return ways


def find(model: Path) -> Tuning:
    """What was found best for a model file here; the default where nothing is known."""
    try:
        data = _record_path(model).read_bytes()[: MAX_RECORD_BYTES + 1]
        return _decoded(data)
    except FileNotFoundError:
        return Tuning()
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the measured speed of %s is not used: %s", model.name, error)
        return Tuning()


def keep(model: Path, tuning: Tuning) -> None:
    """Keep it for the next start, all or nothing. Raises OSError."""
    path = _record_path(model)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = {"version": RECORD_VERSION, "machine": _machine(), **asdict(tuning)}
    body = json.dumps(record).encode()
    atomic.write(path, _sum(body) + body)


def remember(model: Path, costs: Costs | None) -> None:
    """Keep what was measured while running, beside what was found best before."""
    if costs is None:
        return
    try:
        keep(model, replace(find(model), costs=costs))
    except OSError as error:
        _log.warning("the measured speed is not kept: %s", error)


def _record_path(model: Path) -> Path:
    name = hashlib.blake2b(model_identity(model).encode(), digest_size=16).hexdigest()
    return cache_dir() / FOLDER / f"{name}.json"


def _machine() -> str:
    """What the figures depend on besides the model."""
    version = metadata.version("xllamacpp")
    return f"xllamacpp {version} {platform.machine()} {default_threads()}"


def _decoded(data: bytes) -> Tuning:
    """Raises ValueError, KeyError or TypeError where it is not what was written here."""
    body = data[len(_sum(b"")) :]
    if len(data) > MAX_RECORD_BYTES or _sum(body) + body != data:
        raise ValueError("its record is damaged")
    record = json.loads(body)
    if (record["version"], record["machine"]) != (RECORD_VERSION, _machine()):
        raise ValueError(f"measured with {record['machine']}")
    flash, batch, costs = record["flash"], record["batch_tokens"], record["costs"]
    repacked = record["repacked"]
    if not isinstance(flash, bool) or not isinstance(repacked, bool) or batch not in BATCHES:
        raise ValueError("its record is damaged")
    return Tuning(flash, batch, repacked, None if costs is None else _costs(costs))


def _costs(values: dict[str, Any]) -> Costs:
    costs = Costs(**values)
    figures = [getattr(costs, each.name) for each in fields(costs)]
    if not all(math.isfinite(each) and each >= 0 for each in figures) or costs.write_ms <= 0:
        raise ValueError("its figures are none")
    return costs


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()
