# SPDX-License-Identifier: Apache-2.0
"""The instant tier: right where the repository is sure, else silent; nothing of what is hidden."""

import time

import pytest

from indexer.index import Index
from indexer.nearest import FILE_MAX_BYTES, ROOM_BYTES, near
from lsp_server.suggestions.instant import OWN_LINES, Instant, Spot, find

SHOP = """\
def checkout(cart, session):
    with session.begin() as transaction:
        transaction.add(cart.order())
    log.info("checked out %s", cart.id)


def cancel(cart, session):
    with session.begin() as transaction:
        transaction.remove(cart.order())
    log.info("cancelled %s", cart.id)
"""


def spot(marked, path="shop/new.py"):
    head, _, tail = marked.partition("$0")
    line = head.count("\n")
    return Spot(path, tuple((head + tail).splitlines(keepends=True)) or ("",), line,
                len(head) - head.rfind("\n") - 1)  # fmt: skip


IDIOM_REST = "gin() as"  # the name behind it is a guess that would cost the whole its certainty

# what it shows at $0; near is SHOP, flat
TABLE = [
    ("the idiom", "def pay(cart, session):\n    with session.be$0", IDIOM_REST),
    ("the idiom's next line", "x\n    with session.begin() as transaction:\n        $0",
     "transaction"),
    ("within a word", "with session.be$0gin", None),
    ("what is behind the cursor is not said again", "with session.be$0() as transaction:", "gin"),
    ("a closing bracket of the editor", 'log.info("checked out %s", ca$0)', "rt.id"),
    ("too short to be worth it", "with session.begin() a$0", "s transaction"),
    ("nothing like it", "class Zebra$0", None),
    ("nothing typed", "$0", None),
    ("doubtful", "    transaction.$0", None),
    ("data", "x" * 2000 + "session.be$0", None),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "expected"), [row[1:] for row in TABLE],
                         ids=[row[0] for row in TABLE])  # fmt: skip
def test_what_is_shown(marked, expected):
    text = "".join(line.strip() + "\n" for line in SHOP.split("\n"))
    found = find(spot(marked), text)
    assert (found.text if found else None) == expected
    assert found is None or (0.7 <= found.certainty <= 1 and found.why)


@pytest.fixture
def repository(tmp_path):
    root, cache = tmp_path / "root", tmp_path / "cache"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "cart.py").write_text(SHOP)
    (root / "shop" / "notes.md").write_text("with session.beguile()\n" * 3)
    (root / "shop" / "new.py").write_text("")
    with Index(root, cache) as index:
        index.refresh()
        yield index


TYPED = "def pay(cart, session):\n    with session.be$0"


def answered(instant, where, index, seconds=10.0):
    """What it says once it has looked around; None where it stays silent."""
    deadline = time.monotonic() + seconds
    while (found := instant.find(where, index.snapshot())) is None:
        if time.monotonic() > deadline or instant._gathering is None:
            return None
        time.sleep(0.01)
    return found


def test_the_first_key_waits_for_no_file_and_the_next_ones_have_it(repository):
    instant = Instant()
    assert instant.find(spot(TYPED), repository.snapshot()) is None
    assert answered(instant, spot(TYPED), repository).text == IDIOM_REST
    instant.close()


def test_S4_a_file_that_is_excluded_is_gone_at_the_next_key(repository):
    """Its text must not come back from what was gathered before."""
    instant = Instant()
    assert answered(instant, spot(TYPED), repository)
    repository.exclude(["cart.py"])
    other = spot(TYPED.replace("be$0", "beg$0"))
    instant._last = None
    assert answered(instant, other, repository) is None
    assert near(repository.snapshot(), "shop/new.py").text == ""
    instant.close()


def test_S4_nothing_is_kept_when_the_rules_change(repository):
    instant = Instant()
    assert answered(instant, spot(TYPED), repository)
    instant.forget()
    assert instant.find(spot(TYPED), None) is None
    instant.close()


def test_S4_what_is_gathered_while_the_rules_change_is_not_taken(repository):
    instant = Instant()
    instant.find(spot(TYPED), repository.snapshot())
    pending = instant._gathering
    instant.forget()
    pending.result(10)
    assert instant.find(spot(TYPED), None) is None and not instant._nears
    instant.close()


def test_open_buffers_count_as_they_are(repository):
    instant = Instant()
    repository.overlay("shop/cart.py", SHOP.replace("session.begin()", "session.behave()"))
    assert answered(instant, spot(TYPED), repository).text == "have() as"
    repository.overlay("shop/cart.py", None)
    deadline = time.monotonic() + 10
    fresh = spot("\n" + TYPED)
    while instant.find(fresh, repository.snapshot()).text != IDIOM_REST:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        instant._last = None
    instant.close()


def test_a_text_stays_while_it_is_typed_and_goes_when_something_else_is(repository):
    instant = Instant()
    assert answered(instant, spot(TYPED), repository).text == IDIOM_REST
    whole = TYPED.replace("$0", "gin() a$0")
    assert instant.find(spot(whole), None).text.startswith("s")
    assert instant.find(spot(TYPED.replace("$0", "ta$0")), None) is None
    assert instant.find(spot("\n" + whole), None) is None, "another line"
    instant.close()


def test_one_place_alone_must_be_more_certain():
    """`sub` is not `add`, however alike their beginnings."""
    text = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a $0\n"
    assert find(spot(text), "") is None


def test_own_text_far_away_is_not_read():
    """A key in a file of 100,000 lines costs what it costs in one of 4,000."""
    far = "with session.begin() as transaction:\n" * 2 + "\n" * (OWN_LINES + 1)
    assert find(spot(far + "with session.be$0"), "") is None
    assert find(spot(far[: -OWN_LINES // 2] + "with session.be$0"), "").text.startswith("gin")


def test_what_is_near_is_bounded(tmp_path):
    """50,000 files must not be held in memory: the nearest of the same kind are."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    line = "value = compute(value)\n"
    for number in range(12):
        (root / "a" / f"m{number}.txt").write_text(line * (60_000 // len(line)))
    (root / "a" / "huge.txt").write_text(line * (FILE_MAX_BYTES // len(line) + 1))
    (root / "a" / "b" / "here.txt").write_text("import os\n")
    (root / "a" / "b" / "beside.txt").write_text("import sys\n")
    with Index(root, tmp_path / "cache") as index:
        index.refresh()
        found = near(index.snapshot(), "a/b/here.txt")
        assert len(found.text) <= ROOM_BYTES + 1000
        names = [path for path, _ in found.versions]
        assert names[0] == "a/b/beside.txt" and "a/huge.txt" not in names
        assert "a/b/here.txt" not in names and len(names) == 5
        assert found.may_stay(index.snapshot()) and found.is_new(index.snapshot())
