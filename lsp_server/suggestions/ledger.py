# SPDX-License-Identifier: Apache-2.0
"""Counts of what became of suggestions, by day, language, model and source, on this machine only.

In: one count at a time, from any number of servers. Out: the counts of the last DAYS_KEPT days.
Holds numbers and names, never text of a file. One file, added to under a lock; what cannot be
written now is kept for the next time.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import filelock

from lsp_server.suggestions import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FILE = "statistics.json"
VERSION = 1
WHAT: Final = (
    "shown",
    "hidden",  # not shown, since the model was not sure
    "whole",
    "line",
    "word",
    "typed",  # out by hand, to its end
    "rejected",
    "kept",  # accepted, and still there later
    "lost",
)
DAYS_KEPT = 400  # a year, and the same month of the year before
ROWS_A_DAY = 64  # languages times models times sources; a client may invent names
OTHER = "other"
MOST_COUNTED = 1 << 40  # a larger number is damage
NAME = re.compile(r"[\w.+#@:/ -]{1,64}")
SAVE_EVERY_S = 60.0  # what a crash may lose
LOCK_S = 2.0  # longer than a save takes; an editor that closes waits no longer

_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What a count belongs to."""

    day: str  # of the user's own calendar, as ISO writes it
    language: str
    model: str
    source: str

    @classmethod
    def of(cls, now: float, language: str, model: str, source: str) -> Key:
        """`now` in seconds since 1970."""
        return cls(day_of(now), _name(language), _name(model), _name(source))


Counts = dict[Key, Counter[str]]


def day_of(now: float) -> str:
    """The user's day at a moment, in seconds since 1970."""
    return datetime.fromtimestamp(now).date().isoformat()  # noqa: DTZ006  the user's own days


class Ledger:
    """Adds up. `add` may be called from the event loop: files are left to a thread."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._fresh: Counts = {}  # not written yet
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._saved = clock()

    def add(self, key: Key, what: str) -> None:
        """One more of `what`, one of WHAT."""
        assert what in WHAT
        with self._lock:
            self._fresh.setdefault(key, Counter())[what] += 1
            due = self._clock() - self._saved >= SAVE_EVERY_S
            if due:
                self._saved = self._clock()
        if due:
            threading.Thread(target=self.save, name="ledger", daemon=True).start()

    def save(self) -> None:
        """Add what is new to the file. Blocks for LOCK_S at most; failing, it keeps it."""
        with self._saving:  # the last one, at the end, waits for what a thread still writes
            self._save()

    def _save(self) -> None:
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        if not fresh:
            return
        place = self._folder / FILE
        try:
            with _locked(place):
                merged = _merged(read(self._folder), fresh)
                kept.write(place, _encoded(_bounded(merged, day_of(self._clock()))))
        except (OSError, filelock.Timeout) as error:
            _log.warning("the statistics are not written yet: %s", error)
            with self._lock:
                self._fresh = _merged(fresh, self._fresh)


def read(folder: Path) -> Counts:
    """All counts that are on the disk. A damaged file holds none, an odd row is left out."""
    value = kept.read(folder / FILE)
    if not isinstance(value, dict) or value.get("version") != VERSION:
        return {}
    rows = value.get("rows")
    decoded = (_decoded(row) for row in (rows if isinstance(rows, list) else ()))
    return {row[0]: row[1] for row in decoded if row is not None}


def reset(folder: Path) -> None:
    """Forget all counts. Raises OSError or filelock.Timeout, with one line."""
    place = folder / FILE
    with _locked(place):
        place.unlink(missing_ok=True)


def _locked(place: Path) -> filelock.BaseFileLock:
    place.parent.mkdir(mode=kept.OWNER_ONLY, exist_ok=True)
    return filelock.FileLock(place.with_suffix(".lock"), timeout=LOCK_S)


def _name(name: str) -> str:
    return name if NAME.fullmatch(name) else OTHER


def _merged(first: Mapping[Key, Counter[str]], second: Mapping[Key, Counter[str]]) -> Counts:
    total = {key: Counter(counts) for key, counts in first.items()}
    for key, counts in second.items():
        total.setdefault(key, Counter()).update(counts)
    return total


def _bounded(counts: Counts, today: str) -> Counts:
    """The last DAYS_KEPT days; what a day has above ROWS_A_DAY counts as OTHER."""
    oldest = (date.fromisoformat(today) - timedelta(days=DAYS_KEPT - 1)).isoformat()
    bounded: Counts = {}
    rows: Counter[str] = Counter()
    for key, found in counts.items():
        if not oldest <= key.day <= today:  # a clock that was wrong leaves days to come
            continue
        other = Key(key.day, OTHER, OTHER, OTHER)
        fits = rows[key.day] < ROWS_A_DAY - 1
        rows[key.day] += fits
        bounded.setdefault(key if fits else other, Counter()).update(found)
    return bounded


def _encoded(counts: Counts) -> dict[str, Any]:
    ordered = sorted(counts.items())
    rows = [[*key, {what: found[what] for what in WHAT if found[what]}] for key, found in ordered]
    return {"version": VERSION, "rows": rows}


def _decoded(row: Any) -> tuple[Key, Counter[str]] | None:
    """A row as it was written; None where it is anything else."""
    try:
        *names, numbers = row
        key, found = Key(*names), Counter({what: numbers.get(what, 0) for what in WHAT})
        well_formed = date.fromisoformat(key.day).isoformat() == key.day
    except (AttributeError, TypeError, ValueError):
        return None
    well_formed &= all(isinstance(name, str) for name in key)
    well_formed &= all(type(n) is int and 0 <= n < MOST_COUNTED for n in found.values())
    return (key, found) if well_formed else None
