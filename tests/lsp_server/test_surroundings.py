# SPDX-License-Identifier: Apache-2.0
"""What other files bring into the prompt stands still while a function is typed."""

import statistics
from pathlib import Path

import pytest

from indexer.index import Index
from lsp_server.surroundings import Spot, Surroundings

SAMPLE = Path(__file__).parents[1] / "sample"
KEYS_A_STEP = 3
BUDGET = 600
BODY = '''

def overdrawn_accounts(journal: Journal, limit: Money) -> list[str]:
    """Names of the accounts that are below a limit."""
    names = []
    balances = {}
    for entry in journal.entries:
        name = entry.account.name
        before = balances.get(name, Money(0, limit.currency))
        balances[name] = before + entry.amount
    for name, balance in balances.items():
        if balance < limit:
            names.append(name)
    if not names:
        return []
    names.sort()
    for name in names:
        balance = balances[name]
        print(f"{name}: {balance.amount}")
    total = sum(balances[name].amount for name in names)
    print(total)
    return names
'''


def words(text):
    return max(1, len(text) // 4)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    with Index(SAMPLE, tmp_path_factory.mktemp("cache"), workers=1) as made:
        made.refresh()
        assert made.settle()
        yield made


def end_of(path, text):
    lines = [line + "\n" for line in text.split("\n")]
    return Spot(path, lines, len(lines), len(lines[-1]))


def test_the_prompt_stands_still_while_a_function_is_typed(index):
    """The aim of the strata: a key pays for its own tail, not for a new choice."""
    path = "ledger/report.py"
    start = (SAMPLE / path).read_text(encoding="utf-8").rstrip() + "\n"
    surroundings = Surroundings()
    requests = []
    try:
        for end in range(0, len(BODY), KEYS_A_STEP):
            text = start + BODY[:end]
            index.overlay(path, text)
            snapshot = index.snapshot()
            requests.append(surroundings.parts(snapshot, end_of(path, text), BUDGET, words))
    finally:
        index.overlay(path, None)
    pairs = [(requests[at], requests[at + 1]) for at in range(len(requests) - 1)]
    changed = [sum(part not in before for part in after) / len(after) for before, after in pairs]
    assert requests[0]
    assert len(requests) > 200
    assert statistics.median(changed) == 0
    early = [not_only_last(before, after) for before, after in pairs]
    assert sum(early) / len(early) <= 0.05


def not_only_last(before, after):
    """Whether anything before the last stratum is another."""
    return [part for part in before if part.role != "analogy"] != [
        part for part in after if part.role != "analogy"
    ]


def test_leaving_for_another_file_chooses_anew(index):
    surroundings = Surroundings()
    texts = {
        path: (SAMPLE / path).read_text(encoding="utf-8")
        for path in ("ledger/report.py", "ledger/entries.py")
    }
    snapshot = index.snapshot()
    first, second = (
        surroundings.parts(snapshot, end_of(path, text), 3 * BUDGET, words)
        for path, text in texts.items()
    )
    assert {part.path for part in first} != {part.path for part in second}
    assert "ledger/entries.py" not in {part.path for part in second}
    assert "ledger/report.py" in {part.path for part in second}


def test_another_budget_is_another_choice(index):
    surroundings = Surroundings()
    path = "ledger/report.py"
    spot = end_of(path, (SAMPLE / path).read_text(encoding="utf-8"))
    small = surroundings.parts(index.snapshot(), spot, 100, words)
    assert sum(words(part.text) for part in small) <= 100
    large = surroundings.parts(index.snapshot(), spot, 2_000, words)
    assert len(large) > len(small)
    assert surroundings.parts(index.snapshot(), spot, 1_900, words) == large


def test_S2_a_key_in_another_file_is_not_shown(tmp_path):
    key = "AKIA" + "ABCDEFGH12345678"
    root = tmp_path / "repository"
    root.mkdir()
    (root / "store.py").write_text(
        f'class Store:\n    key = "{key}"\n\n    def put(self, item):\n        return self.key\n'
    )
    text = "from store import Store\n\nstore = Store()\nstore.put"
    (root / "use.py").write_text(text)
    with Index(root, tmp_path / "cache", workers=1) as made:
        made.refresh()
        assert made.settle()
        shown = Surroundings().parts(made.snapshot(), end_of("use.py", text), BUDGET, words)
    assert any("def put" in part.text for part in shown)
    assert not any(key in part.text for part in shown)
