# SPDX-License-Identifier: Apache-2.0
"""Whether the names in a type mean something where it is to stand, and what must be imported.

In: the text of a type, a target. Out: import lines that it needs; `Refused` for names that nobody
knows here. Names of the languages, of the file and of well-known standard modules; nothing else is
guessed at. It knows no model.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from indexer.masks import SCRIPTS
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.types import FileRecord
    from lsp_server.actions.types import Target

MAX_CHARS = 200  # a longer type is none that a person would write
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
_QUOTED = re.compile(r"(?:\"[^\"\n]*\"|'[^'\n]*')")
_ALLOWED = re.compile(r"[\w\s.,|\[\](){}<>:;?=&*\"'$-]+")
# Standard modules whose names types are made of; the first that has a name is taken.
_MODULES = {
    "typing": "Any ClassVar Final Literal NamedTuple NoReturn Optional Protocol TypeVar Union IO"
    " TextIO BinaryIO List Dict Tuple Set FrozenSet Type AnyStr TypedDict Annotated Text",
    "collections.abc": "Iterable Iterator Generator Callable Mapping MutableMapping Sequence"
    " MutableSequence Collection Awaitable Coroutine AsyncIterator AsyncIterable AsyncGenerator"
    " Hashable Sized Container KeysView ValuesView ItemsView Set MutableSet",
    "collections": "OrderedDict defaultdict deque Counter",
    "pathlib": "Path PurePath",
    "datetime": "datetime date timedelta timezone",
    "decimal": "Decimal",
    "types": "ModuleType TracebackType FunctionType SimpleNamespace",
    "logging": "Logger",
    "argparse": "ArgumentParser Namespace",
    "uuid": "UUID",
    "re": "Pattern Match",
    "enum": "Enum",
    "fractions": "Fraction",
    "contextlib": "AbstractContextManager",
}
# fmt: off
_SCRIPT = frozenset((
    "string", "number", "boolean", "void", "any", "unknown", "never", "null", "undefined",
    "object", "symbol", "bigint", "this", "true", "false", "readonly", "keyof", "typeof",
    "infer", "extends", "is", "asserts", "Array", "Promise", "Map", "Set", "WeakMap", "WeakSet",
    "Record", "Partial", "Required", "Readonly", "Pick", "Omit", "Exclude", "Extract",
    "NonNullable", "ReturnType", "Parameters", "Awaited", "Iterable", "Iterator",
    "AsyncIterable", "AsyncIterator", "Generator", "AsyncGenerator", "IterableIterator", "Date",
    "RegExp", "Error", "Function", "ArrayBuffer", "Uint8Array", "Int32Array", "Float32Array",
    "Float64Array", "URL", "Buffer", "NodeJS", "Event", "Element", "HTMLElement", "Node",
    "Document", "Window", "Request", "Response", "ReadonlyArray", "Object", "String", "Number",
    "Boolean", "Symbol", "JSON", "Math", "PromiseLike", "TemplateStringsArray", "MouseEvent",
    "KeyboardEvent", "AbortSignal", "ReadonlyMap", "ReadonlySet", "Blob", "File", "FormData",
    "Headers", "Storage",
))
# fmt: on
_PYTHON = frozenset(name for name in dir(builtins) if isinstance(getattr(builtins, name), type)) | {
    "None",
    "Ellipsis",
}


def imports_for(it: Target, types: Iterable[str]) -> list[str]:
    """Lines that the names of some types need. Raises Refused for a name that is not known."""
    wanted: dict[str, set[str]] = {}
    here = _names_here(it.record)
    for text in types:
        if len(text) > MAX_CHARS or not _ALLOWED.fullmatch(text):
            raise Refused(f"that is no type: {' '.join(text.split())[:60]}")
        for name in names(it.language, text):
            first = name.split(".")[0]
            if first in here or first in (_SCRIPT if it.language in SCRIPTS else _PYTHON):
                continue
            module = _module_of(name) if it.language == "python" else ""
            if not module:
                raise Refused(
                    f"the type {name} is not known in this file; use one that is defined or"
                    " imported in it, or a built-in one"
                )
            wanted.setdefault(module, set()).add(name)
    return [
        f"from {module} import {', '.join(sorted(found))}"
        for module, found in sorted(wanted.items())
    ]


def names(language: str, text: str) -> list[str]:
    """The names of a type, quoted ones of Python too; not those of a literal's values."""
    text = re.sub(r"\bLiteral\[[^\]]*\]", "Literal", text)
    if language in SCRIPTS:
        text = re.sub(r"\b\w+\s*\??\s*:(?!:)", " ", _QUOTED.sub(" ", text))  # of members
    else:
        text = text.replace('"', " ").replace("'", " ")
    return _NAME.findall(text)


def _names_here(record: FileRecord) -> set[str]:
    """What types may be called by in this file."""
    kinds = {"function", "method", "constructor", "field"}
    return {
        *(row.name for row in record.symbols if row.kind not in kinds),
        *(row.alias.split(".")[0] for row in record.imports),
        *(use.name for use in record.references if use.kind == "type" and not use.receiver),
    }


def _module_of(name: str) -> str:
    return next((module for module, row in _MODULES.items() if name in row.split()), "")
