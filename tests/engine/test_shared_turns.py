# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: urgency first, then fairness between windows; and whose state is where (S4)."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fake import FakeEngine
from engine.shared.seats import PARKED_SUFFIX, Seats
from engine.shared.turns import Turn, Turns
from engine.types import Prompt, RequestRejected, Slot
from engine.worker import Priority

COMPLETION, ACTION, AHEAD, WARM_UP = Priority
KEY, DEEP = Slot
NEVER = threading.Event()


def turn(window, priority=COMPLETION, slot=KEY):
    return Turn(window, priority, slot, lambda _: None)


def taken(turns):
    found = turns.take(0)
    return (found.window, found.priority) if found else None


def test_the_most_urgent_goes_first_of_whatever_window():
    turns = Turns()
    for window, priority in enumerate((WARM_UP, AHEAD, ACTION, COMPLETION)):
        turns.add(turn(window, priority))
    assert [taken(turns) for _ in range(5)] == [
        (3, COMPLETION),
        (2, ACTION),
        (1, AHEAD),
        (0, WARM_UP),
        None,
    ]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=20))
def test_who_asks_more_often_is_not_served_more_often(order):
    """Windows with more or less in front of the model, all of them always with something."""
    turns, served = Turns(), Counter()
    for window in order:
        turns.add(turn(window))
    windows = set(order)
    for window in windows:  # everybody has enough to ask for
        for _ in range(11):
            turns.add(turn(window))
    for _ in range(10 * len(windows)):
        served[turns.take(0).window] += 1
    assert max(served.values()) - min(served[window] for window in windows) <= 1


@pytest.mark.parametrize(
    ("running", "urgent", "gives_way"),
    [
        (WARM_UP, COMPLETION, True),
        (AHEAD, COMPLETION, True),
        (WARM_UP, WARM_UP, False),
        (ACTION, COMPLETION, False),
        (COMPLETION, COMPLETION, False),
    ],
)
def test_a_warm_up_of_one_window_gives_way_to_another(running, urgent, gives_way):
    turns = Turns()
    turns.add(turn(1, running))
    under_way = turns.take(0)
    turns.add(turn(2, urgent))
    assert under_way.cancel.is_set() is gives_way


def test_who_gave_up_is_answered_at_once_and_who_left_not_at_all():
    turns = Turns()
    first, second = turn(1), turn(2, WARM_UP)
    for one in (first, second, turn(3)):
        turns.add(one)
    turns.cancel(second)
    assert turns.take(0) is second
    turns.leave(3)
    assert turns.take(0) is first
    turns.leave(1)
    assert first.cancel.is_set()
    assert turns.take(0) is None


@pytest.mark.parametrize(
    ("running", "gives_way"), [(WARM_UP, True), (AHEAD, True), (ACTION, False), (COMPLETION, False)]
)
def test_who_gives_up_does_not_wait_for_what_another_reads_ahead(running, gives_way):
    turns = Turns()
    turns.add(turn(1, running))
    under_way = turns.take(0)
    second = turn(2, WARM_UP)
    turns.add(second)
    assert not under_way.cancel.is_set()
    turns.cancel(second)
    assert under_way.cancel.is_set() is gives_way
    assert turns.take(0) is second
    turns.cancel(under_way)  # it has ended: that is nobody's business any more
    assert turns.take(0) is None


def test_a_turn_waits_for_its_time_and_no_longer():
    soon = time.monotonic() + 0.05
    turns = Turns(lambda one: soon if one.priority is WARM_UP else 0.0)
    turns.add(turn(1, WARM_UP))
    assert turns.take(0) is None
    assert turns.take(5.0).window == 1
    assert soon <= time.monotonic() < soon + 2


# -- seats ---------------------------------------------------------------------------------------


class Desk:
    """Seats on a fake engine that tokenises by bytes."""

    def __init__(self, folder, engine=None):
        self.engine = engine or FakeEngine(lambda _: ())
        self.lost = []
        self.seats = Seats(self.engine, folder, "key", lambda *who: self.lost.append(who))

    def read(self, window, text, slot=KEY):
        """What was cached of the text, as text."""
        self.seats.sit(window, slot)
        usage = self.engine.warm(Prompt(tuple(text.encode()), ()), NEVER, slot)
        self.seats.used(slot)
        return text[: usage.cached_tokens]

    def has(self, window, slot=KEY):
        return bytes(self.seats.resident(window, slot)).decode()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def parked(folder):
    return len(list(folder.glob(f"*{PARKED_SUFFIX}")))


def test_a_window_finds_what_it_had_read(desk, tmp_path):
    assert desk.read(1, "one") == ""
    assert desk.read(2, "two") == ""
    assert (desk.has(1), desk.has(2)) == ("one", "two")
    assert parked(tmp_path) == 1
    assert desk.read(1, "one more") == "one"
    assert desk.read(2, "two") == "two"
    assert desk.read(2, "deep", DEEP) == ""
    assert (desk.has(1), desk.has(2), desk.has(2, DEEP)) == ("one more", "two", "deep")
    desk.seats.close()
    assert parked(tmp_path) == 0


@pytest.mark.parametrize("links", [True, False])
def test_what_is_parked_is_saved_as_it_is_and_nobody_moves(desk, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_, **__: refuse())
    desk.read(1, "one")
    desk.read(2, "two")
    mine, other = tmp_path / "1.state", tmp_path / "2.state"
    desk.seats.save(1, KEY, mine)
    assert desk.engine.resident(KEY) == tuple(b"two" if links else b"one")
    desk.seats.save(2, KEY, other)
    desk.seats.close()
    for path, text in ((mine, b"one"), (other, b"two")):
        desk.engine.restore(KEY, path, tuple(text))
        assert bytes(desk.engine.resident(KEY)) == text


def refuse():
    raise PermissionError("no second names here")


def test_nothing_is_saved_of_what_another_window_had_read(desk, tmp_path):
    desk.read(1, "secret")
    desk.seats.sit(2, KEY)
    with pytest.raises(RequestRejected, match="nothing"):
        desk.seats.save(2, KEY, tmp_path / "2.state")
    assert not (tmp_path / "2.state").exists()


def test_a_save_waits_for_nobody_who_is_at_work(desk):
    desk.read(1, "one")
    for moves in (True, False):
        asked = replace(turn(2, WARM_UP), moves=moves)
        assert (desk.seats.not_before(asked) > time.monotonic()) is moves


def test_what_windows_share_is_read_once(desk):
    desk.read(1, "header: one")
    assert desk.read(2, "header: two") == "header: "
    assert desk.has(1) == "header: one"


def test_S4_what_a_window_forgets_is_nowhere(desk, tmp_path):
    desk.read(1, "secret")
    desk.read(2, "two")
    desk.seats.forget(1, KEY)
    assert desk.has(1) == ""
    assert parked(tmp_path) == 0
    assert desk.has(2) == "two", "another window keeps what it has"


def test_S4_text_of_a_window_that_lost_its_seat_goes_even_if_nobody_has_read_there_since(desk):
    desk.read(1, "secret")
    desk.seats.sit(2, KEY)  # cancelled before it read
    assert desk.has(2) == "", "what another window had read is not mine"
    desk.seats.forget(1, KEY)
    assert desk.engine.resident(KEY) == ()


def test_who_leaves_leaves_nothing(desk, tmp_path):
    desk.read(1, "one")
    desk.read(2, "two")
    desk.seats.leave(1)
    desk.seats.leave(2)
    assert parked(tmp_path) == 0
    assert desk.engine.resident(KEY) == ()


def test_without_a_folder_a_change_is_said_and_read_again():
    desk = Desk(None)
    desk.read(1, "one")
    desk.read(2, "two")
    assert desk.lost == [(1, KEY)]
    assert desk.has(1) == ""
    assert desk.read(1, "one") == ""


class Full(FakeEngine):
    def save(self, slot, path):
        raise RequestRejected("no space left on device")


def test_I10_a_full_disk_costs_a_reading_and_no_more(tmp_path):
    desk = Desk(tmp_path, Full(lambda _: ()))
    desk.read(1, "one")
    desk.read(2, "two")
    assert desk.lost == [(1, KEY)]
    assert desk.read(1, "one") == ""


def test_a_damaged_state_is_read_again(desk, tmp_path):
    desk.read(1, "one")
    desk.read(2, "two")
    next(tmp_path.glob(f"*{PARKED_SUFFIX}")).write_bytes(b"")
    assert desk.read(1, "one") == ""
    assert desk.has(2) == "two"


def test_windows_that_read_ahead_do_not_push_each_other_out_at_each_step(desk):
    desk.read(1, "one")
    ahead, key = turn(2, WARM_UP), turn(2, COMPLETION)
    now = time.monotonic()
    assert now < desk.seats.not_before(ahead) <= now + 30
    assert desk.seats.not_before(key) == 0
    assert desk.seats.not_before(turn(1, WARM_UP)) == 0
    assert desk.seats.not_before(turn(2, WARM_UP, DEEP)) == 0, "nobody sits there"


def test_what_a_killed_host_has_parked_is_swept_up(tmp_path):
    mine, old, new = (tmp_path / f"{name}{PARKED_SUFFIX}" for name in ("key-1", "old-1", "new-1"))
    for path in (mine, old, new):
        path.touch()
    os.utime(old, (0, 0))
    Desk(tmp_path)
    assert [path.exists() for path in (mine, old, new)] == [False, False, True]
