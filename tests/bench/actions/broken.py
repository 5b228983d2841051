# SPDX-License-Identifier: Apache-2.0
"""Functions with a fault put into them, and what ruff says of it.

In: a repository's folder. Out: `Case`s whose text has one fault, with the diagnostic of a linter. A
name is misspelt where it is used, or the import of one is taken away: by hash, never by hand.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from lsp_server.actions.types import Diagnostic
from tests.bench.actions.functions import A_FILE, Case, candidates
from tests.bench.context.cases import hashed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from indexer.types import FileRecord, Symbol
    from tests.bench.context.sources import Repository

RULES = "F821,F841,F401,F811,F541,F632"
NAME_MIN_CHARS = 4  # of a name that is misspelt
_LINE_IMPORT = re.compile(r"^(?:import [\w.]+(?: as \w+)?|from [\w.]+ import \w+(?: as \w+)?)$")


def cases(repository: Repository, root: Path, action: str, _kind: str, count: int) -> list[Case]:
    """Up to so many functions with a fault each."""
    found: list[Case] = []
    for path, text, record, symbol, order in candidates(repository, root):
        if repository.language != "python" or len(found) >= count:
            break
        if sum(case.path == path for case in found) >= A_FILE:
            continue
        fault = _without_import if order % 2 else _misspelt
        changed = fault(text, record, symbol, order)
        new = _new(path, text, changed) if changed else []
        if len(new) == 1:  # one fault, one diagnostic
            line = changed.encode()[: new[0].start].count(b"\n") + 1
            found.append(Case(action, root, path, line, symbol.name, changed, order, tuple(new)))
    return found


def _misspelt(text: str, record: FileRecord, symbol: Symbol, order: int) -> str:
    """One use of a name in the function with two letters swapped."""
    data = text.encode()
    uses = [
        use
        for use in record.references
        if symbol.start <= use.start < symbol.end
        and not use.receiver
        and len(use.name) >= NAME_MIN_CHARS
        and data[use.start : use.start + len(use.name)] == use.name.encode()
    ]
    if not uses:
        return ""
    use = uses[hashed(str(order)) % len(uses)]
    middle = len(use.name) // 2
    wrong = (
        use.name[: middle - 1] + use.name[middle] + use.name[middle - 1] + use.name[middle + 1 :]
    )
    end = use.start + len(use.name)
    return (data[: use.start] + wrong.encode() + data[end:]).decode() if wrong != use.name else ""


def _without_import(text: str, record: FileRecord, symbol: Symbol, order: int) -> str:
    """The file without an import that the function uses and nothing else does."""
    lines = text.split("\n")
    used = {use.receiver.split(".")[0] or use.name for use in record.references}
    inside = {
        use.receiver.split(".")[0] or use.name
        for use in record.references
        if symbol.start <= use.start < symbol.end
    }
    outside = {
        use.receiver.split(".")[0] or use.name
        for use in record.references
        if not symbol.start <= use.start < symbol.end
    }
    rows = sorted(
        {
            row.line
            for row in record.imports
            if row.alias in (inside & used) - outside
            and _LINE_IMPORT.match(lines[row.line - 1].strip())
            and not lines[row.line - 1][:1].isspace()
        }
    )
    if not rows:
        return ""
    gone = rows[hashed(str(order)) % len(rows)]
    return "\n".join(lines[: gone - 1] + lines[gone:])


def _new(path: str, before: str, after: str) -> list[Diagnostic]:
    known = {(each.code, each.message) for each in lint(path, before)}
    return [each for each in lint(path, after) if (each.code, each.message) not in known][:2]


def said(path: str, text: str, of: Sequence[Diagnostic]) -> bool:
    """Whether the linter still says one of these of a text."""
    messages = {(each.code, each.message) for each in of}
    return any((each.code, each.message) in messages for each in lint(path, text))


def lint(path: str, text: str) -> list[Diagnostic]:
    """What ruff says of a text, whatever the repository has set."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", RULES]
    command += ["--output-format", "json", "--no-cache", "--stdin-filename", path, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)

    def offset(place: dict[str, int]) -> int:
        row, column = place["row"] - 1, place["column"] - 1
        return starts[row] + len(lines[row][:column].encode())

    return [
        Diagnostic(
            offset(each["location"]),
            offset(each["end_location"]),
            each["message"],
            "ruff",
            each["code"] or "",
            "error",
        )
        for each in json.loads(done.stdout or "[]")
    ]
