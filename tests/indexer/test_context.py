# SPDX-License-Identifier: Apache-2.0
"""What other files bring to a cursor: the right pieces, never its own file, never over budget."""

import random

import pytest
from fixture import CURSOR

from indexer import clues
from indexer.context import Cursor, gather, home
from indexer.index import Index
from indexer.likely import Evidence
from indexer.selection import ROLES, Excerpt, choose, names_in, overlap

FILES = {
    "shop/store.py": '''
class Store:
    """Keeps rows."""

    limit: int = 3

    def fetch_row(self, key: str) -> "Row":
        """One row."""
        return self.rows[key]

    def purge_rows(self, older_than: int) -> None:
        self.rows.clear()


class Row:
    amount_cents: int = 0

    def in_euros(self) -> float:
        return self.amount_cents / 100
''',
    "shop/report.py": """
from shop.store import Store


def print_totals(store: Store, keys):
    for key in keys:
        row = store.fetch_row(key)
        print(row.in_euros())
""",
    "shop/unrelated.py": "def wholly_different(zebra, quagga):\n    return zebra + quagga\n",
    "tests/test_bill.py": "def test_bill_is_summed():\n    assert bill_sum([]) == 0\n",
    "shop/bill.py": """
import math


def local_only(values):
    total = 0
    for value in values:
        total += value
    return total
""",
}


def words(text):
    return max(1, len(text) // 4)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for path, text in FILES.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    with Index(root, tmp_path_factory.mktemp("cache"), workers=1) as made:
        made.refresh()
        assert made.settle()
        yield made


def asked(index, path, text, budget=400, **more):
    """Pieces for the mark in a text that is being edited."""
    before, _, after = text.partition(CURSOR)
    line, col = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    index.overlay(path, before + after)
    assert index.settle()
    try:
        cursor = Cursor(path, line, col, before + after)
        return gather(index.snapshot(), cursor, budget, words, **more)
    finally:
        index.overlay(path, None)


CLIENT = """
from shop.store import Store


def newest(store: Store):
    row = store.$0
"""

SHOWN = {
    "the receiver's type": (CLIENT, ["fetch_row", "purge_rows"]),
    "what a call returns": (
        CLIENT.replace("store.$0", 'store.fetch_row("a")\n    return row.$0'),
        ["in_euros", "amount_cents"],
    ),
    "parameters of what is called": (
        CLIENT.replace("row = store.$0", "store.purge_rows($0)"),
        ["older_than"],
    ),
    "a similar place": (
        (
            "from shop.store import Store\n\n\ndef show(store: Store, keys):\n"
            "    for key in keys:\n        $0\n"
        ),
        ["print_totals", "in_euros"],
    ),
}


@pytest.mark.parametrize(("text", "names"), SHOWN.values(), ids=SHOWN.keys())
def test_what_the_cursor_needs_is_there_with_a_reason(index, text, names):
    found = asked(index, "shop/client.py", text)
    shown = names_in("\n".join(piece.text for piece in found.pieces))
    assert set(names) <= shown
    assert all(piece.why and 0 < piece.score <= 1 for piece in found.pieces)


def test_the_gate_nothing_points_out_of_the_file(index):
    """A cursor among local names costs no definitions."""
    text = FILES["shop/bill.py"].replace("total += value", "total += $0")
    found = asked(index, "shop/lonely.py", text)
    assert [piece for piece in found.pieces if piece.role == "definition"] == []


def test_the_files_tests_are_a_candidate(index):
    text = FILES["shop/bill.py"].replace("total += value", "total += $0")
    found = asked(index, "shop/bill.py", text)
    assert "tests/test_bill.py" in {piece.path for piece in found.pieces}


def test_the_cursors_own_file_is_never_copied(index):
    """Nothing of the saved text of a file that is being edited reaches the prompt."""
    secret = FILES["shop/report.py"].replace("print(row.in_euros())", "$0")
    found = asked(index, "shop/report.py", secret, budget=4000)
    assert "shop/report.py" not in {piece.path for piece in found.pieces}
    assert not any("print(row" in piece.text for piece in found.pieces)


@pytest.mark.parametrize("budget", [0, 1, 15, 40, 100, 300, 5_000, 400_000])
def test_E4_any_budget_is_kept(index, budget):
    found = asked(index, "shop/client.py", CLIENT, budget=budget)
    assert found.tokens <= budget
    assert found.tokens == sum(piece.tokens for piece in found.pieces)
    for at, piece in enumerate(found.pieces):
        assert piece.tokens >= words(piece.text)
        assert not any(overlap(piece, other) for other in found.pieces[:at])


def test_a_large_budget_brings_whole_files(index):
    found = asked(index, "shop/client.py", CLIENT, budget=20_000)
    assert {piece.path for piece in found.pieces} >= set(FILES) - {"shop/client.py"}


def test_the_same_question_has_the_same_answer(index):
    first, second = (asked(index, "shop/client.py", CLIENT).pieces for _ in range(2))
    assert first == second


def test_places_edited_lately_come_along(index):
    found = asked(index, "shop/client.py", CLIENT, visits=[("shop/unrelated.py", 2)])
    journal = [piece for piece in found.pieces if piece.role == "journal"]
    assert [piece.path for piece in journal] == ["shop/unrelated.py"]


@pytest.mark.parametrize(
    "text",
    ["$0", "\n" * 50 + "$0", "def (((:\n  $0 }}}", "x = '$0", "é" * 5000 + "$0", "\ufeff$0\r\n"],
)
def test_odd_texts_have_a_valid_answer(index, text):
    assert asked(index, "shop/odd.py", text).tokens <= 400


def test_a_file_that_is_not_indexed_is_answered_by_its_words(index):
    text = "def show(store, keys):\n    for key in keys:\n        row = store.fetch_row"
    cursor = Cursor("nowhere/new.py", 3, 30, text)
    found = gather(index.snapshot(), cursor, 300, words)
    assert found.pieces


# --- selection ---


def piece(path, text, role="analogy", score=0.5, at=1):
    return Excerpt(role, path, at, at + text.count("\n"), text, score, "test"), names_in(text)


def test_what_is_held_stays_unless_a_newcomer_is_much_better():
    old, new = piece("a.py", "alpha beta gamma\n"), piece("b.py", "alpha beta delta\n")
    weights = {"alpha": 1.0, "beta": 1.0, "gamma": 1.0, "delta": 1.2}
    room = 20

    def chosen(held):
        return [each.path for each in choose([old, new], weights, room, words, held)]

    assert chosen(()) == ["b.py"]
    assert chosen((old[0],)) == ["a.py"]
    weights["delta"] = 9.0
    assert chosen((old[0],)) == ["b.py"]


def test_what_is_held_keeps_its_place():
    pool = [
        piece(f"{name}.py", f"{name * 5} word\n", score=score)
        for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.7))
    ]
    weights = {name: 1.0 for _, names in pool for name in names}
    first = choose(pool, weights, 1000, words)
    assert [each.path for each in first] == ["b.py", "c.py", "a.py"]
    newcomer = piece("d.py", "ddddd word\n", score=0.1)
    again = choose([newcomer, *pool], {**weights, "ddddd": 1.0}, 1000, words, first)
    assert [each.path for each in again] == ["b.py", "c.py", "a.py", "d.py"]


@pytest.mark.parametrize("seed", range(20))
def test_chosen_pieces_fit_and_do_not_overlap(seed):
    chance = random.Random(seed)
    vocabulary = [f"name_{at}" for at in range(60)]
    pool = [
        piece(
            f"{chance.randrange(4)}.py",
            "".join(
                f"{' '.join(chance.sample(vocabulary, 4))}\n" for _ in range(chance.randrange(1, 9))
            ),
            chance.choice(["header", "definition", "journal", "analogy"]),
            chance.random(),
            chance.randrange(1, 40),
        )
        for _ in range(40)
    ]
    weights = dict.fromkeys(vocabulary, 1.0)
    budget = chance.randrange(300)
    found = choose(pool, weights, budget, words)
    assert sum(each.tokens for each in found) <= budget
    assert not any(overlap(a, b) for i, a in enumerate(found) for b in found[:i])
    roles = [ROLES.index(each.role) for each in found]
    assert roles == sorted(roles)


def test_evidence_adds_up():
    evidence = Evidence()
    text = "# once, as prose and as code: x.member, called(1), named=2"
    names = frozenset({"often", "once", "member", "called", "named", "next"})
    evidence.window(text, names, 1.0, same_folder=False)
    evidence.window("", frozenset({"often"}), 0.8, same_folder=True)
    evidence.definition("", frozenset({"defined"}), 1.0)
    evidence.paragraph(frozenset({"beside"}), 1.0)
    evidence.following(frozenset({"next"}), 0.5)
    weights = evidence.weights()
    assert weights["often"] > weights["once"] > 1
    for better in ("member", "called", "named", "next"):
        assert weights[better] > weights["once"]
    assert min(weights["defined"], weights["beside"]) > 1


# --- where a choice belongs ---

PLACES = [
    ("def one():\n    a = 1\n    $0b = 2\n", "one"),
    ("class A:\n    def two(self):\n        a = 1\n        $0\n", "A.two"),
    ("def one():\n    a = 1\n\n\n$0x = 2\n", ""),
    ("$0", ""),
]


@pytest.mark.parametrize(("text", "function"), PLACES)
def test_the_function_at_the_cursor(index, text, function):
    before, _, after = text.partition(CURSOR)
    index.overlay("shop/place.py", before + after)
    assert index.settle()
    lines = (before + after).split("\n")
    found = home(index.snapshot(), "shop/place.py", lines, before.count("\n") + 1)
    index.overlay("shop/place.py", None)
    assert found.function == function


def test_the_nearest_words_weigh_most():
    text = "far_away = 1\n" + "\n" * 15 + "near_by = 2\n\nbehind_it = 3\n"
    weights = dict(clues.read(text, 18, 1, 0, None, words=24, uses=0).words)
    assert weights["near_by"] > weights["behind_it"] > weights["far_away"]
