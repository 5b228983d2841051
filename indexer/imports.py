# SPDX-License-Identifier: Apache-2.0
"""The text of an import statement to imported names.

In: the spans that the outline calls imports. Out: rows in the shape of `types.Import`.
The statement's words are few and regular in each family of languages, so they are read from the
text, one reader a family. Nothing here knows where a module's file is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Span = tuple[int, int]
Named = tuple[str, str, str, int, bool]  # module, name, alias, level, re-exported
Row = tuple[str, str, str, int, int, bool]  # types.Import

# An import statement is short; a generated page of one is cut.
STATEMENT_MAX_BYTES = 64 * 1024
_QUOTED = re.compile(r"""["'`<]([^"'`<>]+)["'`>]""")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_HASH_COMMENT = re.compile(r"#[^\n]*|\\\n")


def read_imports(family: str, data: bytes, spans: list[Span], lines: list[int]) -> list[Row]:
    """Every name that the statements at `spans` bring in; [] for a family without a reader."""
    reader = _READERS.get(family)
    rows: list[Row] = []
    for start, end in sorted(spans) if reader else ():
        text = data[start : min(end, start + STATEMENT_MAX_BYTES)].decode("utf-8", "replace")
        line = bisect_right(lines, start)
        for module, name, alias, level, reexport in reader(text) if reader else ():
            rows.append((module, name, alias, line, level, reexport))
    return rows


def _python(text: str) -> Iterator[Named]:
    words = _HASH_COMMENT.sub(" ", text).split(None, 1)
    if len(words) < 2:  # noqa: PLR2004  a keyword and what it imports
        return
    if words[0] == "import":
        for item in words[1].split(","):
            module, _, alias = item.strip().partition(" as ")
            yield module.strip(), "", alias.strip() or module.strip().partition(".")[0], 0, False
        return
    module, *names = re.split(r"\s*\bimport\b", words[1], maxsplit=1)
    name = module.lstrip(".")
    for item in "".join(names).strip(" ()\n\r\t").split(","):
        parts = item.split()
        if parts:
            yield name, parts[0], parts[-1], len(module) - len(name), False


def _javascript(text: str) -> Iterator[Named]:
    text = _COMMENT.sub(" ", text)
    found = _QUOTED.findall(text)
    if not found:
        return
    module = found[-1]
    reexport = text.startswith("export")
    head = re.sub(r"^(?:import|export|const|let|var)\s+(?:type\b\s*)?", "", text)
    head = head[: head.rfind(module) - 1]
    braces = re.search(r"\{(.*?)\}", head, re.DOTALL)
    seen = False
    for item in braces[1].split(",") if braces else ():
        parts = item.replace("type ", "").replace(":", " as ").split()
        if parts:
            seen = True
            yield module, parts[0], parts[-1], 0, reexport
    rest = re.sub(r"\{.*?\}", "", head, flags=re.DOTALL)
    if star := re.search(r"\*(?:\s*as\s+([\w$]+))?", rest):
        seen = True
        yield module, "*", star[1] or "", 0, reexport
    if default := re.match(r"\s*([\w$]+)\s*(?:,|=|from\b)", rest):
        seen = True
        required = "require" in rest or "import(" in rest
        yield module, "" if required else "default", default[1], 0, reexport
    if not seen:
        yield module, "", "", 0, reexport


def _dotted(text: str) -> Iterator[Named]:
    """Java, Kotlin, C#, Swift: `import a.b.C`, `import a.b.*`, `using X = a.b.C;`."""
    text = _COMMENT.sub(" ", text).strip().rstrip(";")
    words = text.split()
    alias = ""
    if "=" in words:  # using X = a.b.C
        alias = words[words.index("=") - 1]
    elif "as" in words:
        alias = words[words.index("as") + 1] if words[-1] != "as" else ""
        words = words[: words.index("as")]
    path = words[-1] if words else ""
    if (words and words[0] in ("using", "global")) or "." not in path:
        yield path, "", alias or path.rpartition(".")[2], 0, False
        return
    module, _, name = path.rpartition(".")
    yield (
        module,
        "*" if name in ("*", "_") else name,
        alias or ("" if name == "*" else name),
        0,
        False,
    )


def _scala(text: str) -> Iterator[Named]:
    text = _COMMENT.sub(" ", text).strip().removeprefix("import").strip()
    for item in re.split(r",(?![^{]*\})", text):
        module, brace, names = item.strip().partition("{")
        if not brace:
            module, _, names = item.strip().rpartition(".")
            names = names.replace(" as ", " => ")
        for name in names.rstrip("} \n").split(","):
            parts = re.split(r"\s*(?:=>|\bas\b)\s*", name.strip())
            star = parts[0] in ("_", "*", "given")
            yield module.strip(" ."), "*" if star else parts[0], "" if star else parts[-1], 0, False


def _go(text: str) -> Iterator[Named]:
    for alias, path in re.findall(r'([\w.]+\s+)?["`]([^"`\n]+)["`]', _COMMENT.sub(" ", text)):
        name = alias.strip()
        if name == "import":
            name = ""
        whole = name in (".", "_")
        known_as = "" if whole else name or path.rpartition("/")[2]
        yield path, "*" if name == "." else "", known_as, 0, False


def _rust(text: str) -> Iterator[Named]:
    text = _COMMENT.sub(" ", text).strip().rstrip(";")
    match = re.match(r"(?:pub(?:\([^)]*\))?\s+)?(use|mod|extern\s+crate)\s+(.*)", text, re.DOTALL)
    if not match:
        return
    public = text.startswith("pub")
    if match[1] != "use":
        yield match[2].strip(), "", match[2].split()[-1].strip(), 0, public
        return
    for item in _rust_tree("", match[2]):
        path, _, alias = item.partition(" as ")
        module, _, name = path.strip().rpartition("::")
        if name == "self":
            module, _, name = module.rpartition("::")
        yield module, name, "" if name == "*" else alias.strip() or name, 0, public


def _rust_tree(prefix: str, text: str) -> Iterator[str]:
    """The paths of a use tree: `a::{b, c::{d, e}}` gives a::b, a::c::d, a::c::e."""
    depth, item = 0, ""
    for char in text + ",":
        if char == "," and not depth:
            head, brace, inner = item.strip().partition("{")
            if brace:
                yield from _rust_tree(prefix + head, inner.rpartition("}")[0])
            elif head:
                yield prefix + head
            item = ""
            continue
        depth += (char == "{") - (char == "}")
        item += char


def _quoted(text: str) -> Iterator[Named]:
    """C, C++, Ruby, Lua, Zig: the module stands in quotes; a name may be set to it."""
    found = _QUOTED.search(text)
    if not found:
        return
    alias = re.match(r"\s*(?:local|pub|const|var|\s)*([\w]+)\s*=", text)
    level = 1 if "require_relative" in text else 0
    yield found[1], "", alias[1] if alias else "", level, False


def _php(text: str) -> Iterator[Named]:
    if quoted := _QUOTED.search(text):
        yield quoted[1], "", "", 0, False
        return
    text = re.sub(r"^use\s+(?:function\s+|const\s+)?", "", text.strip().rstrip(";"))
    group, brace, names = text.partition("{")
    for item in (names.rstrip("} \n") if brace else text).split(","):
        path, _, alias = item.strip().partition(" as ")
        path = (group.strip() + path.strip()).lstrip("\\") if brace else path.strip().lstrip("\\")
        module, _, name = path.rpartition("\\")
        if name:
            yield module, name, alias.strip() or name, 0, False


def _bash(text: str) -> Iterator[Named]:
    words = text.split()
    if len(words) > 1:
        yield words[1].strip("\"'"), "*", "", 0, False


def _haskell(text: str) -> Iterator[Named]:
    match = re.match(
        r"import\s+(?:safe\s+)?(?:qualified\s+)?([\w.']+)(?:\s+qualified)?(?:\s+as\s+([\w.']+))?"
        r"\s*(hiding)?\s*(?:\((.*)\))?",
        text,
        re.DOTALL,
    )
    if not match:
        return
    module, alias, hiding, names = match.groups()
    if names is None or hiding:
        yield module, "*" if "qualified" not in text else "", alias or module, 0, False
        return
    for name in re.split(r",(?![^(]*\))", names):
        if bare := re.sub(r"\(.*", "", name.strip().strip("()"), flags=re.DOTALL).strip():
            yield module, bare, bare, 0, False


def _elixir(text: str) -> Iterator[Named]:
    match = re.match(
        r"(alias|import|require|use)[\s(]+([\w.]+?)(?:\.\{([^}]*)\})?(?=[\s,)]|$)", text
    )
    if not match:
        return
    word, module, group = match.groups()
    named = re.search(r"\bas:\s*([\w.]+)", text)
    for name in group.split(",") if group else ("",):
        path = f"{module}.{name.strip()}" if name.strip() else module
        alias = named[1] if named else path.rpartition(".")[2]
        yield path, "*" if word in ("import", "use") else "", alias, 0, False


def _julia(text: str) -> Iterator[Named]:
    word, _, rest = text.partition(" ")
    if word == "include" or text.startswith("include("):
        if quoted := _QUOTED.search(text):
            yield quoted[1], "*", "", 0, False
        return
    module, colon, names = rest.partition(":")
    items = names.split(",") if colon else rest.split(",")
    for item in items:
        path, _, alias = item.strip().partition(" as ")
        source = module.strip() if colon else path
        level = len(source) - len(source.lstrip("."))
        whole = "*" if word == "using" else ""
        yield (
            source.lstrip("."),
            path if colon else whole,
            alias or path.rpartition(".")[2],
            level,
            False,
        )


_READERS: dict[str, Callable[[str], Iterator[Named]]] = {
    "python": _python,
    "javascript": _javascript,
    "dotted": _dotted,
    "scala": _scala,
    "go": _go,
    "rust": _rust,
    "quoted": _quoted,
    "php": _php,
    "bash": _bash,
    "haskell": _haskell,
    "elixir": _elixir,
    "julia": _julia,
}
