# SPDX-License-Identifier: Apache-2.0
"""Tests as text: their names, and where a file takes more of them.

In: a language, an answer's tests, the file that is there. Out: names of tests; insertions, so that
every byte that is there stays. What a file needs around tests (package, imports, module) is
written here. It knows no project and no model.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from indexer import masks
from indexer.parse import extract
from lsp_server.actions.types import Refused

SCRIPTS = ("javascript", "typescript", "tsx")
_CASES = {
    "go": re.compile(r"^func\s+((?:Test|Fuzz|Benchmark)\w*)\s*\(", re.MULTILINE),
    "java": re.compile(
        r"@(?:Test|ParameterizedTest|RepeatedTest)\b(?:\([^)]*\))?\s*(?:@\w+(?:\([^)]*\))?\s*)*"
        r"(?:public\s+|final\s+)*void\s+(\w+)\s*\("
    ),
    "rust": re.compile(
        r"#\[(?:\w+::)?test\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\s+)?(?:async\s+)?fn\s+(\w+)"
    ),
    **dict.fromkeys(
        SCRIPTS,
        re.compile(r"\b(?:it|test)(?:\.\w+)*\s*\(\s*(['\"`])((?:\\.|(?!\1).)+)\1", re.DOTALL),
    ),
}
_GO_PACKAGES = {  # packages of Go that tests use without being told of
    name.rpartition("/")[2]: name
    for name in (
        *("bytes", "context", "errors", "fmt", "io", "math", "os", "reflect", "regexp", "slices"),
        *("sort", "strconv", "strings", "sync", "testing", "time", "unicode", "encoding/json"),
    )
}
_JUNIT = {
    "junit5": (
        "import org.junit.jupiter.api.Test;",
        "import static org.junit.jupiter.api.Assertions.*;",
    ),
    "junit4": ("import org.junit.Test;", "import static org.junit.Assert.*;"),
}
_RUST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{")


class Insertion(NamedTuple):
    """Text to be put in at a character of a file, with LF as its line end."""

    at: int
    text: str


def test_names(language: str, text: str) -> frozenset[str]:
    """The names of the tests in a text, with what they are in where that tells them apart."""
    if language != "python":
        pattern = _CASES.get(language)
        found = pattern.finditer(text) if pattern is not None else ()
        return frozenset(match[match.lastindex or 0] for match in found)
    rows = extract("python", text.encode()).symbols
    names = set()
    for row in rows:
        around = rows[row.parent] if row.parent >= 0 else None
        if row.kind not in ("function", "method") or not row.name.startswith("test"):
            continue
        if around is None or around.kind == "class":
            names.add(f"{around.name}.{row.name}" if around is not None else row.name)
    return frozenset(names)


def bare(language: str, code: str) -> str:
    """An answer's tests without what is written here: package, module, their own class."""
    if language == "rust":
        match = _RUST_MODULE.search(code)
        if match is not None:
            inner = code[match.end() : masks.closing(_code(language, code), match.end() - 1)]
            code = _dedented(inner)
        return re.sub(r"(?m)^use super::\*;\n+", "", code).strip("\n") + "\n"
    if language == "go":
        code = re.sub(r"(?m)^package\s+\w+\s*\n", "", code)
        code = re.sub(r"(?ms)^import\s*(?:\(.*?^\)|[^\n]*)\n", "", code)
    if language == "java":
        code = re.sub(r"(?m)^package\s+[\w.]+;\s*\n", "", code)
    return code.strip("\n") + "\n"


def new_file(language: str, code: str, *, line: str, framework: str, source: str) -> str:
    """A whole file of tests. `line` imports what is tested, `source` is the file it is in."""
    if language == "go":
        return _go_file(code, source)
    if language == "java":
        package = re.search(r"(?m)^package\s+[\w.]+;", source)
        needed = [row for row in _JUNIT.get(framework, ()) if row not in code]
        head = [f"{package[0]}\n"] if package else []
        return "\n".join([*head, *needed, code] if needed else [*head, code])
    imports, rest = _split_imports(language, _without_own_import(language, code, line))
    head = _framework_imports(language, framework, code, "")
    rows = [*head, *imports, *([line] if line else [])]
    blank = ["", ""] if language == "python" else [""]
    return "\n".join([*dict.fromkeys(rows), *blank, rest])


def insertions(
    language: str, before: str, code: str, *, line: str, known: bool, framework: str
) -> list[Insertion]:
    """What a file that is there takes. Raises Refused where it has no place for it.

    `known`: the file imports what is tested already, so that `line` is not needed.
    """
    if language == "rust":
        return [_rust_insertion(before, code)]
    if language == "java":
        return _java_insertions(before, code)
    end = len(before)
    gap = "" if before.endswith("\n") or not before else "\n"
    if language == "go":
        missing = _go_imports(code) - {r.module for r in extract("go", before.encode()).imports}
        if missing:
            raise Refused(f"{min(missing)} is not imported in the file of tests: do without it")
        return [Insertion(end, f"{gap}\n{code}")]
    imports, rest = _split_imports(language, _without_own_import(language, code, line))
    there = set(before.replace("\r\n", "\n").split("\n"))
    rows = [*_framework_imports(language, framework, code, before), *imports]
    rows += [line] if line and not known else []
    fresh = [row for row in dict.fromkeys(rows) if row not in there]
    blank = "\n\n" if language == "python" else "\n"
    head = "\n".join(fresh) + "\n" + blank if fresh else ""
    return [Insertion(end, f"{gap}{blank}{head}{rest}")]


def inserted(before: str, added: list[Insertion], end: str) -> str:
    """The text with the insertions, in the file's own line ends."""
    parts, at = [], 0
    for one in sorted(added):
        parts += [before[at : one.at], one.text.replace("\n", end)]
        at = one.at
    return "".join([*parts, before[at:]])


def _code(language: str, text: str) -> bytes:
    return masks.code_of(language, text.encode("ascii", "replace"))


def _dedented(text: str) -> str:
    rows = text.strip("\n").split("\n")
    depth = min((len(row) - len(row.lstrip()) for row in rows if row.strip()), default=0)
    return "\n".join(row[depth:].rstrip() for row in rows)


def _split_imports(language: str, code: str) -> tuple[list[str], str]:
    """The import statements at the start of an answer, one string each, and the rest."""
    rows = code.split("\n")
    begin = ("import ", "from ") if language == "python" else ("import ", "const ", "'use strict'")
    imports: list[str] = []
    at = 0
    while at < len(rows):
        row = rows[at]
        required = language == "python" or row.startswith("import ") or "require(" in row
        if not row.strip():
            at += 1
            continue
        if not row.startswith(begin) or not required:
            break
        first = at
        while _is_open("\n".join(rows[first : at + 1])) and at + 1 < len(rows):
            at += 1
        imports.append("\n".join(rows[first : at + 1]).rstrip())
        at += 1
    return imports, "\n".join(rows[at:]).strip("\n") + "\n"


def _is_open(text: str) -> bool:
    return sum(map(text.count, "({[")) > sum(map(text.count, ")}]"))


def _without_own_import(language: str, code: str, line: str) -> str:
    """An answer that imports what is tested, too, mostly from a wrong place: ours counts."""
    match = re.search(r"import\s+\{?\s*(\w+)|const\s*\{\s*(\w+)", line)
    name = next((group for group in match.groups() if group), "") if match else ""
    if not name:
        return code
    imports, rest = _split_imports(language, code)
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
    kept = [row for row in imports if not word.search(re.sub(r"['\"][^'\"]*['\"]", "", row))]
    others = [row for row in imports if row not in kept and "," in row]
    for row in others:  # `import { a, other } from './x'`: what else it imports stays
        less = re.sub(
            rf"(?<![\w.]){re.escape(name)}\s*,\s*|,\s*{re.escape(name)}(?![\w.])", "", row
        )
        kept += [less] if not word.search(re.sub(r"['\"][^'\"]*['\"]", "", less)) else []
    return "\n".join([*kept, "", rest])


def _framework_imports(language: str, framework: str, code: str, before: str) -> list[str]:
    """The lines that make a framework's names known, where the answer forgot them."""
    if language == "python":
        rows = []
        for module in ("pytest", "unittest"):
            used = re.search(rf"\b{module}\.", code)
            known = re.search(rf"(?m)^\s*(?:import|from)\s+{module}\b", code + "\n" + before)
            rows += [f"import {module}"] if used and not known else []
        return rows
    if framework not in ("vitest", "node:test") or f"'{framework}'" in code + before:
        return []
    if f'"{framework}"' in code + before:
        return []
    wanted = ("describe", "it", "test", "expect", "vi")
    names = [one for one in wanted if re.search(rf"(?<![\w.]){one}\s*[.(]", code)]
    names = [one for one in names if framework == "vitest" or one in ("describe", "it", "test")]
    return [f"import {{ {', '.join(names)} }} from '{framework}';"] if names else []


def _go_imports(code: str) -> set[str]:
    text = _code("go", code).decode()
    found = re.findall(r"(?<![\w.])(\w+)\.[A-Z]", text)
    return {_GO_PACKAGES[name] for name in found if name in _GO_PACKAGES} | {"testing"}


def _go_file(code: str, source: str) -> str:
    package = re.search(r"(?m)^package\s+\w+", source)
    names = sorted(_go_imports(code))
    rows = "".join(f'\t"{name}"\n' for name in names)
    listed = f"import (\n{rows})" if len(names) > 1 else f'import "{names[0]}"'
    return f"{package[0] if package else 'package main'}\n\n{listed}\n\n{code}"


def _rust_insertion(before: str, code: str) -> Insertion:
    match = _RUST_MODULE.search(before)
    inner = "\n".join(f"    {row}" if row.strip() else "" for row in code.rstrip("\n").split("\n"))
    if match is None:
        gap = "" if before.endswith("\n") else "\n"
        text = f"{gap}\n#[cfg(test)]\nmod tests {{\n    use super::*;\n\n{inner}\n}}\n"
        return Insertion(len(before), text)
    closed = masks.closing(_code("rust", before), match.end() - 1)
    if closed < 0:
        raise Refused("the module of tests that is there has no end")
    line = before.rfind("\n", 0, closed) + 1
    at = line if not before[line:closed].strip() else closed
    return Insertion(at, f"\n{inner}\n")


def _java_insertions(before: str, code: str) -> list[Insertion]:
    """The methods of the answer's class, before the last brace of the class that is there."""
    masked = _code("java", code)
    opened = masked.find(b"{")
    named = re.search(rb"\b(?:class|record)\s+\w+[^{;]*\Z", masked[: max(opened, 0)])
    inner = code[opened + 1 : masks.closing(masked, opened)] if named else code
    there = before.rstrip()
    if not there.endswith("}"):
        raise Refused("the file of tests that is there does not end with its class")
    at = before.rfind("\n", 0, len(there) - 1) + 1
    at = at if before[at : len(there) - 1].strip() == "" else len(there) - 1
    found = [Insertion(at, "\n" + inner.strip("\n").rstrip() + "\n")]
    rows = re.findall(r"(?m)^import\s[^\n]*;", code[: max(opened, 0)])
    fresh = [row for row in rows if row not in before]
    last = list(re.finditer(r"(?m)^(?:import|package)\s[^\n]*;[^\n]*\n", before))
    if fresh:
        place = last[-1].end() if last else 0
        found.append(Insertion(place, "\n".join(fresh) + "\n"))
    return found
