# SPDX-License-Identifier: Apache-2.0
"""A process of ours that holds a model: how it is started, and what it is told.

In: what is to be loaded, and where it is to be found. Out: a process that outlives whoever starts
it, with its stdin still open. Knows no connection.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import engine
from engine.shared.places import Place, Spec

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """One line of JSON on stdin. `stands_by_for` is the context of the host, 0 for a host."""

    spec: Spec
    place: Place
    idle_s: float
    stands_by_for: int = 0

    def line(self) -> bytes:
        return json.dumps(asdict(self), default=str).encode() + b"\n"


def told(line: bytes) -> Told:
    """What the line of `Told` says."""
    found: dict[str, Any] = json.loads(line)
    spec = {**found["spec"], "lora": tuple(found["spec"]["lora"])}
    place = Place(Path(found["place"]["folder"]), found["place"]["key"])
    return Told(Spec(**spec), place, float(found["idle_s"]), int(found["stands_by_for"]))


def spawn(what: Told) -> subprocess.Popen[bytes]:
    """Start it in a session of its own. It may have ended by the time this returns: `poll`."""
    # Where our packages are, not where the window is: a folder of the user's may hold an `engine`.
    home = Path(engine.__path__[0]).parent
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.shared"],
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=flags,
        bufsize=0,
    )
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has ended already: `poll` tells how
        process.stdin.write(what.line())
    return process
