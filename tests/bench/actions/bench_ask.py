# SPDX-License-Identifier: Apache-2.0
"""Whether answers cite what exists, and whether the function at fault in a trace is named.

    python -m tests.bench.actions.bench_ask --model qwen2.5-coder-1.5b --minutes 60

Twenty questions about a real package, and ten traces of mistakes that were put into copies of it
(`ask_cases`). Citations are judged by the files themselves, in what the model wrote and in what was
shown of it, not by the code that is measured. Every answer is kept under its prompt and its model:
a stopped run goes on with the same command.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import builtins
import hashlib
import itertools
import json
import keyword
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine import load
from engine.types import Completion, Usage
from lsp_server.actions.ask import ask
from lsp_server.commands.workplace import session_on, with_model
from lsp_server.documents import from_text
from tests.bench.actions.ask_cases import ARCHIVE, FOLDER, MISTAKES, QUESTIONS, SOURCES
from tests.bench.data import bench_dir, unpacked
from tests.bench.report import Figure, percentile, say

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.types import Engine, EngineInfo, Piece, Prompt, Sampling, Slot
    from lsp_server.actions.ask import Answer

CONTEXT_TOKENS = 8192
READ_TOKENS = 2000  # of pieces: what a slow machine reads in a minute
READ_S = 60.0  # as in actions/ask.py: with it, a speed gives as many tokens on every machine
_CODE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"(?<![\w/.])((?:[\w-]+/)*[\w-]+\.(?:py|md|rst|toml|cfg|txt))\b(?::(\d+))?")
_NAME = re.compile(r"`(?:\w+\.)*(\w+)(?:\(\))?`")
_LIKE_CODE = re.compile(r"[^\W_]_+[^\W_]|[a-z\d][A-Z]|^[A-Z][a-z]\w+$")


@dataclass(frozen=True, slots=True)
class Case:
    """A question or a trace on a repository; `wrong_line` of `wrong_file` holds the mistake."""

    name: str
    root: Path
    text: str
    place: tuple[Path, int] | None = None
    trace: str = ""
    wrong_file: str = ""
    wrong_line: int = 0


class Remembering:
    """An engine that writes each answer once. Says always the same speed: prompts stay the same."""

    def __init__(self, engine: Engine, place: Path, read_tokens: int) -> None:
        self._engine, self._place, self._read_tokens = engine, place, read_tokens
        self.row: dict[str, Any] = {}  # the last answer
        place.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict[str, Any]] = {}
        for line in place.read_text("utf-8").splitlines() if place.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:  # a run was killed while it wrote this
                continue
            self._known[row["prompt"]] = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def info(self) -> EngineInfo:
        return replace(self._engine.info, prefill_per_s=self._read_tokens / READ_S)

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot,
    ) -> Completion:
        digest = hashlib.sha256(f"{sampling} {prompt.token_ids}".encode()).hexdigest()[:24]
        row = self._known.get(digest)
        if row is None:
            started = time.perf_counter()
            done = self._engine.complete(prompt, sampling, cancel, listener, slot)
            row = {
                "prompt": digest,
                "text": done.text,
                "stopped_by": done.stopped_by,
                "prompt_tokens": done.usage.prompt_tokens,
                "evaluated_tokens": done.usage.evaluated_tokens,
                "decoded_tokens": done.usage.decoded_tokens,
                "seconds": round(time.perf_counter() - started, 1),
            }
            self._known[digest] = row
            with self._place.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(row))  # a line that was cut short stays alone
        else:
            listener(row["text"])
        self.row = row
        usage = Usage(row["prompt_tokens"], 0, row["evaluated_tokens"], row["decoded_tokens"])
        return Completion(row["text"], row["stopped_by"], usage)

    def close(self) -> None:
        """Each case has a session of its own; the engine outlives them."""


class Judge:
    """What a text cites, judged by the files of a repository."""

    def __init__(self, root: Path) -> None:
        self._lines: dict[str, int] = {}
        self._words: set[str] = set(dir(builtins)) | set(keyword.kwlist) | sys.stdlib_module_names
        for path in root.rglob("*"):
            if path.is_file() and path.suffix in {".py", ".md", ".rst", ".toml", ".cfg", ".txt"}:
                text = path.read_text("utf-8", errors="replace")
                self._lines["/" + path.relative_to(root).as_posix()] = text.count("\n") + 1
                self._words.update(re.findall(r"\w+", text))

    def counts(self, text: str) -> Counter[bool]:
        """How many distinct citations exist, and how many do not. Code is left out."""
        text = _CODE.sub("", text)
        paths = {match.groups() for match in _PATH.finditer(text)}
        names = {name for name in _NAME.findall(text) if _LIKE_CODE.search(name)}
        found = Counter(self._is_place(path, int(line or 0)) for path, line in paths)
        found.update(name in self._words for name in names)
        return found

    def _is_place(self, path: str, line: int) -> bool:
        return any(
            each.endswith("/" + path) and line <= lines for each, lines in self._lines.items()
        )


def cases() -> Iterator[Case]:
    """Two questions and a trace in turn: any beginning of a run is a fair sample."""
    asked, failed = _questions(), _failures()
    for trace in failed:
        yield from (each for each in (next(asked, None), next(asked, None)) if each)
        yield trace


def _questions() -> Iterator[Case]:
    root = _copy("questions")
    for number, (text, path, anchor) in enumerate(QUESTIONS, 1):
        place = None
        if anchor:
            file = root / SOURCES / path
            before = file.read_text("utf-8").partition(anchor)[0]
            place = file, before.count("\n") + 1
        yield Case(f"question {number}", root, text, place)


def _failures() -> Iterator[Case]:
    for number, mistake in enumerate(MISTAKES, 1):
        root = _copy(f"mistake-{number}")
        file = root / SOURCES / mistake.file
        before, found, behind = (
            (unpacked(ARCHIVE) / FOLDER / SOURCES / mistake.file)
            .read_text("utf-8")
            .partition(mistake.right)
        )
        assert found, f"{mistake.file} is another one"
        file.write_text(before + mistake.wrong + behind, "utf-8")
        pairs = zip(mistake.right.split("\n"), mistake.wrong.split("\n"), strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        line = before.count("\n") + same + 1
        trace = _run(root, mistake.script)
        yield Case(f"trace {number}", root, "", None, trace, f"{SOURCES}/{mistake.file}", line)


def _copy(name: str) -> Path:
    """A copy of the package at a place that is always the same: it is in prompts."""
    place = bench_dir() / "ask" / name / FOLDER
    if not place.exists():
        part = place.with_name("part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(unpacked(ARCHIVE) / FOLDER, part)
        part.rename(place)
    return place


def _run(root: Path, script: str) -> str:
    """What the interpreter prints when the script fails."""
    place = root.parent / "run.py"
    place.write_text(script, "utf-8")
    sources = str((root / SOURCES).parent)
    environment = {**os.environ, "PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(place)], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr, f"{root}: it did not fail"
    return done.stderr


def is_named(answer: Answer, case: Case) -> bool:
    """Whether the function at fault is the one that holds the mistake."""
    if answer.faulty is None or answer.faulty.path != case.wrong_file:
        return False
    tree = ast.parse((case.root / case.wrong_file).read_text("utf-8"))
    return _function(tree, answer.faulty.line) is _function(tree, case.wrong_line)


def _function(tree: ast.Module, line: int) -> ast.AST | None:
    """The innermost function around a line."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


async def _answer(case: Case, engine: Engine) -> Answer:
    with session_on(case.root) as session:
        await with_model(session, lambda: engine)
        if case.place is None:
            return await ask(case.text, session, trace=case.trace)
        file, line = case.place
        document = from_text(file.as_uri(), file.read_text("utf-8"))
        return await ask(case.text, session, document=document, line=line)


def _measured(case: Case, engine: Remembering) -> dict[str, Any]:
    answer = asyncio.run(_answer(case, engine))
    judge = Judge(case.root)
    before, after = judge.counts(engine.row["text"]), judge.counts(answer.answer)
    named = is_named(answer, case) if case.trace else None
    row = {
        "case": case.name,
        "before": dict(before),
        "after": dict(after),
        "struck": answer.struck,
        "named": named,
        "seconds": engine.row["seconds"],
        "read": engine.row["prompt_tokens"],
        "written": engine.row["decoded_tokens"],
    }
    told = f"{answer.answer}\n--- {row}\n"
    print(f"=== {case.name}: {case.text or case.trace.splitlines()[-1]}\n{told}", file=sys.stderr)
    return row


def _say(rows: list[dict[str, Any]], model: str) -> None:
    data = f"click 8.1.8, {len(rows)} cases, {model}"
    for when, aim in (("before", None), ("after", 100.0)):
        good = sum(row[when].get(True, 0) for row in rows)
        every = good + sum(row[when].get(False, 0) for row in rows)
        share = 100 * good / every if every else None
        what = f"citations that exist, {when} the check"
        say(Figure(what, data, share, "%", aim, at_least=True, note=f"{good} of {every}"))
    named = [row["named"] for row in rows if row["named"] is not None]
    if named:
        share, note = 100 * sum(named) / len(named), f"{sum(named)} of {len(named)}"
        say(Figure("traces whose faulty function is named", data, share, "%", note=note))
    seconds = [row["seconds"] for row in rows]
    note = f"median; p95 {percentile(seconds, 0.95):.0f} s"
    say(Figure("an answer takes", data, statistics.median(seconds), "s", note=note))
    for what in ("read", "written"):
        say(Figure(f"tokens {what}", data, statistics.median(row[what] for row in rows)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_ask", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", help="of the catalogue, or a file")
    parser.add_argument("--cases", type=int, default=len(QUESTIONS) + len(MISTAKES))
    parser.add_argument("--minutes", type=float, default=1e6, help="ask no more after so long")
    parser.add_argument("--read", type=int, default=READ_TOKENS, help="tokens of pieces, at most")
    options = parser.parse_args()
    is_file = options.model.endswith(".gguf")
    choice = load.choose("" if is_file else options.model, options.model if is_file else "")
    engine = load.load(choice, most_tokens=CONTEXT_TOKENS, gpu_layers=0, kv_type="f16")
    place = bench_dir() / "ask" / f"answers-{choice.path.stem}.jsonl"
    ends = time.monotonic() + options.minutes * 60
    rows: list[dict[str, Any]] = []
    try:
        remembering = Remembering(engine, place, options.read)
        for number, case in enumerate(cases()):
            if number >= options.cases or time.monotonic() > ends:
                print(f"stopped after {number} cases; the same command goes on", file=sys.stderr)
                break
            rows.append(_measured(case, remembering))
    finally:
        engine.close()
    _say(rows, engine.info.model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
