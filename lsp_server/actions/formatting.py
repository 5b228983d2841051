# SPDX-License-Identifier: Apache-2.0
"""The project's own formatter over a changed text.

In: a change, the formatter that `toolchain` has found. Out: the formatted text, or None. It is run
over standard input, in an empty folder with nothing but its configuration files.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lsp_server.actions import sandbox, scratch_copy, toolchain
from lsp_server.actions.differences import hunks
from lsp_server.actions.text_form import BOM, lines

if TYPE_CHECKING:
    from pathlib import Path

    from indexer.policy import Policy
    from lsp_server.actions.toolchain import Formatter
    from lsp_server.actions.types import FileChange

TIMEOUT_S = 20.0


async def formatted(
    text: str, formatter: Formatter, root: Path, policy: Policy, behind: sandbox.Walls
) -> str | None:
    """The text as its formatter has it; None where that does not take it, or is too slow."""
    crlf = "\r\n" in text
    plain = text.removeprefix(BOM).replace("\r\n", "\n")
    async with scratch_copy.folder() as place:
        work, home = place / "work", place / "home"
        work.mkdir()
        home.mkdir()
        read = toolchain.reader(root, policy)
        for name in formatter.configs:
            if config := await asyncio.to_thread(read, name):
                (work / name).write_text(config, encoding="utf-8")
        ran = await sandbox.run(
            formatter.command,
            root if formatter.needs_root else work,
            timeout_s=TIMEOUT_S,
            home=home,
            behind=behind,
            stdin=plain.encode(),
        )
    if ran.code or ran.stopped or (plain.strip() and not ran.output.strip()):
        return None
    done = ran.output.replace("\r\n", "\n")
    return (BOM if text.startswith(BOM) else "") + (done.replace("\n", "\r\n") if crlf else done)


def only_ours(change: FileChange, done: str) -> bool:
    """Whether formatting touches no line but those that the change has written, or next to them."""
    before, after = lines(change.before or ""), lines(change.after)
    ours = [(h.new_start - 1, h.new_end + 1) for h in hunks(before, after)]
    return all(
        any(first <= hunk.start and hunk.end <= last for first, last in ours)
        for hunk in hunks(after, lines(done))
    )
