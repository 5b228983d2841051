# SPDX-License-Identifier: Apache-2.0
"""No citation of what is not there is ever shown, however the answer is cut into chunks."""

from __future__ import annotations

import re

import pytest
from acting import acting
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.actions.citations import Checked, Citation, Wrong
from lsp_server.actions.known import KnownHere

REPOSITORY = """
    //- src/shop/till.py
    import requests
    from shop.base import Counter
    TAX = 2
    class Till(Counter):
        def __init__(self):
            self.drawer_sum = 0
        def add_price(self, price):
            return price + TAX
    def main_loop(): return Till()
    //- src/shop/base.py
    class Counter:
        def count_up(self): ...
    class Remote(requests.Session):
        def send_sum(self): ...
    //- src/shop/util.py
    def helper(): return "APP_SETTING"
    //- tests/util.py
    def check_all(): ...
    //- web/app/[id]/page.tsx
    export const Page = () => null
    //- README.md
    # Shop
    $0
"""
FILES = {
    "src/shop/till.py": 9,
    "src/shop/base.py": 4,
    "src/shop/util.py": 1,
    "tests/util.py": 1,
    "web/app/[id]/page.tsx": 1,
    "README.md": 2,
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    with acting(tmp_path_factory.mktemp("cited"), REPOSITORY, "refactor.rewrite.instruct") as desk:
        yield desk.session.indexing.of(None).snapshot()


def checked(snapshot, text: str, said: str = "") -> tuple[str, Checked]:
    filter_ = Checked(KnownHere(snapshot, (), said))
    shown = filter_.feed(text) + filter_.close()
    return shown, filter_


FILE, LINE, NAME = "[struck: no such file]", "[struck: no such line]", "[struck: no such name]"
TABLE = [
    # paths: full, by their end, with lines, with punctuation
    ("See src/shop/till.py:5.", "See src/shop/till.py:5."),
    ("See `src/shop/till.py:5-9`, and", "See `src/shop/till.py:5-9`, and"),
    ("In till.py:5, it is", "In src/shop/till.py:5, it is"),
    ("in `shop/till.py`:3 too", "in `src/shop/till.py:3` too"),
    ("(till.py)", "(src/shop/till.py)"),
    ("/home/u/proj/src/shop/till.py:2", "src/shop/till.py:2"),
    ("./src/shop/base.py", "src/shop/base.py"),
    ("src\\shop\\base.py", "src/shop/base.py"),
    ("[till](src/shop/till.py#L3-L4)", "[till](src/shop/till.py#L3-L4)"),
    ("web/app/[id]/page.tsx:1", "web/app/[id]/page.tsx:1"),
    ("till.py:2:17", "src/shop/till.py:2:17"),
    ("**till.py**:", "**src/shop/till.py**:"),
    ("src/shop/cash.py:5 does", f"{FILE} does"),
    ("`src/shop/cash.py` does", f"{FILE} does"),
    ("in src/other/till.py.", f"in {FILE}."),
    ("`till.py:99`.", f"`src/shop/till.py` {LINE}."),
    ("till.py:3-99", f"src/shop/till.py {LINE}"),
    ("till.py:0 and", "src/shop/till.py:0 and"),
    ("util.py:1 is", "[struck: several files have this name] is"),
    ("tests/util.py:1 is", "tests/util.py:1 is"),
    ("run `python src/none.py --fast`", f"run `python {FILE} --fast`"),
    # names
    ("`add_price` adds", "`add_price` adds"),
    ("`Till.add_price()`", "`Till.add_price()`"),
    ("`Till.count_up` of the base", "`Till.count_up` of the base"),
    ("`self.drawer_sum`", "`self.drawer_sum`"),
    ("`shop.till.main_loop`", "`shop.till.main_loop`"),
    ("`shop.till`", "`shop.till`"),
    ("add_price() adds", "add_price() adds"),
    ("`def add_price(self, price)`", "`def add_price(self, price)`"),
    ("`APP_SETTING` is a string", "`APP_SETTING` is a string"),
    ("`drop_price` drops", f"{NAME} drops"),
    ("drop_price() drops", f"{NAME} drops"),
    ("`Till.send_sum()`", f"{NAME}"),
    ("`Till.drop_price`", f"{NAME}"),
    ("`DropPrice`", f"{NAME}"),
    ("`Dropper`", f"{NAME}"),
    ("`def drop_price(self)`", f"{NAME}"),
    # no citations
    ("`None`, `True`, `str`, `len()` and `KeyError`", None),
    ("`pip install shop` and `--verbose`", None),
    ("`json.loads()` and `os.path.join`", None),
    ("a `price` of `2 + 2`, e.g. 3.5 or `x > 1`", None),
    ("`requests.get_all()` of the library", None),
    ("`Remote.mount_all` may be of its base", None),
    ("`python scripts.py -v` and `2.5`", None),
    ("https://example.org/src/none.py and http://x.org/drop_price()", None),
    ("in Node.js and/or i.e. v1.2, U.S.", None),
    ("`GET` as `application/json`", None),
    ("`__getattr__` and `x`", None),
    ("a stray ` backtick\nand `another", None),
    ("```python\ndrop_price()\nsrc/none.py\n```\n", None),
    ("  ~~~\n`drop_price`\n  ~~~\n", None),
    ("", None),
    (
        "```\nnone.py\n```\nnone.py:1\n```\nnone.py\n",
        f"```\nnone.py\n```\n{FILE}\n```\nnone.py\n",
    ),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_what_is_shown(snapshot, text, expected):
    shown, filter_ = checked(snapshot, text)
    assert shown == (text if expected is None else expected)
    assert filter_.struck == shown.count("[struck")
    if expected is None:
        assert filter_.citations == []


def test_citations_say_where_the_symbol_is(snapshot):
    text = "`Till` has `add_price`, see till.py:8 and README.md and `Till.drawer_sum`, `nope_nope`"
    _, filter_ = checked(snapshot, text)
    assert filter_.citations == [
        Citation("src/shop/till.py", 4, "Till"),
        Citation("src/shop/till.py", 7, "add_price"),
        Citation("src/shop/till.py", 8, "add_price"),
        Citation("README.md", 0, ""),
        Citation("src/shop/till.py", 6, "drawer_sum"),
    ]
    assert filter_.struck == 1


def test_words_of_the_user_are_theirs(snapshot):
    said = "Where is drop_price, and what is in old/cash.py?"
    shown, filter_ = checked(snapshot, "There is no `drop_price`, and no old/cash.py.", said)
    assert shown == "There is no `drop_price`, and no old/cash.py."
    assert filter_.citations == []


PIECES = [text for text, _ in TABLE] + ["`", "``", "```", "\n", " ", "(", ":", "x", "~~~\n", "é"]
CITED = re.compile(r"(?<![\w/`\[])([\w/]+\.py)(?::(\d+))?")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(1, 9), max_size=60))
def test_chunks_make_no_difference(snapshot, pieces, sizes):
    text = "".join(pieces)
    whole, filter_ = checked(snapshot, text)
    parts = Checked(KnownHere(snapshot, (), ""))
    shown, at = "", 0
    for size in sizes:
        shown += parts.feed(text[at : at + size])
        at += size
    shown += parts.feed(text[at:]) + parts.close()
    assert (shown, parts.citations, parts.struck) == (whole, filter_.citations, filter_.struck)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_nothing_is_shown_that_does_not_exist(snapshot, text):
    if re.search(r"```|~~~|://", text):
        return  # code may be new, and addresses are of others
    shown, filter_ = checked(snapshot, text)
    for path, line in CITED.findall(shown):
        assert FILES.get(path, 0) >= int(line or 0), path
    for each in filter_.citations:
        assert each.exists
        folder = any(path.startswith(f"{each.path}/") for path in FILES)
        assert folder or FILES[each.path] >= each.line


def test_text_flows_as_soon_as_it_is_certain(snapshot):
    """Nobody waits for a paragraph: a word is shown when the next one begins."""
    filter_ = Checked(KnownHere(snapshot, (), ""))
    assert filter_.feed("The till") == "The "
    assert filter_.feed(" is in ti") == "till is in "
    assert filter_.feed("ll.py:") == ""
    assert filter_.feed("8 and ") == "src/shop/till.py:8 and "
    assert filter_.feed("`add") == ""
    assert filter_.feed("_price` ") == "`add_price` "
    assert filter_.feed("\n```py") == "\n"
    assert filter_.feed("\nx = 1") == "```py\nx = 1"


def test_a_wrong_line_keeps_the_right_path():
    class Short:
        def file(self, path, first, last):
            return Wrong("[gone]", "a/b.py")

        def name(self, chain, *, called):
            return None

    filter_ = Checked(Short())
    assert filter_.feed("see b.py:9, ") == "see a/b.py [gone], "


def test_garbage_takes_no_time(snapshot):
    for text in ("a" * 50_000, "a/" * 20_000, "`a" * 10_000, "x." * 20_000, "(" * 9_000):
        checked(snapshot, text)
