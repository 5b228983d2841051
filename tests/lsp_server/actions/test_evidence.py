# SPDX-License-Identifier: Apache-2.0
"""What the model is shown besides the code: what it means, who uses it, and no secrets (S1, S2)."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from acting import acting

from lsp_server.actions import evidence
from lsp_server.actions.target import function_at, target
from lsp_server.actions.types import Diagnostic
from lsp_server.redacting import GONE, redacted

KIND = "refactor.rewrite.simplify"
REPOSITORY = """
//- shop/prices.py
import json
from shop.taxes import rate

API_KEY = "AKIA" + "x"


def net(price):
    return price / (1 + rate("de"))$0


def gross(price):
    return price * 2
//- shop/taxes.py
PASSWORD = "q8Zr1vT0pLw3"


def rate(country, password="q8Zr1vT0pLw3"):
    return 0.19
//- shop/cart.py
from shop.prices import net


def total(prices):
    return sum(net(price) for price in prices)
//- tests/test_prices.py
from shop.prices import net


def test_net():
    assert net(119) == 100
//- .env
RATE = "secret of the environment"
//- other/prices.py
def net(price):
    return 0
"""


def gathered(folder, text=REPOSITORY, chars=evidence.CHARS):
    with acting(folder, text, KIND) as desk:
        it = target(desk.request, desk.session)
        symbol = function_at(it)
        return evidence.gather(it, symbol.start, symbol.end, chars)


def test_definitions_callers_and_tests_come_with_their_places(tmp_path):
    found = gathered(tmp_path)
    rows = [(piece.why, piece.path, piece.start_line, piece.end_line) for piece in found]
    assert rows == [
        ("imports of this file", "shop/prices.py", 2, 2),
        ("defines rate", "shop/taxes.py", 4, 5),
        ("uses net", "shop/cart.py", 4, 5),
        ("a test of net", "tests/test_prices.py", 4, 5),
    ]
    assert "from shop.taxes import rate" in found[0].text
    assert "json" not in found[0].text  # it is not used here


def test_S2_secrets_of_other_files_are_taken_out(tmp_path):
    text = "".join(piece.text for piece in gathered(tmp_path))
    assert "q8Zr1vT0pLw3" not in text
    assert GONE in text


def test_S1_files_that_may_not_be_read_are_not_shown(tmp_path):
    prompt_text = str(gathered(tmp_path))
    assert "secret of the environment" not in prompt_text
    assert ".env" not in prompt_text


def test_no_more_is_shown_than_there_is_room_for_and_no_piece_is_cut(tmp_path):
    everything = gathered(tmp_path)
    room = sum(len(p.text) + len(p.path) + len(p.why) for p in everything[:2])
    some = gathered(Path(tmp_path, "again").mkdir() or tmp_path / "again", chars=room)
    assert sum(len(piece.text) for piece in some) <= room
    assert {*some} < {*everything}


def test_a_long_definition_is_shown_in_short(tmp_path):
    body = "".join(f"    x{n} = {n}\n" for n in range(40))
    text = (
        f"//- b.py\ndef long(a, b=1):\n{body}    return a\n"
        "//- a.py\nfrom b import long\n\ndef f(x):\n    return long(x)$0\n"
    )
    (piece,) = [each for each in gathered(tmp_path, text) if each.path == "b.py"]
    assert piece.text == "def long(a, b=1)\n"
    assert piece.why == "defines long, in short"
    assert (piece.start_line, piece.end_line) == (1, 42)


def test_diagnostics_are_told_with_their_line_of_code(tmp_path):
    with acting(tmp_path, "//- a.py\nx = 1\ny = zz$0\n", KIND) as desk:
        it = target(desk.request, desk.session)
    said = evidence.told(it, [Diagnostic(10, 12, "Undefined\nname", "ruff", "F821")])
    assert said == "- line 2, `y = zz`: Undefined name (ruff F821)"


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("tests/test_a.py", True),
        ("pkg/a_test.go", True),
        ("src/a.test.ts", True),
        ("src/a.spec.js", True),
        ("src/test/java/ATest.java", True),
        ("tests/it.rs", True),
        ("src/contest.py", False),
        ("src/attest/a.py", False),
        ("latest.go", False),
    ],
)
def test_tests_are_known_by_their_path(path, tests):
    assert evidence.is_test(path) is tests


def _keys(count: int) -> list[str]:
    """Lines with a key each, as people have them in their sources."""
    dice = random.Random(7)  # the same ones each time
    letters = string.ascii_letters + string.digits

    def some(size, alphabet=letters):
        return "".join(dice.choices(alphabet, k=size))

    forms = [
        lambda: ("AKIA" + some(16, string.ascii_uppercase + string.digits), 'aws = "{}"'),
        lambda: ("ghp_" + some(36), "TOKEN = '{}'"),
        lambda: ("sk_live_" + some(24), 'stripe.key = "{}"'),
        lambda: ("xoxb-" + some(12, string.digits) + "-" + some(24), 'slack("{}")'),
        lambda: ("AIza" + some(35), 'const key = "{}";'),
        lambda: ("hf_" + some(34), 'login("{}")'),
        lambda: ("npm_" + some(36), "//registry/:_authToken={}"),
        lambda: ("glpat-" + some(20), 'gitlab = Gitlab("{}")'),
        lambda: ("eyJ" + some(20) + "." + some(40) + "." + some(43), 'jwt := "{}"'),
        lambda: (some(12), 'password = "{}"'),
        lambda: (some(16), '"db_password": "{}",'),
        lambda: (some(40), 'client_secret: "{}"'),
        lambda: (some(40), 'connect("{}")'),
        lambda: (some(64, "0123456789abcdef"), 'SIGNING = "{}"'),
        lambda: (some(14), "url = 'postgres://me:{}@host/db'"),
        lambda: (some(24), 'String apiKey = "{}";'),
    ]
    return [
        (key, form.format(key)) for n in range(count) for key, form in [forms[n % len(forms)]()]
    ]


def test_S2_at_least_95_of_100_keys_are_taken_out():
    rows = _keys(200)
    missed = [line for key, line in rows if key in redacted(line)]
    assert len(missed) <= 10, missed


def test_S2_at_most_1_of_100_lines_of_ordinary_code_is_touched():
    """Lines of this project's own sources: none of them holds a secret."""
    folder = Path(evidence.__file__).parents[1]
    lines = [line for path in sorted(folder.rglob("*.py")) for line in path.read_text().split("\n")]
    touched = [line for line in lines if redacted(line) != line]
    assert len(lines) > 1000
    assert len(touched) <= len(lines) / 100, touched


@pytest.mark.parametrize(
    "line",
    [
        'password = getpass("Password: ")',
        'token = os.environ["API_TOKEN"]',
        'parser.add_argument("--password", help="the password")',
        'SECRET_NAME = "my-secret-name"',
        'token_type = "bearer"',
        'sha = "sha256"',
        'url = "https://example.org/a/long/path/to/a/page.html"',
        'name = "test_that_something_long_happens_here"',
        'key = "users.profile.settings.notifications"',
    ],
)
def test_S2_ordinary_lines_stay(line):
    assert redacted(line) == line
