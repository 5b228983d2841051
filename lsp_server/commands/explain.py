# SPDX-License-Identifier: Apache-2.0
"""`ghostwright explain`: why the last suggestion was what it was, or why there was none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lsp_server.cli import Failed
from lsp_server.suggestions import kept, last

if TYPE_CHECKING:
    import argparse

WIDEST_PATH = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--last is what it does anyway; --json."""
    parser.add_argument(
        "--last", action="store_true", help="the last answer in any editor (default)"
    )
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Print the record of the last answer; none yet is a failure with a reason."""
    record = last.read(kept.folder())
    if not record:
        raise Failed("no suggestion was asked for yet; type in an editor that uses Ghostwright")
    print(json.dumps(record) if args.json else "\n".join(in_words(record)))
    return 0


def in_words(record: dict[str, Any]) -> list[str]:
    """A record for people. Whatever is missing in it is left out: another version wrote it."""
    text = str(record.get("text", ""))
    shown = f"Shown ({record.get('source', '')}):" if record.get("shown") else "Nothing was shown:"
    lines = [f"{shown} {text or record.get('reason', '')}"]
    if (sure := record.get("confidence")) is not None:
        lines.append(f"Log-probability of the first line: {sure:.1f}")
    if rules := record.get("rules"):
        lines.append(f"Rules that changed the text: {', '.join(map(str, rules))}")
    read, cached = record.get("prompt_tokens", 0), record.get("cached_tokens", 0)
    if read:
        lines.append(
            f"Read {read - cached} of {read} tokens ({cached / read:.0%} was resident), wrote "
            f"{record.get('decoded_tokens', 0)}; first token after {record.get('ttft_ms', 0):.0f} "
            f"ms, answered after {record.get('answer_ms', 0):.0f} ms"
        )
    segments = [each for each in record.get("segments", ()) if isinstance(each, dict)]
    return lines + ([""] + [_row(each) for each in segments] if segments else [])


def _row(segment: dict[str, Any]) -> str:
    """A stratum of the prompt: tokens, role, place, why."""
    where = str(segment.get("path", ""))
    if segment.get("start_line"):
        where += f":{segment['start_line']}-{segment.get('end_line', '')}"
    where = where if len(where) <= WIDEST_PATH else f"…{where[1 - WIDEST_PATH :]}"
    role, why = segment.get("role", ""), segment.get("why", "")
    return f"{segment.get('tokens', 0):6} {role:10} {where:{WIDEST_PATH}} {why}".rstrip()
