# SPDX-License-Identifier: Apache-2.0
"""Tool calls as Qwen3-Coder was trained to write them, and what it is answered.

In: what the model itself wrote, in pieces of any size. Out: its calls, or what is wrong with them
in one line; nothing is raised and nothing is guessed. The other way: lists of tools, calls and
results as text. A value is any text, without escapes; so a value ends where a tag that can only
follow a value does. Text in results is data: tags in it are told apart by a backslash.

    <tool_call>            Knows no tool, no file and no model.
    <function=name>
    <parameter=p>
    value
    </parameter>
    </function>
    </tool_call>

Of models that leave out the first line, as this one often does, the call is read all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_CALLS = 8  # in one answer; a model that writes more is out of step
MAX_PARAMETERS = 16
MAX_VALUE_CHARS = 262_144  # a whole file of 64,000 tokens: more than a model writes in one answer

_NAME = r"([A-Za-z_][\w.-]{0,63})"
_OPEN = re.compile(r"<tool_call>|^\s*(?=<function=)", re.ASCII)
_FUNCTION = re.compile(rf"\s*<function={_NAME}>", re.ASCII)
_FUNCTION_END = re.compile(r"\s*</function>")
_PARAMETER = re.compile(rf"\s*<parameter={_NAME}>", re.ASCII)
_CALL_END = re.compile(r"\s*</tool_call>")
_VALUE_END = re.compile(rf"</parameter>\s*(?=<parameter={_NAME}>|</function>|$)", re.ASCII)
_TAG = re.compile(r"<(\\*)(/?tool_(?:call|response))", re.IGNORECASE)
_MARKED = re.compile(r"<\\(\\*)(/?tool_(?:call|response))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a tool is told. All values are text; `type` is for the model to know."""

    name: str
    description: str
    type: str = "string"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call."""

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One wish of the model, unchecked."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer taken apart: what is outside of calls, the calls, what is wrong ("": nothing)."""

    text: str
    calls: tuple[Call, ...] = ()
    problem: str = ""


class _At(Enum):
    """Where in an answer the next character is."""

    TEXT = auto()
    CALL = auto()  # behind <tool_call>
    FUNCTION = auto()  # behind <function=...> or </parameter>
    VALUE = auto()  # behind <parameter=...>
    VALUE_OR_END = auto()  # behind a line that ended with </parameter>: the next tag tells
    END = auto()  # behind </function>


class Reader:
    """Reads an answer while it is written, in time linear in its length. Never raises."""

    def __init__(self) -> None:
        self._rest: list[str] = []  # of a line that has not ended
        self._text: list[str] = []
        self._calls: list[Call] = []
        self._problem = ""
        self._at = _At.TEXT
        self._name = self._parameter = ""
        self._arguments: dict[str, str] = {}
        self._value: list[str] = []
        self._value_chars = 0
        self._doubtful: list[str] = []  # the line that may have ended a value, and what follows
        self._steps: Mapping[_At, Callable[[str], str | None]] = {
            _At.TEXT: self._in_text,
            _At.CALL: self._in_call,
            _At.FUNCTION: self._in_function,
            _At.VALUE: self._in_value,
            _At.VALUE_OR_END: self._in_value_or_end,
            _At.END: self._in_end,
        }

    def feed(self, piece: str) -> None:
        """The next piece."""
        head, *lines = piece.split("\n")
        self._rest.append(head)
        for line in lines:
            self._line("".join(self._rest))
            self._rest = [line]

    def end(self) -> Said:
        """There is no more."""
        self._line("".join(self._rest))
        self._rest = []
        if self._at not in {_At.TEXT, _At.END}:
            self._fail("the tool call is not closed: write all of it")
        calls = () if self._problem else tuple(self._calls)
        return Said("\n".join(self._text).strip(), calls, self._problem)

    def _line(self, line: str) -> None:
        rest: str | None = line
        while rest is not None and not self._problem:  # what follows a problem is not trusted
            rest = self._steps[self._at](rest)

    def _fail(self, problem: str) -> None:
        self._problem = self._problem or problem

    # Each takes what is left of a line and returns what it has left of it; None: take the next.

    def _in_text(self, line: str) -> str | None:
        found = _OPEN.search(line)
        self._text.append(line[: found.start()] if found else line)
        if found is None:
            return None
        self._at = _At.CALL
        return line[found.end() :]

    def _in_call(self, line: str) -> str | None:
        if not line.strip():
            return None
        found = _FUNCTION.match(line)
        if found is None:
            self._fail("a tool call must begin with <function=name>")
            return None
        if len(self._calls) == MAX_CALLS:
            self._fail(f"more than {MAX_CALLS} tool calls in one answer")
        self._name, self._arguments, self._at = found[1], {}, _At.FUNCTION
        return line[found.end() :]

    def _in_function(self, line: str) -> str | None:
        if not line.strip():
            return None
        if found := _PARAMETER.match(line):
            self._begin_value(found[1])
            rest = line[found.end() :]
            return rest if rest.strip() else None
        if found := _FUNCTION_END.match(line):
            self._calls.append(Call(self._name, self._arguments))
            self._at = _At.END
            return line[found.end() :]
        self._fail(f"in the call of {self._name} only <parameter=name> or </function> may follow")
        return None

    def _begin_value(self, name: str) -> None:
        if name in self._arguments:
            self._fail(f"the parameter {name} is there twice")
        if len(self._arguments) == MAX_PARAMETERS:
            self._fail(f"more than {MAX_PARAMETERS} parameters in one call")
        self._parameter, self._value, self._value_chars = name, [], 0
        self._at = _At.VALUE

    def _in_value(self, line: str) -> str | None:
        found = _VALUE_END.search(line)
        if found is None:
            self._keep(line)
            return None
        rest = line[found.end() :]
        if not rest:
            self._doubtful, self._at = [line], _At.VALUE_OR_END
            return None
        self._end_value(line[: found.start()])
        return rest

    def _in_value_or_end(self, line: str) -> str | None:
        if not line.strip():
            self._doubtful.append(line)
            return None
        if _PARAMETER.match(line) or _FUNCTION_END.match(line):
            self._end_value(self._doubtful[0].rstrip()[: -len("</parameter>")])
            return line
        for doubtful in self._doubtful:
            self._keep(doubtful)
        self._at = _At.VALUE
        return line

    def _keep(self, line: str) -> None:
        self._value_chars += len(line) + 1
        if self._value_chars > MAX_VALUE_CHARS:
            self._fail(f"the parameter {self._parameter} has over {MAX_VALUE_CHARS:,} characters")
            self._value = []
        else:
            self._value.append(line)

    def _end_value(self, last: str) -> None:
        if last.strip():  # else the tag stands on a line of its own, as it should
            self._keep(last)
        self._arguments[self._parameter] = "\n".join(self._value)
        self._value, self._doubtful, self._at = [], [], _At.FUNCTION

    def _in_end(self, line: str) -> str | None:
        if not line.strip():
            return None
        found = _CALL_END.match(line)
        self._at = _At.TEXT
        return line[found.end() :] if found else line


def read(text: str) -> Said:
    """A whole answer."""
    reader = Reader()
    reader.feed(text)
    return reader.end()


def write(call: Call) -> str:
    """A call as a model writes it. Raises ValueError where it could not be read back."""
    lines = ["<tool_call>", f"<function={call.name}>"]
    for name, value in call.arguments.items():
        lines += [f"<parameter={name}>", value, "</parameter>"]
    text = "\n".join((*lines, "</function>", "</tool_call>"))
    if read(text) != Said("", (call,)):
        raise ValueError(f"a call of {call.name[:64]!r} that the format cannot express")
    return text


def describe(tools: Iterable[Tool]) -> str:
    """Which tools there are and how to call one: the end of a system turn."""
    lines = ["# Tools", "", "You have access to the following functions:", "", "<tools>"]
    for tool in tools:
        lines += ["<function>", _tag("name", tool.name), _tag("description", tool.description)]
        lines += ["<parameters>", *map(_parameter, tool.parameters)]
        required = ", ".join(f"`{item.name}`" for item in tool.parameters if item.required)
        lines += [_tag("required", f"[{required}]")] if required else []
        lines += ["</parameters>", "</function>"]
    example = write(Call("function_name", {"parameter_name": "value\nof any number of lines"}))
    return "\n".join(
        (
            *lines,
            "</tools>",
            "",
            "To call a function, end your answer with it in exactly this form:",
            "",
            example,
            "",
            "Write a value as it is, without escapes or quotes.",
            "What you want to say comes before the call, nothing after it.",
        )
    )


def respond(results: Sequence[str]) -> str:
    """Results of calls, in their order, as a user's turn. They cannot end their own tag."""
    return "\n".join(f"<tool_response>\n{neutral(text)}\n</tool_response>" for text in results)


def neutral(data: str) -> str:
    """Data in which no tag of a call or a result can be taken for one; see `restored`."""
    return _TAG.sub(r"<\\\1\2", data)


def restored(text: str) -> str:
    """What `neutral` was given, of text that the model has copied from it."""
    return _MARKED.sub(r"<\1\2", text)


def _tag(name: str, text: str) -> str:
    return f"<{name}>{text}</{name}>"


def _parameter(parameter: Parameter) -> str:
    inner = (
        _tag("name", parameter.name),
        _tag("type", parameter.type),
        _tag("description", parameter.description),
    )
    return "\n".join(("<parameter>", *inner, "</parameter>"))
