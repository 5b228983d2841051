# SPDX-License-Identifier: Apache-2.0
"""Extracting through the real session: what a model says can change a name and a text."""

import pytest
from acting import acting, after

from indexer.parse import extract
from lsp_server.actions.extract import ACTION
from lsp_server.actions.types import Target
from lsp_server.documents import from_text

KIND = "refactor.extract.function"
REPOSITORY = """
    //- app/shop.py
    RATE = 2


    def total(items, rate):
        result = 0
        for item in items:
            $0result += item * rate
            result -= 1$0
        return result
    //- app/other.py
    def elsewhere():
        return 1
"""
EXPECTED = """\
RATE = 2


def {name}(rate, result, item):
{doc}    result += item * rate
    result -= 1
    return result


def total(items, rate):
    result = 0
    for item in items:
        result = {name}(rate, result, item)
    return result
"""
DEFAULT = "compute_result"
DOC = '    """Adds an item."""\n'
ANSWERS = {
    "as asked": ("name: add_item\ndoc: Adds an item.", "add_item", DOC),
    "with chatter": ("Sure!\n```\nname: `add_item`\ndoc: Adds an item.\n```", "add_item", DOC),
    "as json": ('{\n"name": "add_item",\n"doc": "Adds an item."\n}', "add_item", DOC),
    "as bold text": ("**Name:** add_item\n**Doc:** Adds an item.", "add_item", DOC),
    "only a name": ("name: add_item", "add_item", ""),
    "nothing": ("", DEFAULT, ""),
    "nonsense": ("I cannot help with that.", DEFAULT, ""),
    "a keyword": ("name: lambda\ndoc: Adds an item.", DEFAULT, DOC),
    "a name of the file": ("name: total\ndoc: Adds an item.", DEFAULT, DOC),
    "a variable of the file": ("name: rate\ndoc: Adds an item.", DEFAULT, DOC),
    "a name of another file": ("name: elsewhere\ndoc: Adds an item.", "elsewhere", DOC),
    "no identifier": ("name: 1st\ndoc: Adds an item.", DEFAULT, DOC),
    "a name of two underscores": ("name: __init__\ndoc: Adds an item.", DEFAULT, DOC),
    "other letters": ("name: \u0430dd_item\ndoc: Adds an item.", DEFAULT, DOC),
    # malicious: the answer tries to end the string and to go on as code
    "code in the name": (
        "name: add_item(): import os; os.system('x')\ndoc: Adds an item.",
        "add_item",
        DOC,
    ),
    "code in the text": (
        'name: add_item\ndoc: Adds an item.""" + __import__("os").system("x") + """',
        "add_item",
        '    """Adds an item. + __import__("os").system("x") +"""\n',
    ),
    "a backslash at the end": ("name: add_item\ndoc: Adds an item.\\", "add_item", DOC),
    "invisible letters": ("name: add_item\ndoc: Adds\u202e an item.\u200b", "add_item", DOC),
}


SOURCE = EXPECTED.replace("def {name}(rate, result, item):\n{doc}", "@").partition("@")[0] + (
    "def total(items, rate):\n    result = 0\n    for item in items:\n"
    "        result += item * rate\n        result -= 1\n    return result\n"
)


def target():
    """What the session makes of the fixture, without a repository around."""
    document = from_text("file:///app/shop.py", SOURCE)
    data = SOURCE.encode()
    start, end = data.index(b"result +="), data.index(b"\n    return")
    return Target(document, "app/shop.py", "python", data, start, end, extract("python", data))


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_gives_a_name_and_a_text_and_nothing_else(case):
    """S6: whatever the model says, the code is the one that was selected."""
    answer, name, doc = ANSWERS[case]
    proposal = ACTION.read(target(), answer)
    (change,) = proposal.changes
    assert (change.path, change.before) == ("app/shop.py", SOURCE)
    assert change.after == EXPECTED.format(name=name, doc=doc)
    assert all(check.passed for check in ACTION.checks(target(), proposal))
    assert bool(proposal.note) == (name == DEFAULT)


@pytest.mark.parametrize("case", ["as asked", "nonsense", "code in the text"])
def test_it_is_accepted_by_every_check(case, tmp_path):
    answer, name, doc = ANSWERS[case]
    with acting(tmp_path, REPOSITORY, KIND, [answer]) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    assert after(outcome) == {"app/shop.py": EXPECTED.format(name=name, doc=doc)}


@pytest.mark.parametrize(("newline", "bom"), [("\r\n", False), ("\n", True), ("\r\n", True)])
def test_line_ends_and_the_byte_order_mark_are_kept(newline, bom, tmp_path):
    """I3: an edit keeps BOM and line ends byte for byte."""
    answer = "name: add_item\ndoc: Adds an item."
    with acting(tmp_path, REPOSITORY, KIND, [answer], newline=newline, bom=bom) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    expected = EXPECTED.format(name="add_item", doc=DOC).replace("\n", newline)
    assert after(outcome)["app/shop.py"] == ("\ufeff" if bom else "") + expected


def test_what_cannot_be_moved_is_refused_without_asking(tmp_path):
    text = """
        //- a.py
        def each(items):
            for item in items:
                $0yield item$0
    """
    with acting(tmp_path, text, KIND, ["name: x"]) as desk:
        outcome = desk.act()
    assert not outcome.accepted and not desk.asked and not outcome.proposal.changes
    assert outcome.reason


def test_a_stale_document_is_refused(tmp_path):
    """P5: the text changed while the model was asked."""
    with acting(tmp_path, REPOSITORY, KIND, ["name: add_item"]) as desk:
        document = desk.request.document
        desk.session.documents.open(document.uri, "", 2, document.text + "\n")
        outcome = desk.act()
    assert not outcome.accepted and "changed meanwhile" in outcome.reason


METHOD = """
    //- a.py
    class A:
        def m(self):
            $0x = self.y + 1$0
            return x
    //- b.py
    from a import A


    class B(A):
        def add_one(self):
            return 1

        def compute_x(self):
            return 1
"""


@pytest.mark.parametrize("answer", ["name: add_one", ""])
def test_a_method_never_has_the_name_of_one_elsewhere(answer, tmp_path):
    """That of a subclass would be called in its place; this holds for our own names too."""
    with acting(tmp_path, METHOD, KIND, [answer]) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    assert "    def compute_x_2(self):\n" in after(outcome)["a.py"]


def test_the_model_sees_the_function_and_is_told_the_form(tmp_path):
    with acting(tmp_path, REPOSITORY, KIND, ["name: add_item"]) as desk:
        desk.act()
    assert "def compute_result(rate, result, item):" in desk.asked[0]
    assert "name: <" in desk.asked[0] and "doc: <" in desk.asked[0]


NO_TITLE = {
    "nothing selected": "def f():\n    $0x = 1\n",
    "not in a function": "$0x = 1$0\n",
    "no language of ours": "//- a.txt\n$0words$0\n",
}


@pytest.mark.parametrize("case", NO_TITLE)
def test_no_action_where_it_makes_no_sense(case, tmp_path):
    text = NO_TITLE[case]
    with acting(tmp_path, text if "//-" in text else f"//- a.py\n{text}", KIND) as desk:
        outcome = desk.act()
    assert not outcome.accepted and not desk.asked
