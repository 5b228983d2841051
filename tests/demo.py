# SPDX-License-Identifier: Apache-2.0
"""`make demo`: a real model completes real code through the real server, with the times it took."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from lsprotocol import types

from engine import catalogue, fetch
from tests.e2e.editor import Editor

STARTER = "qwen2.5-coder-0.5b"
SAMPLE = Path(__file__).with_name("sample")
FILE = "ledger/report.py"
# A function that is begun below the others; typed like a person would.
BEGUN = '''


def richest(journal: Journal) -> str:
    """The account that holds most."""
    return max(journal.accounts(), key=lambda account: '''
TYPED = "journ"


def say(text: str) -> None:
    print(text, flush=True)


def fetch_model() -> float:
    """Have the starter model in the user's cache. Returns the seconds it took."""
    started = time.monotonic()
    model = catalogue.find(STARTER)
    if fetch.locate(model) is None:
        say(f"Fetching {model.title} ({model.approx_gb:.1f} GB), once ...")
        with closing(fetch.ProgressBar()) as bar:
            fetch.fetch(model, progress=bar)
    return time.monotonic() - started


async def complete(root: Path) -> None:
    """Open the sample, ask, type on, ask again, and say what came."""
    started = time.monotonic()
    editor = Editor(root)
    await editor.start()
    status = await editor.settled()
    say(f"Server and model ready after {time.monotonic() - started:.1f} s: {status['message']}")
    await show_index(editor)
    path = root / FILE
    text = path.read_text(encoding="utf-8").rstrip("\n") + BEGUN
    uri = editor.open(path, text)
    line, column = text.count("\n"), len(BEGUN.rsplit("\n", 1)[1])
    say(f"\nAt the end of {FILE}:{BEGUN}▌\n(the model reads the file for the first time ...)")
    await show(editor, uri, line, column)
    editor.type(uri, line, column, TYPED)
    say(f"\nThe user types on: {TYPED}▌")
    await show(editor, uri, line, column + len(TYPED))
    await editor.stop()


async def show_index(editor: Editor) -> None:
    """Wait for the index, which was read beside the model, and look something up in it."""
    while not (counts := (await editor.command("ghostwright.status"))["index"])["done"]:
        await asyncio.sleep(0.1)
    found = await editor.client.workspace_symbol_async(types.WorkspaceSymbolParams("balance"))
    names = ", ".join(symbol.name for symbol in found or ())
    say(f"Indexed {counts['files']} files; `balance` finds {names}")


async def show(editor: Editor, uri: str, line: int, column: int) -> None:
    """Ask at a place and print the suggestion and what it cost."""
    asked = time.monotonic()
    text = await editor.suggest(uri, line, column, manual=True)
    answered_ms = (time.monotonic() - asked) * 1000
    facts = await editor.explain()
    say(f"Suggestion: {text or '(none: ' + facts['reason'] + ')'}")
    say(
        f"  answer after {answered_ms:.0f} ms from {facts['source']}; first token after "
        f"{facts['ttft_ms']:.0f} ms; prompt {facts['prompt_tokens']} tokens: "
        f"{facts['cached_tokens']} cached, {facts['evaluated_tokens']} evaluated; "
        f"{facts['decoded_tokens']} written"
    )
    if not text:
        sys.exit(1)


def main() -> None:
    set_up_s = fetch_model()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "ledger"
        shutil.copytree(SAMPLE, root)
        asyncio.run(complete(root))
    say(f"\nThe model took {set_up_s:.1f} s to find or fetch.")


if __name__ == "__main__":
    main()
