# SPDX-License-Identifier: Apache-2.0
"""The bench of context must be able to fail: holes, cases, metrics, canaries on small texts.

Danger: a figure that says more than was measured. An answer that is left in the index, a need that
the reader can see, a share of the wrong whole.
"""

import json
import math
import shutil

import pytest

from engine.types import Prompt
from indexer.holes import File
from tests.bench.context import canaries, cases, counting, metrics, providers, scoring
from tests.bench.context.bench_ab import Answers, in_order
from tests.bench.context.bench_context import run
from tests.bench.context.providers import Piece
from tests.bench.context.sources import REPOSITORIES, Repository
from tests.bench.data import Archive, Unavailable, bench_dir, unpacked

PYTHON = '''def greet(self, name):
    """Says hello."""
    text = format_name(name, f"{prefix} words", loud=True)  # why
    return self.send(text)
'''
GO = "package a\n\nfunc Greet(name string) error {\n\treturn send(other.Format(name))\n}\n"
JAVA = 'class A {\n  void run() {\n    box.put(new Item(size), "text");\n  }\n}\n'
TYPESCRIPT = "export function run(a: Box): void {\n  const x = make(a, `t ${inner} u`)\n}\n"
RUST = 'fn run(first: Thing) -> usize {\n    first.measure(&other, "text")\n}\n'

HOLES = [
    ("python", PYTHON, "call", 3, 'name, f"{prefix} words", loud=True', "name prefix loud"),
    ("python", PYTHON, "line", 3, 'format_name(name, f"{prefix} words", loud=True)  # why',
     "format_name name prefix loud"),
    ("python", PYTHON, "line", 4, "self.send(text)", "send text"),
    ("python", PYTHON, "body", 3,
     'text = format_name(name, f"{prefix} words", loud=True)  # why\n    return self.send(text)',
     "text format_name name prefix loud send"),
    ("go", GO, "call", 4, "other.Format(name)", "other Format name"),
    ("go", GO, "body", 4, "return send(other.Format(name))", "send other Format name"),
    ("java", JAVA, "call", 3, 'new Item(size), "text"', "Item size"),
    ("java", JAVA, "call", 3, "size", "size"),
    ("java", JAVA, "body", 3, 'box.put(new Item(size), "text");', "box put Item size"),
    ("typescript", TYPESCRIPT, "call", 2, "a, `t ${inner} u`", "inner"),
    ("rust", RUST, "call", 2, '&other, "text"', "other"),
    ("rust", RUST, "body", 2, 'first.measure(&other, "text")', "first measure other"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "kind", "line", "cut", "names"), HOLES)
def test_holes_are_whole_and_have_the_names_of_code(language, text, kind, line, cut, names):
    file = File(language, text.encode())
    found = {text.encode()[a:b].decode(): (a, b) for a, b in file.spans()[kind, line]}
    assert cut in found
    hole = file.hole(kind, *found[cut], line)
    assert hole is not None
    assert " ".join(hole.names) == names


NO_HOLES = [
    ("a = call(1, 2, 3)\n", "call", "1, 2, 3"),  # no name
    ("a = call(x)\n", "call", "x"),  # too short
    ("def f():\n" + "    go()\n" * 13, "body", "go()\n" + "    go()\n" * 11 + "    go()"),
    ("a = call(name" + ", name" * 100 + ")\n", "call", "name" + ", name" * 100),
]


@pytest.mark.parametrize(("text", "kind", "cut"), NO_HOLES)
def test_what_is_too_short_too_long_or_without_names_is_no_hole(text, kind, cut):
    start = text.index(cut)
    assert File("python", text.encode()).hole(kind, start, start + len(cut), 1) is None


# --- cases ---

FILLER = "".join(f"    total += {n} * step\n" for n in range(12))


def _user(number: int) -> str:
    return (
        f"from shop.goods import catalogue\n\n\ndef visit_{number}(step):\n    total = 0\n{FILLER}"
        f"    basket_{number} = weigh_parcel(step, wrap_gift({number}, step), colour_{number})\n"
        f"    return deliver_letter(total, stamp_price({number}, step), town_{number})\n"
    )


TEXTS = {
    "shop/goods.py": "".join(
        f"def {name}(first, *rest):\n    return first\n\n\n"
        for name in ("weigh_parcel", "wrap_gift", "deliver_letter", "stamp_price", "catalogue")
    ),
    **{f"shop/user_{n}.py": _user(n) for n in range(6)},
    "tests/test_user.py": _user(98),
    "shop/made.py": f"# Code generated, do not edit\n{_user(99)}",
}
ARCHIVE = Archive("pypi", "small-shop", "1.0", "0" * 64)
SMALL = Repository(ARCHIVE, "python", "dev")


@pytest.fixture(scope="module")
def small() -> cases.Cut:
    return cases.cut(SMALL, TEXTS, {}, 30, lambda text: len(text.split()))


def test_holes_are_cut_out_of_what_is_indexed_and_fit_back_in(small):
    assert small.cases
    for case in small.cases:
        assert case.text[: case.offset] + case.truth + case.text[case.offset :] == TEXTS[case.path]
        assert case.print in cases.squeezed(TEXTS[case.path])
        assert all(case.print not in cases.squeezed(text) for text in small.sealed.values())


def test_needs_are_defined_elsewhere_and_not_shown(small):
    assert any(case.needs for case in small.cases)
    for case in small.cases:
        for name in case.needs:
            assert name not in cases.words(case.text)
            assert f"def {name}" in TEXTS["shop/goods.py"]
        assert set(case.needs) <= set(case.elsewhere) & set(case.needs_near) <= set(case.names)


def test_no_file_gives_more_than_four_and_none_comes_from_tests_or_generators(small):
    paths = [case.path for case in small.cases]
    assert max(paths.count(path) for path in paths) <= cases.CASES_A_FILE
    assert all(path.startswith("shop/user_") for path in paths)


def test_the_same_repository_gives_the_same_cases(small):
    again = cases.cut(SMALL, dict(reversed(TEXTS.items())), {}, 30, lambda text: len(text.split()))
    assert [case.id for case in again.cases] == [case.id for case in small.cases]


def test_an_answer_that_stands_elsewhere_is_no_case():
    twins = {**TEXTS, **{f"copy/{path}": text for path, text in TEXTS.items()}}
    cut = cases.cut(SMALL, twins, {}, 30, len)
    assert not cut.cases
    assert cut.dropped["stands elsewhere"] == cut.dropped["looked for"] > 0


# --- metrics ---

PIECES = [
    Piece("a.py", 10, 12, "def open_door(key):\n    turn(key)\n"),
    Piece("b.py", 1, 1, "opened_doors\n"),
]
BROUGHT = [
    ("open_door key", "open_door key"),
    ("door open", ""),  # parts of names do not count
    ("opened_doors", "opened_doors"),
    ("turn missing", "turn"),
]


@pytest.mark.parametrize(("names", "found"), BROUGHT)
def test_a_name_is_brought_as_a_whole_identifier(names, found):
    assert metrics.brought(names.split(), PIECES) == found.split()


DEFINED = [
    (("a.py", 10, 12, 10), True),
    (("a.py", 13, 14, 13), False),  # behind the piece
    (("c.py", 10, 12, 10), False),  # of another file
]


@pytest.mark.parametrize(("place", "is_in"), DEFINED)
def test_a_definition_is_brought_with_its_very_line(place, is_in):
    assert bool(metrics.defined({"open_door": [place]}, PIECES)) == is_in


def test_an_interval_has_its_mean_and_draws_clusters_whole():
    mean, low, high = metrics.interval([("a", 1.0)] * 50 + [("b", 0.0)] * 50)
    assert (mean, low, high) == (0.5, 0.0, 1.0), "two clusters are not a hundred cases"
    assert math.isnan(metrics.interval([])[0])


def _row(provider, budget, recall, **more):
    row = {"provider": provider, "budget": budget, "case": "c", "cluster": "f", "needs": ["n"],
           "elsewhere": ["n"], "needs_near": ["n"], "recall": recall, "recall_any": recall,
           "recall_near": recall, "definitions": 0.0, "tokens": 7, "ms": 1.0, "leak": False,
           "own_file": False}  # fmt: skip
    return row | more


def test_means_leave_out_what_needs_nothing():
    rows = [_row("ours", 512, 0.5), _row("ours", 512, 0.0, needs=[])]
    assert metrics.mean(rows) == 0.5
    lines = metrics.table(rows, ["ours"], [512]).splitlines()
    assert lines[2].startswith("| ours | needed | 0.500 |")
    assert lines[3].startswith("|  | any | 0.250 |")


VERDICTS = [
    (0.30, 0.45, {}, "PASS 0.40"),
    (0.30, 0.35, {}, "MISS 0.40"),
    (0.85, 0.90, {}, "PASS 0.90"),  # no more can be asked for
    (0.95, 0.10, {}, "(-0.85 to -0.85) |"),  # no room
    (0.30, 0.47, {512: 0.48}, "MISS 0.48"),
    (0.60, 0.48, {512: 0.48}, "PASS 0.48"),
]


@pytest.mark.parametrize(("jaccard", "ours", "aims", "said"), VERDICTS)
def test_a_verdict_is_the_comparison_with_the_aim(jaccard, ours, aims, said):
    rows = [_row("jaccard", 512, jaccard), _row("ours", 512, ours)]
    assert said in metrics.margins(rows, [512], aims).splitlines()[2]


# --- providers ---


def test_no_simpler_way_looks_at_the_cursors_own_file(small):
    repo = providers.Repo(small.sealed)
    for case in small.cases:
        for name in ("random", "same-directory", "jaccard"):
            pieces = providers.ranked(name, case, repo, None)
            assert pieces
            assert case.path not in {piece.path for piece in pieces}


@pytest.mark.parametrize("budget", [0, 30, 90, 400, 5_000])
def test_packed_pieces_stay_within_the_budget_and_end_at_a_line(small, budget):
    count = counting.Counter([])
    pieces = providers.pack(providers.Repo(small.sealed).windows, budget, count)
    assert sum(count.piece(piece.path, piece.text) for piece in pieces) <= budget
    for piece in pieces:
        assert piece.text.endswith("\n") or piece in providers.Repo(small.sealed).windows
        assert piece.end_line - piece.start_line + 1 >= piece.text.count("\n")


# --- canaries ---

GOOD = {"repository": "r", "unsealed_noticed": 1.0,
        "overlay": {"cases": 10, "noticed": 10, "leaks": []},
        "rows": [_row("oracle", 1024, 1.0), _row("random", 1024, 0.0)]}  # fmt: skip
BAD = [
    ({}, ""),
    ({"rows": [_row("oracle", 1024, 0.5)]}, "oracle brings 0.500"),
    ({"rows": [_row("random", 1024, 0.3)]}, "random brings 0.300"),
    ({"rows": [_row("ours", 512, 1.0, leak=True)]}, "the answer is in the pieces"),
    ({"rows": [_row("ours", 512, 1.0, own_file=True)]}, "the cursor's own file"),
    ({"rows": [_row("ours", 512, 1.0, tokens=513)]}, "more tokens than the budget"),
    ({"unsealed_noticed": 0.4}, "not noticed"),
    ({"overlay": {"cases": 10, "noticed": 4, "leaks": []}}, "proves nothing"),
    ({"overlay": {"cases": 10, "noticed": 9, "leaks": ["ours, c"]}}, "saved text in an answer"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_a_worthless_run_says_so(change, said):
    found = canaries.problems([GOOD | change])
    assert len(found) == bool(said)
    assert said in "".join(found)


@pytest.fixture
def bench_cache(tmp_path, monkeypatch):
    """A cache that has the small repository already, and a vocabulary of single bytes."""
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    (bench_dir() / "qwen2.5-merges.json").write_text(json.dumps([]))
    root = bench_dir() / "archives" / ARCHIVE.folder / "small-shop-1.0"
    for path, text in TEXTS.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def test_a_whole_run_is_sound_and_its_canaries_see(bench_cache):
    names = ["random", "jaccard", "bm25", "oracle"]
    result = run(SMALL, 12, names, [4096])
    assert {row["provider"] for row in result["rows"]} == set(names)
    assert result["unsealed_noticed"] == 1.0
    assert result["overlay"]["noticed"] > 0
    assert not result["overlay"]["leaks"]
    assert 0.5 < result["overlay"]["same"] <= 1.0
    assert not any(row["leak"] or row["own_file"] for row in result["rows"])
    oracle = [row for row in result["rows"] if row["provider"] == "oracle" and row["needs"]]
    assert metrics.mean(oracle) == 1.0


def test_an_answer_left_in_is_a_leak(small):
    repo = providers.Repo(small.original)
    for case in small.cases:
        own = [window for window in repo.windows if window.path == case.path]
        assert metrics.leaks(case, own)


# --- the A/B with a model ---


def _case(**more):
    text = "value = pick()\nnext_line = 1\n"
    fields = {"id": "r:a.py:call:13", "repository": "r", "language": "python", "path": "a.py",
              "kind": "call", "line": 1, "col": 14, "text": text, "truth": "item_one,  kind",
              "print": "item_one, kind"} | more  # fmt: skip
    return cases.Case(**fields)


SCORES = [
    ("item_one, kind", 1.0, 1.0),  # white space does not count
    ("item_one, kind)\nmore", 1.0, 1.0),  # the first line, without what stands behind the cursor
    ("item_one, other", 0.0, 0.5),
    ("", 0.0, 0.0),
]


@pytest.mark.parametrize(("text", "exact", "names"), SCORES)
def test_an_answer_is_compared_as_it_would_be_shown(text, exact, names):
    answer = {"text": text, "prompt": "p", "seconds": 1.0, "tokens": 9}
    row = scoring.row(_case(), "ours", answer)
    assert (row["exact"], row["names"]) == (exact, names)
    assert (row["similarity"] == 1.0) == bool(exact)


def test_any_beginning_of_a_run_is_half_needy_and_of_one_line(small):
    ordered = list(in_order([*small.cases, _case(truth="a,\nb", id="x", needs=("a",))]))
    assert "x" not in {case.id for case in ordered}
    assert all(case.kind in {"line", "call"} for case in ordered)
    with_need = [bool(case.needs) for case in ordered]
    pairs = min(sum(with_need), len(with_need) - sum(with_need))
    assert with_need[: 2 * pairs] == [True, False] * pairs


def test_answers_survive_a_line_that_was_cut_short(tmp_path):
    place = tmp_path / "answers.jsonl"
    one, other = Prompt((1, 2), ()), Prompt((1, 3), ())
    Answers(place).put(one, {"text": "a"})
    with place.open("a") as file:
        file.write('\n{"prompt": "12')
    Answers(place).put(other, {"text": "b"})
    again = Answers(place)
    assert again.get(one)["text"] == "a"
    assert again.get(other)["text"] == "b"
    assert again.get(Prompt((1,), ())) is None


# --- data ---


@pytest.mark.skipif(shutil.which("ls") is None, reason="needs a program that fails with a word")
def test_an_archive_that_does_not_come_says_why_and_leaves_nothing(bench_cache, monkeypatch):
    monkeypatch.setattr("tests.bench.data._client", lambda *_: (["ls", "no-such-file"], {}))
    missing = Archive("npm", "no-such", "1.0", "0" * 64)
    with pytest.raises(Unavailable, match=r"no-such 1\.0: ls did not bring it: .*no-such-file"):
        unpacked(missing)
    left = {path.name for path in (bench_dir() / "archives").iterdir()}
    assert left <= {ARCHIVE.folder, f"{missing.folder}.lock"}


def test_every_repository_is_pinned_once_and_each_language_has_both_splits():
    assert len({r.archive for r in REPOSITORIES}) == len(REPOSITORIES)
    assert all(len(r.archive.sha256) == 64 for r in REPOSITORIES)
    splits = {(r.language, r.split) for r in REPOSITORIES}
    assert len(splits) == 2 * len({language for language, _ in splits})


@pytest.mark.model
@pytest.mark.slow  # the merges are read out of the file: 10 s
def test_tokens_are_counted_as_llama_cpp_counts_them(llama, starter_model, bench_cache):
    (bench_dir() / "qwen2.5-merges.json").unlink()
    count = counting.load(starter_model)
    texts = [
        *TEXTS.values(),
        PYTHON,
        GO,
        "  \n\n\t x\r\n",
        "naïve café 日本語 42_007",
        "don't\n\n\n",
    ]
    for text in texts:
        assert count(text) == len(llama.tokenize(text)), text
