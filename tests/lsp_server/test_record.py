# SPDX-License-Identifier: Apache-2.0
"""What became of suggestions: seen in the document, counted once, kept without any text."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixture import marked
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.edits import edits
from lsp_server.documents import Place, from_text
from lsp_server.suggestions import ledger
from lsp_server.suggestions.distance import stands
from lsp_server.suggestions.ledger import Key, Ledger
from lsp_server.suggestions.record import KEPT_S, MOST_WAITING, Record

URI = "file:///a.py"
NOON = 1_780_000_000.0  # 2026
ROOT = Path(__file__).parents[2]


class Editor:
    """A document, a cursor and a record, driven as a client drives them."""

    def __init__(self, folder, text="$0", uri=URI):
        mark = marked(text)
        self.now = NOON
        self.text, self.offset, self.uri = mark.text, mark.offset, uri
        self.learned = []
        self.ledger = Ledger(folder, clock=lambda: self.now)
        self.record = Record(
            self.ledger, learn=lambda *told: self.learned.append(told), clock=lambda: self.now
        )

    @property
    def document(self):
        return from_text(self.uri, self.text, language_id="python")

    def show(self, text, *others, source="model", manual=False):
        suggestion = SimpleNamespace(text=text, others=others, model="small", source=source)
        before = self.text[: self.offset]
        place = Place(before.count("\n"), len(before) - before.rfind("\n") - 1)
        return self.record.shown(suggestion, self.document, place, manual=manual)

    def put(self, text, behind=""):
        """One change at the cursor; `behind` it is what the editor closes by itself."""
        self.text = self.text[: self.offset] + text + behind + self.text[self.offset :]
        self.offset += len(text)
        self.record.changed(self.document)

    def type(self, text):
        for character in text:
            self.put(character)

    def back(self, count=1):
        self.text = self.text[: self.offset - count] + self.text[self.offset :]
        self.offset -= count
        self.record.changed(self.document)

    def replace(self, old, new):
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.record.changed(self.document)

    def wait(self, seconds):
        self.now += seconds
        self.record.changed(self.document)

    @property
    def counts(self):
        self.ledger.save()
        total = Counter()
        for found in ledger.read(self.ledger._folder).values():
            total.update(found)
        return {what: number for what, number in total.items() if number}


@pytest.fixture
def editor(tmp_path):
    return lambda text="$0": Editor(tmp_path / "record", text)


LINE = "def f(a):\n    return $0\n"
CALL = "f($0)\n"


@pytest.mark.parametrize(
    ("text", "shown", "steps", "outcome"),
    [
        pytest.param(LINE, "a + 1", ["+a + 1"], "whole", id="accepted"),
        pytest.param(LINE, "a + 1", ["a", "+ + 1"], "whole", id="typed a little, then accepted"),
        pytest.param(LINE, "a + 1", ["a + 1"], "typed", id="typed out by hand"),
        pytest.param(LINE, "a + 1", ["b"], "rejected", id="something else"),
        pytest.param(LINE, "a + 1", ["a", "b"], "rejected", id="something else, later"),
        pytest.param(LINE, "a + 1", [")"], "rejected", id="a closer is something else"),
        pytest.param(LINE, "a + 1", [], "", id="nothing yet"),
        pytest.param(LINE, "a + 1", ["a"], "", id="may still come"),
        pytest.param(LINE, "a + 1", ["a", "<", "+a + 1"], "whole", id="taken back, then accepted"),
        pytest.param(LINE, "a + 1", ["<"], "rejected", id="taken back too far"),
        pytest.param(LINE, "alpha + 1", ["+alpha", "b"], "word", id="a word"),
        pytest.param(LINE, "alpha + 1", ["+alpha", "+ + ", "b"], "word", id="two words"),
        pytest.param(LINE, "alpha + 1", ["+alpha", "+ + 1"], "whole", id="word after word"),
        pytest.param(LINE, "a\n    b = 2", ["+a", "c"], "typed-less", id="one character is typed"),
        pytest.param(LINE, "aa\n    b = 2", ["+aa", "c"], "line", id="a line"),
        pytest.param(LINE, "aa\r\n    b = 2", ["+aa", "c"], "line", id="a line, CRLF"),
        pytest.param(LINE, "aa\n    b = 2", ["+aa\n    b = 2"], "whole", id="both lines"),
        pytest.param(CALL, "first, 2", ["+first, 2"], "whole", id="before a bracket"),
        pytest.param(CALL, "g()", ["+g()"], "whole", id="that ends as the line goes on"),
        pytest.param("f$0\n", "(a, b)", ["(>)", "a", "+, b"], "whole", id="closed by the editor"),
        pytest.param("f$0\n", "(a, b)", ["(>)", "a", "x"], "rejected", id="in a pair, another"),
        pytest.param("f$0\n", "()", ["(>)"], "typed", id="a pair by the editor"),
        pytest.param("$0", "import os", ["+import os"], "whole", id="at the end of all"),
        pytest.param("$0", "import os", ["x"], "rejected", id="at the end, something else"),
        pytest.param("x = '😀'$0", " + 'é'", ["+ + 'é'"], "whole", id="astral characters"),
    ],
)
def test_what_became_of_it(editor, text, shown, steps, outcome):
    """`+` in one step, `<` back, `>` what the editor adds behind, else key by key."""
    e = editor(text)
    e.show(shown)
    for step in steps:
        if step == "<":
            e.back()
        elif step.startswith("+"):
            e.put(step[1:])
        elif ">" in step:
            e.put(*step.split(">"))
        else:
            e.type(step)
    outcome = "rejected" if outcome == "typed-less" else outcome
    assert e.counts == {"shown": 1} | ({outcome: 1} if outcome else {})


def test_a_suggestion_that_is_typed_is_shown_once(editor):
    """A client asks at every key, and gets what is left."""
    e = editor(LINE)
    first = e.show("alpha + beta")
    for at in range(1, 6):
        e.type("alpha"[at - 1])
        assert e.show("alpha + beta"[at:]) == first
    e.put(" + beta")
    assert e.counts == {"shown": 1, "whole": 1}


def test_a_suggestion_may_grow_while_it_stands(editor):
    e = editor(LINE)
    first = e.show("alpha +")
    e.type("a")
    assert e.show("lpha + beta\n    more") == first
    e.put("lpha + beta")
    e.type("!")
    assert e.counts == {"shown": 1, "line": 1}


def test_another_one_elsewhere_leaves_the_first_ignored(editor):
    e = editor(LINE)
    first = e.show("a + 1")
    e.offset = 0
    assert e.show("import os") != first
    e.put("import os")
    assert e.counts == {"shown": 2, "whole": 1}


def test_an_edit_elsewhere_says_nothing(editor):
    e = editor(LINE)
    e.show("a + 1")
    e.replace("def f", "def long")
    e.offset = 0
    e.show("import os")
    assert e.counts == {"shown": 2}


def test_the_clients_word_counts_once_whatever_comes_first(editor):
    """VS Code runs the command after the edit, others before it."""
    e = editor(LINE)
    known = e.show("a + 1")
    e.put("a + 1")
    e.record.accepted(known)
    assert e.counts == {"shown": 1, "whole": 1}
    e.offset = 0
    known = e.show("import os")
    e.record.accepted(known)
    e.put("import os")
    e.record.accepted(known)
    assert e.counts == {"shown": 2, "whole": 2}


def test_a_part_that_the_client_tells_of(editor):
    e = editor(LINE)
    known = e.show("a + 1")
    e.record.accepted(known, 1)
    e.put("a")
    e.type("x")
    assert e.counts == {"shown": 1, "word": 1}


@pytest.mark.parametrize("length", [0, -1])
def test_a_part_of_nothing_is_not_accepted(editor, length):
    e = editor(LINE)
    e.record.accepted(e.show("a + 1"), length)
    e.type("x")
    assert e.counts == {"shown": 1, "rejected": 1}


def test_where_a_client_tells_what_it_shows_only_that_counts(editor):
    e = editor(LINE)
    e.record.told_shown(e.show("a + 1"))
    e.type("x")
    e.show("yz")
    e.type("!")
    assert e.counts == {"shown": 1, "rejected": 1}
    e.show("abc")
    e.put("abc")  # it cannot be accepted unseen
    assert e.counts == {"shown": 2, "rejected": 1, "whole": 1}


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        pytest.param(["+a + 2"], "whole", id="the second"),
        pytest.param(["+bb"], "whole", id="the third"),
        pytest.param(["a", "+ + 2"], "whole", id="the second, begun by hand"),
        pytest.param(["bb"], "typed", id="the third, by hand"),
        pytest.param(["c"], "rejected", id="none of them"),
    ],
)
def test_a_further_text_that_was_taken_was_accepted(editor, steps, outcome):
    """Three texts were offered: to take the second is no rejection of the first."""
    e = editor(LINE)
    e.show("a + 1", "a + 2", "bb", manual=True)
    for step in steps:
        e.put(step.removeprefix("+")) if step.startswith("+") else e.type(step)
    assert {what: n for what, n in e.counts.items() if what != "shown"} == {outcome: 1}


def test_a_client_names_the_further_text_that_it_took(editor):
    """The command may come before the edit: what is looked for later is what was taken."""
    e = editor(LINE)
    identifier = e.show("a + 1", "total(a)", manual=True)
    e.record.accepted(f"{identifier}.0")
    e.put("total(a)")
    e.wait(KEPT_S + 1)
    assert (e.counts["whole"], e.counts["kept"]) == (1, 1)
    for odd in ("1.7", "1.", "1.x", ".", "1.0.0"):
        e.record.accepted(odd)  # names nothing, and breaks nothing


def test_ids_of_others_and_empty_texts_change_nothing(editor):
    e = editor(LINE)
    assert e.show("") == ""
    for identifier in ("", "1", "no such"):
        e.record.accepted(identifier)
        e.record.told_shown(identifier)
    e.record.closed("file:///other.py")
    e.type("x")
    assert e.counts == {}


# -- kept after 30 s --------------------------------------------------------------------------

BODY = "total = sum(value for value in values if value)\n    return total"


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        pytest.param("", "", True, id="untouched"),
        pytest.param("def f", "import os\n\n\ndef f", True, id="moved down"),
        pytest.param("value for", "item for", True, id="a name corrected"),
        pytest.param("    return", "\treturn", True, id="white space changed"),
        pytest.param("\n    return total", "", False, id="a line deleted"),
        pytest.param("sum(value for value", "max(entry for entry", False, id="half rewritten"),
        pytest.param(BODY, "pass", False, id="deleted"),
        pytest.param("def f", "# x\n" * 100 + "def f", False, id="too far away to be the same"),
    ],
)
def test_what_is_kept_after_30_s(editor, old, new, kept):
    e = editor("def f(values):\n    $0\n")
    e.show(BODY)
    e.put(BODY)
    e.wait(KEPT_S - 1)
    assert e.counts == {"shown": 1, "whole": 1}, "it is not known yet"
    if old:
        e.replace(old, new)
    e.wait(2)
    assert e.counts == {"shown": 1, "whole": 1, "kept" if kept else "lost": 1}


def test_an_edit_long_after_the_30_s_does_not_count(editor):
    """Nothing happened in between: what stood at 30 s is what the edit changes now."""
    e = editor(LINE)
    e.show("alpha + beta")
    e.put("alpha + beta")
    e.now += 600
    e.replace("alpha + beta", "")
    assert e.counts == {"shown": 1, "whole": 1, "kept": 1}


def test_a_document_that_is_closed_early_tells_nothing(editor):
    e = editor(LINE)
    e.show("alpha + beta")
    e.put("alpha + beta")
    e.record.close()
    assert e.counts == {"shown": 1, "whole": 1}


def test_a_part_is_looked_for_as_far_as_it_was_accepted(editor):
    e = editor(LINE)
    e.show("alpha + beta")
    e.put("alpha")
    e.type("!")
    e.wait(KEPT_S)
    assert e.counts == {"shown": 1, "word": 1, "kept": 1}


def distance(pattern, text):
    """The same by the plain table."""
    row = [0] * (len(text) + 1)
    for at, character in enumerate(pattern, start=1):
        last, row = row, [at]
        for column, other in enumerate(text, start=1):
            row.append(min(last[column] + 1, row[-1] + 1, last[column - 1] + (character != other)))
    return min(row)


@given(st.text("abc", max_size=12), st.text("abc", max_size=24))
def test_edits_are_counted_as_by_the_plain_table(pattern, text):
    assert edits(pattern, text, anywhere=True) == distance(pattern, text)


@given(st.text("abcdefgh", min_size=20, max_size=60), st.text("xyz"), st.text("xyz"), st.data())
def test_what_stands_with_few_edits_is_found_among_other_text(pattern, before, after, data):
    most = len(pattern) // 10
    size = len(pattern) // (most + 1)
    parts = [pattern[at : at + size] for at in range(0, len(pattern) - size + 1, size)]
    assume(all(pattern.count(part) == 1 for part in parts))  # what repeats itself tells no place
    edited = list(pattern)
    for _ in range(most):
        at = data.draw(st.integers(0, len(edited) - 1))
        edited[at : at + 1] = data.draw(st.sampled_from(["", "!", "!" + edited[at]]))
    text = before + "".join(edited) + after
    assert stands(pattern, text, most)
    assert not stands(pattern, before + after, most)


# -- learning ---------------------------------------------------------------------------------


def test_what_the_model_wrote_unasked_teaches_the_threshold(editor):
    e = editor(LINE)
    for text, put, options in (
        ("a + 1", "a + 1", {}),
        ("bb", "x", {}),
        ("cc", "x", {"source": "instant"}),
        ("dd", "x", {"manual": True}),
        ("ee", "ee", {"source": "cache"}),
    ):
        e.show(text, **options)
        e.put(put)
    e.show("ignored")
    e.record.close()
    assert e.learned == [("small", True), ("small", False), ("small", True)]


def test_held_back_is_counted_apart(editor):
    e = editor(LINE)
    e.record.hidden(SimpleNamespace(text="x", model="small", source="model"), e.document)
    assert e.counts == {"hidden": 1}


# -- what is on the disk ----------------------------------------------------------------------


def key(day="2026-05-28", language="python", model="small", source="model"):
    return Key(day, language, model, source)


def test_counts_are_kept_by_day_language_model_and_source(editor):
    e = editor(LINE)
    e.show("a + 1")
    e.put("a + 1")
    e.now += 86_400
    e.show("b + 1", source="instant")
    e.ledger.save()
    days = [ledger.day_of(NOON), ledger.day_of(NOON + 86_400)]
    found = ledger.read(e.ledger._folder)
    assert found[key(days[0])] == Counter(shown=1, whole=1, kept=1), "of the day it was accepted"
    assert found[key(days[1], source="instant")]["shown"] == 1


def test_S11_no_text_of_a_file_is_written(tmp_path):
    e = Editor(tmp_path, "password_canary = $0\n", uri="file:///secret_canary.py")
    e.show("canary_suggested")
    e.put("canary_suggested")
    e.wait(KEPT_S)
    e.record.close()
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert any("python" in text for text in written)
    assert not any("canary" in text for text in written)


def test_a_client_cannot_fill_the_disk_with_names(tmp_path):
    book = Ledger(tmp_path, clock=lambda: NOON)
    for number in range(1000):
        book.add(Key.of(NOON, f"language{number}", "m" * 1000, "a\nb"), "shown")
    book.save()
    found = ledger.read(tmp_path)
    assert len(found) <= ledger.ROWS_A_DAY
    assert sum(counts["shown"] for counts in found.values()) == 1000
    assert {k.model for k in found} == {ledger.OTHER}


def test_days_are_kept_for_a_year_and_a_month(tmp_path):
    book = Ledger(tmp_path, clock=lambda: NOON)
    for day in range(-600, 5):
        book.add(Key.of(NOON + day * 86_400, "python", "m", "model"), "shown")
    book.save()
    days = sorted(k.day for k in ledger.read(tmp_path))
    assert len(days) == ledger.DAYS_KEPT
    assert days[-1] == ledger.day_of(NOON), "a clock that was wrong does not push out the rest"
    assert (tmp_path / ledger.FILE).stat().st_size < ledger.DAYS_KEPT * 100


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"\xff", b'{"version": 9, "rows": []}', b'{"version": 1, "rows": 3}'],
    ids=range(6),
)
def test_I9_a_damaged_file_begins_afresh(tmp_path, damage):
    (tmp_path / ledger.FILE).write_bytes(damage)
    book = Ledger(tmp_path, clock=lambda: NOON)
    book.add(key(ledger.day_of(NOON)), "shown")
    book.save()
    assert sum(c["shown"] for c in ledger.read(tmp_path).values()) == 1


def test_I9_odd_rows_are_left_out_and_the_others_stay(tmp_path):
    good = ["2026-05-28", "python", "m", "model", {"shown": 3}]
    odd = [
        None,
        [],
        good[:4],
        [*good[:4], 5],
        [*good[:4], {"shown": -1}],
        [*good[:4], {"shown": True}],
        [*good[:4], {"shown": 1 << 60}],
        ["20260528", *good[1:]],
        ["x", *good[1:]],
        [good[0], 7, *good[2:]],
        [good[0], ["a"], *good[2:]],
    ]
    (tmp_path / ledger.FILE).write_text(json.dumps({"version": 1, "rows": [*odd, good]}))
    assert list(ledger.read(tmp_path).values()) == [Counter(shown=3)]


@given(st.binary(max_size=300))
def test_I9_any_bytes_are_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("record")
    (folder / ledger.FILE).write_bytes(data)
    assert ledger.read(folder) == {}


ADDER = """
import sys
from pathlib import Path
from lsp_server.suggestions.ledger import Key, Ledger
book = Ledger(Path(sys.argv[1]), clock=lambda: float(sys.argv[2]))
for _ in range(20):
    book.add(Key.of(float(sys.argv[2]), "python", "m", "model"), "shown")
    book.save()
"""


def test_I12_several_servers_lose_nothing_of_each_other(tmp_path):
    command = [sys.executable, "-c", ADDER, str(tmp_path), str(NOON)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    servers = [subprocess.Popen(command, env=env) for _ in range(3)]
    assert [server.wait(60) for server in servers] == [0, 0, 0]
    assert sum(c["shown"] for c in ledger.read(tmp_path).values()) == 60
    assert not list(tmp_path.glob("*.new"))


def test_I10_what_cannot_be_written_is_kept_for_the_next_time(tmp_path):
    folder = tmp_path / "record"
    folder.write_text("a file is in the way")
    book = Ledger(folder, clock=lambda: NOON)
    book.add(key(ledger.day_of(NOON)), "shown")
    book.save()
    folder.unlink()
    book.add(key(ledger.day_of(NOON)), "shown")
    book.save()
    assert sum(c["shown"] for c in ledger.read(folder).values()) == 2


def test_counts_are_written_from_time_to_time_off_the_loop(tmp_path):
    now = [NOON]
    book = Ledger(tmp_path, clock=lambda: now[0])
    book.add(key(ledger.day_of(NOON)), "shown")
    assert not list(tmp_path.iterdir())
    now[0] += ledger.SAVE_EVERY_S
    book.add(key(ledger.day_of(NOON)), "whole")
    for thread in threading.enumerate():
        if thread.name == "ledger":
            thread.join(10)
    assert sum(c["whole"] for c in ledger.read(tmp_path).values()) == 1


def test_E8_nothing_grows_with_the_session(tmp_path):
    e = Editor(tmp_path, LINE)
    choose = random.Random(3)
    for number in range(500):
        e.uri = f"file:///{number % 200}.py"
        e.show("alpha + beta")
        e.put(choose.choice(["alpha + beta", "x"]))
        e.now += 0.1
    assert len(e.record._open) <= MOST_WAITING
    assert all(len(o.accepted) <= MOST_WAITING for o in e.record._open.values())


@settings(max_examples=40)
@given(st.data())
def test_each_suggestion_has_one_outcome_at_most(tmp_path_factory, data):
    """Whatever is typed, taken back, accepted or told, in any order."""
    e = Editor(tmp_path_factory.mktemp("record"), "f($0)\n")
    known = ""
    for _ in range(data.draw(st.integers(1, 25))):
        step = data.draw(st.sampled_from(["show", "put", "back", "move", "told", "part", "wait"]))
        if step == "show":
            known = e.show(data.draw(st.text("a()b\n", min_size=1, max_size=6)))
        elif step == "put":
            e.put(data.draw(st.text("a()b\n", min_size=1, max_size=6)))
        elif step == "back" and e.offset:
            e.back()
        elif step == "move":
            e.offset = data.draw(st.integers(0, len(e.text)))
        elif step == "told":
            e.record.accepted(known)
        elif step == "part":
            e.record.accepted(known, data.draw(st.integers(-1, 7)))
        else:
            e.wait(20)
    e.record.close()
    counts = Counter(e.counts)
    outcomes = sum(counts[what] for what in ("whole", "line", "word", "typed", "rejected"))
    assert outcomes <= counts["shown"]
    assert counts["kept"] + counts["lost"] <= counts["whole"] + counts["line"] + counts["word"]
