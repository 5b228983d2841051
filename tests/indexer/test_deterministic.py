# SPDX-License-Identifier: Apache-2.0
"""The same question gets the same bytes at every start (design.md: order is deterministic).

Python hashes texts with another seed in each process, so sets of them come in another order; and
files come to a cold index in the order in which workers have done them. Either would change a
prompt where pieces are worth the same, and an engine's state that was saved would fit no more.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from itertools import islice, permutations
from pathlib import Path

import pytest

from indexer.graph import Memory, Resolver
from indexer.letters import Letters
from indexer.parse import extract
from indexer.search import Search
from indexer.snapshot import NAMES_MAX
from indexer.terms import Piece

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ("1", "2", "3")
TWINS = 8  # files that say the same in another order
NOUNS = "order invoice parcel refund voucher stock ledger basket courier address tariff coupon"
VERBS = "open_ close_ check_ merge_ split_ send_"

ASK = """
import random
import sys
from math import ceil, exp

from indexer import clues, providers
from indexer.context import Cursor, gather
from indexer.index import Index
from indexer.likely import Evidence
from indexer.selection import Excerpt, choose

root, cache = sys.argv[1:]
with Index(root, cache, workers=1) as index:
    index.refresh()
    assert index.settle()
    known = index.snapshot()
    for query in ("qz", "open", "oe", "o", "Money"):
        print("symbols", query, known.symbols(query))
    for name in ("open_order", "Shop3", "cents", "format_money"):
        print("references", name, known.references(name))
    print("rank", sorted(known.resolver.rank().items()))
    for path in ("app/main.py", "app/twin3.py", "app/twin7.py", "ledger/report.py"):
        text = known.text(path).decode()
        print("rank", path, sorted(known.resolver.rank({path: 1.0}).items()))
        for line in range(11, text.count("\\n"), 31):
            for budget in (200, 500, 1000, 20000):
                at = Cursor(path, line, 1, text)
                found = gather(known, at, budget, lambda text: ceil(len(text) / 3))
                print("context", path, line, budget, found.pieces)
            seen = clues.read(text, line, 1, 0, known.record(path), words=24, uses=12)
            evidence = Evidence()
            providers.analogies(known, path, seen, evidence, limit=10, whole=10)
            print("weights", path, line, sorted(evidence.weights().items()))

chance = random.Random(0)
likely = [exp(chance.uniform(0, 9)) for _ in range(20)]
weights, pool = {}, []
for at in range(10, 40):  # other names, all worth the same
    found = {f"name{at}_{number}": weight for number, weight in enumerate(likely)}
    weights.update(found)
    pool.append((Excerpt("analogy", f"{at}.py", 1, 9, "text " * 40, 1.0, ""), frozenset(found)))
for budget in (300, 500, 900):
    print("choose", budget, choose(pool, weights, budget, len))
"""


def twin(number: int) -> str:
    """A class of its own name with the methods of all others, in an order of its own."""
    chance = random.Random(number)
    names = [verb + noun for verb in VERBS.split() for noun in NOUNS.split()]
    chance.shuffle(names)
    methods = []
    for name in names[: 9 + number % 3]:
        uses = sorted(names)[:: chance.randrange(7, 12)]
        chance.shuffle(uses)
        calls = "".join(f"\n        total += self.{use}(total, {name}_rate)" for use in uses)
        methods.append(
            f"\n    def {name}(self, total, {name}_rate):{calls}\n        return total\n"
        )
    others = "".join(f"from app.twin{(number + at) % TWINS} import Shop\n" for at in (1, 5, 7))
    return f"{others}\n\nclass Shop{number}:\n" + "".join(methods) + f"\n\nShop = Shop{number}\n"


def main() -> str:
    chance = random.Random(0)
    lines = [f"from app.twin{at} import Shop{at}\n" for at in range(TWINS)]
    for at in range(TWINS):
        verb, noun = chance.choice(VERBS.split()), chance.choice(NOUNS.split())
        lines.append(f"\n\ndef use{at}(shop: Shop{at}, total):\n")
        lines.append(f"    total = shop.{verb}{noun}(total, {noun}_rate)\n    return total\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("ties") / "repository"
    shutil.copytree(ROOT / "tests" / "sample", root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "app").mkdir()
    (root / "app" / "main.py").write_text(main(), "utf-8")
    for at in range(TWINS):
        (root / "app" / f"twin{at}.py").write_text(twin(at), "utf-8")
    # More names with the same letters than are looked at.
    names = ["q" + "".join(each) + "z" for each in islice(permutations("abcdefg"), NAMES_MAX + 500)]
    random.Random(0).shuffle(names)
    (root / "letters.py").write_text("".join(f"def {name}(): ...\n" for name in names), "utf-8")
    return root


def answers(root: Path, caches: dict[str, Path]) -> list[list[str]]:
    """What processes with these seeds say, each with its cache, all at the same time."""
    runs = []
    for seed, cache in caches.items():
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", ASK, str(root), str(cache)]
        pipe = subprocess.PIPE
        runs.append(
            subprocess.Popen(command, env=environment, cwd=ROOT, stdout=pipe, encoding="utf-8")
        )
    said = [run.communicate()[0].splitlines() for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs)
    return said


def test_answers_do_not_depend_on_how_texts_are_hashed(root, tmp_path) -> None:
    """Danger: a prompt that differs from start to start, so that a saved state does not fit."""
    first, *others = answers(root, {seed: tmp_path / seed for seed in SEEDS})
    again = answers(root, dict.fromkeys(SEEDS[1:], tmp_path / SEEDS[0]))
    pieces = [line for line in first if line.startswith("context")]
    assert len(pieces) >= 40
    assert all("Excerpt(" in line for line in pieces)
    for other in (*others, *again):
        assert [one[:60] for one, two in zip(first, other, strict=True) if one != two] == []


def test_the_limit_cuts_the_same_names_off_whoever_came_first() -> None:
    names = ["q" + "".join(each) + "z" for each in permutations("abcd")]
    one, two = Letters(), Letters()
    one.add(names)
    for name in reversed(names):
        two.add([name])
    assert one.like("qz", 5) == two.like("qz", 5)


def test_equally_good_windows_come_in_one_order_whichever_was_written_first() -> None:
    one, two = Search(None), Search(None)
    paths = [f"{letter}.py" for letter in "abcdefgh"]
    for search, order in ((one, paths), (two, paths[::-1])):
        writing = search.begin()
        for path in order:
            writing.update(path, 1, b"red green", [Piece(0, 9, 1, 1, "")])
        writing.commit()
    wanted = [("red", 1.0), ("green", 0.3)]
    excluded = frozenset(["c.py"])
    assert one.query(wanted, 4, excluded) == two.query(wanted, 4, excluded)
    assert one.using("red", 9) == two.using("red", 9)


def test_ranks_do_not_depend_on_the_order_in_which_files_came() -> None:
    records = {f"app/twin{at}.py": extract("python", twin(at).encode()) for at in range(TWINS)}
    found = []
    for paths in (sorted(records), sorted(records, reverse=True)):
        memory = Memory()
        resolver = Resolver(memory)
        for path in paths:
            memory.put(path, records[path])
            resolver.update(path, records[path])
        found.append([resolver.rank(), resolver.rank({"app/twin0.py": 1.0})])
    assert found[0] == found[1]
