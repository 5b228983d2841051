# SPDX-License-Identifier: Apache-2.0
"""The text of a declared type to the names of the types that a value of it may have.

In: `list[Line] | None`, `&mut Box<Store>`, `*depot.Store`, `(*Order, error)`. Out: names with
"instance", or "class" where the value is the type itself. What only wraps a value is looked
through (`Optional`, `Box`, a pointer); what holds several is itself the type (`list`).
It knows no file: whether such a type exists is asked elsewhere.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_$\x80-\uffff][\w$]*(?:(?:\.|::|\\)[\w$]+)*")
_WRAPPERS = frozenset(
    (
        *(
            "Optional",
            "Union",
            "Annotated",
            "ClassVar",
            "Final",
            "Required",
            "NotRequired",
            "ReadOnly",
        ),
        *("Awaitable", "Promise", "Readonly", "Partial", "NonNullable", "Task", "ValueTask"),
        *("Box", "Rc", "Arc", "RefCell", "Mutex", "Ref", "Result", "Option", "Pin", "Cow"),
        *("unique_ptr", "shared_ptr", "weak_ptr", "TypeGuard", "InitVar", "Mapped"),
    )
)
_CLASSES = frozenset(("type", "Type"))
_NOISE = frozenset(
    (
        *(
            "None",
            "null",
            "undefined",
            "void",
            "const",
            "mut",
            "struct",
            "enum",
            "union",
            "class",
            "dyn",
        ),
        *(
            "impl",
            "unsigned",
            "signed",
            "static",
            "volatile",
            "readonly",
            "keyof",
            "typeof",
            "error",
        ),
        *("nil", "unknown", "any", "never", "Any", "final", "ref", "out", "in", "params", "inout"),
    )
)
_FIRST_ONLY = frozenset(("Annotated", "Result", "Mutex"))
_CLOSERS = {"[": "]", "<": ">", "(": ")", "{": "}"}
_NAMES_MAX = 6


def type_names(language: str, text: str) -> list[tuple[str, str]]:
    """Names, each with "instance" or "class", at most `_NAMES_MAX`, in the order of the text."""
    text = re.sub(r"'[a-z_]\w*(?!')\s*", "", text) if language == "rust" else text
    if language == "haskell":
        text = text.rpartition("->")[2]
    found: list[tuple[str, str]] = []
    for part in _split(text.strip().strip("\"'"), "|"):
        found += _names(part, "instance")
    return list(dict.fromkeys(found))[:_NAMES_MAX]


def _names(text: str, kind: str) -> list[tuple[str, str]]:
    text = text.strip().strip("\"'").lstrip("&*?@! ").strip()
    if text.startswith("(") and text.endswith(")"):  # Go returns several values: the first counts
        return _names(_split(text[1:-1], ",")[0], kind)
    if not text or text[0] in "[{":
        return []
    match = _NAME.match(text)
    while match and match[0] in _NOISE:
        text = text[match.end() :].lstrip(" &*")
        match = _NAME.match(text)
    if match is None:
        return []
    rest = text[match.end() :].lstrip()
    last = re.split(r"\.|::|\\", match[0])[-1]
    if last in _WRAPPERS | _CLASSES and rest[:1] in ("[", "<"):
        inner = _inside(rest)
        parts = [p for item in _split(inner, ",") for p in _split(item, "|")]
        parts = parts[:1] if last in _FIRST_ONLY else parts
        kind = "class" if last in _CLASSES else kind
        return [name for part in parts for name in _names(part, kind)]
    if rest.startswith("[]"):
        return []  # an array of them
    return [(match[0], kind)]


def _inside(text: str) -> str:
    """What stands in the bracket that `text` starts with."""
    closer, depth = _CLOSERS[text[0]], 0
    for at, char in enumerate(text):
        depth += (char == text[0]) - (char == closer)
        if not depth:
            return text[1:at]
    return text[1:]


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in _CLOSERS:
            depth += 1
        elif char in _CLOSERS.values():
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
