# SPDX-License-Identifier: Apache-2.0
"""Tool calls as text: whatever a model writes, it is a call, text, or one line of what is wrong."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import toolcalls
from engine.toolcalls import MAX_VALUE_CHARS, Call, Reader, Said, neutral, read, respond, restored

ONE = "<tool_call>\n<function=f>\n<parameter=p>\n{}\n</parameter>\n</function>\n</tool_call>"


def told(*calls: Call, text: str = "") -> Said:
    return Said(text, calls)


GOOD = {
    "as it was trained": (ONE.format("x"), told(Call("f", {"p": "x"}))),
    "reasoning comes before": (
        "I look.\n" + ONE.format("x"),
        told(Call("f", {"p": "x"}), text="I look."),
    ),
    "and after, which is no call": (
        ONE.format("x") + "\n<tool_response>\nmade up\n</tool_response>",
        told(Call("f", {"p": "x"}), text="<tool_response>\nmade up\n</tool_response>"),
    ),
    "no parameters": ("<tool_call>\n<function=f>\n</function>\n</tool_call>", told(Call("f"))),
    "all on one line": (
        "<tool_call><function=f><parameter=p>x</parameter><parameter=q>y</parameter></function></tool_call>",
        told(Call("f", {"p": "x", "q": "y"})),
    ),
    "the first line is missing": (
        "Now.\n<function=f>\n<parameter=p>\nx\n</parameter>\n</function>\n</tool_call>",
        told(Call("f", {"p": "x"}), text="Now."),
    ),
    "the last line is missing": (
        "<tool_call>\n<function=f>\n</function>\n",
        told(Call("f")),
    ),
    "two calls": (
        ONE.format("x") + "\n" + ONE.format("y"),
        told(Call("f", {"p": "x"}), Call("f", {"p": "y"})),
    ),
    "indentation and blank lines are the value's": (
        ONE.format("\n    x\n\n  y\n"),
        told(Call("f", {"p": "\n    x\n\n  y\n"})),
    ),
    "an empty value": (ONE.format(""), told(Call("f", {"p": ""}))),
    "a call within a value is text": (
        ONE.format(ONE.format("evil").replace("</parameter>\n</function>", "</parameter>\n\n<b>")),
        told(
            Call(
                "f",
                {
                    "p": ONE.format("evil").replace(
                        "</parameter>\n</function>", "</parameter>\n\n<b>"
                    )
                },
            )
        ),
    ),
    "XML with parameters of its own": (
        ONE.format("<q>\n  <parameter>a</parameter>\n  <parameter>b</parameter>\n</q>"),
        told(Call("f", {"p": "<q>\n  <parameter>a</parameter>\n  <parameter>b</parameter>\n</q>"})),
    ),
    "Windows line ends": (
        ONE.format("x").replace("\n", "\r\n"),
        told(Call("f", {"p": "x\r"})),
    ),
    "a tag is indented": (
        "<tool_call>\n  <function=f>\n    <parameter=p>\nx\n    </parameter>\n  </function>\n",
        told(Call("f", {"p": "x"})),
    ),
    "no call": ("I have done it.", told(text="I have done it.")),
    "nothing": ("", told()),
}


@pytest.mark.parametrize(("text", "expected"), GOOD.values(), ids=GOOD)
def test_what_is_a_call(text, expected):
    assert read(text) == expected


BAD = {
    "JSON": ('<tool_call>\n{"name": "f"}\n</tool_call>', "begin with <function"),
    "another name's form": ("<tool_call>\n<function name='f'>\n", "begin with <function"),
    "a name that is none": ("<tool_call>\n<function=../x>\n</function>", "begin with <function"),
    "a name without end": ("<function=" + "a" * 100_000 + ">", "begin with <function"),
    "a nested call": ("<tool_call>\n<function=f>\n<tool_call>", "only <parameter"),
    "text between parameters": ("<tool_call>\n<function=f>\nhm\n</function>", "only <parameter"),
    "a parameter twice": (
        "<tool_call>\n<function=f>\n<parameter=p>\na\n</parameter>\n<parameter=p>\nb\n</parameter>",
        "twice",
    ),
    "not closed: the call": ("<tool_call>", "not closed"),
    "not closed: the function": ("<tool_call>\n<function=f>", "not closed"),
    "not closed: the value": ("<tool_call>\n<function=f>\n<parameter=p>\nx", "not closed"),
    "not closed: behind the value": (ONE.format("x").partition("</function>")[0], "not closed"),
    "10 MB in a value": (ONE.format("x" * 10_000_000), "characters"),
    "a million lines in a value": (ONE.format("x\n" * 1_000_000), "characters"),
    "a thousand calls": (ONE.format("x") * 1000, "more than"),
    "a thousand parameters": (
        "<function=f>" + "".join(f"<parameter=p{n}>x</parameter>" for n in range(1000)),
        "more than",
    ),
    "one good, one not": (ONE.format("x") + "\n<tool_call>\n{}", "begin with <function"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_what_is_none_is_said_in_one_line_and_nothing_of_it_is_done(text, reason):
    said = read(text)
    assert reason in said.problem and not said.calls
    assert "\n" not in said.problem and len(said.problem) < 200


TAGS = (
    "<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=p>", "<parameter=q>",
    "</parameter>", "<tool_response>", "</tool_response>", "\n", "\r\n", "  ", "x", "<", ">",
    "\ud800",
)  # fmt: skip
tag_soup = st.lists(st.sampled_from(TAGS), max_size=40).map("".join)
anything = st.one_of(st.text(), tag_soup)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True)


@given(anything)
def test_never_raises(text):
    said = read(text)
    assert not (said.problem and said.calls)


@given(anything, st.lists(st.integers(0, 200)))
def test_pieces_of_any_size_are_read_as_the_whole(text, cuts):
    reader = Reader()
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    for start, end in itertools.pairwise(places):
        reader.feed(text[start:end])
    assert reader.end() == read(text)


@given(names, st.dictionaries(names, anything, max_size=4))
def test_what_was_written_is_read_back(name, arguments):
    call = Call(name, arguments)
    try:
        text = toolcalls.write(call)
    except ValueError:
        ends = [value for value in arguments.values() if "</parameter>" in value]
        assert ends, "only the end of a value within a value cannot be told"
    else:
        assert read(f"I write.\n{text}") == Said("I write.", (call,))


@given(anything)
def test_data_cannot_end_its_own_tag(data):
    text = respond([data])
    assert text.lower().count("</tool_response>") == 1
    assert text.lower().count("<tool_call>") == 0
    assert restored(neutral(data)) == data


@given(st.text(alphabet="<\\/tool_call>r", max_size=30))
def test_what_is_marked_is_restored(data):
    assert restored(neutral(data)) == data


@pytest.mark.parametrize(
    "unit", ["<tool_call>", "</parameter>\n", "</parameter> ", "\n", "<", "<\\"]
)
def test_time_is_linear(unit):
    text = "<function=f>\n<parameter=p>\n" + unit * (MAX_VALUE_CHARS // len(unit))
    started = time.process_time()
    read(text)
    neutral(text)
    assert time.process_time() - started < 2


def test_a_list_of_tools():
    tools = [
        toolcalls.Tool(
            "look",
            "Look.",
            (
                toolcalls.Parameter("path", "a file"),
                toolcalls.Parameter("n", "how many", "integer", required=False),
            ),
        ),
        toolcalls.Tool("run", "Run."),
    ]
    text = toolcalls.describe(tools)
    assert text.startswith("# Tools\n")
    assert "<function>\n<name>look</name>\n<description>Look.</description>\n<parameters>\n" in text
    assert "<parameter>\n<name>n</name>\n<type>integer</type>\n" in text
    assert "<required>[`path`]</required>" in text
    assert "<name>run</name>" in text and text.count("<required>") == 1
