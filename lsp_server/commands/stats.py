# SPDX-License-Identifier: Apache-2.0
"""`ghostwright stats`: what became of suggestions on this machine, with a small chart."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from typing import TYPE_CHECKING

import filelock

from lsp_server.cli import Failed
from lsp_server.suggestions import confidence, kept, ledger, tally

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from lsp_server.suggestions.ledger import Counts

CHART_DAYS = 14  # with suggestions; more do not fit above the prompt
EIGHTHS = " ▏▎▍▌▋▊▉█"
WIDEST_BAR, NARROWEST_BAR = 40, 4
WIDEST_NAME = 28
ROWS = 8  # of a table
FIGURES = "  100 %  12345 of 12345"  # right of a bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--days, --reset, --json."""
    parser.add_argument(
        "--days", type=_days, default=tally.DAYS, metavar="N", help="the last N days"
    )
    parser.add_argument("--reset", action="store_true", help="forget all counts and what they told")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Print what is known of the last days; nothing yet is no failure."""
    if args.reset:
        _reset()
    if args.json:
        print(json.dumps(tally.of_last_days(args.days)))
    else:
        counts = tally.counts_of(args.days)
        width = shutil.get_terminal_size().columns
        print("\n".join(_lines(counts, args.days, width, blocks=_shows_blocks())))
    return 0


def _reset() -> None:
    try:
        ledger.reset(kept.folder())
        confidence.reset(kept.folder())
    except (OSError, filelock.Timeout) as error:
        raise Failed(f"the statistics cannot be removed now: {error}") from error


def _lines(counts: Counts, days: int, width: int, *, blocks: bool) -> list[str]:
    """What a person reads."""
    total = tally.total(counts.values())
    span = "Today" if days == 1 else f"Last {days} days"
    if not total["shown"]:
        hidden = f", {total['hidden']} held back as unsure" if total["hidden"] else ""
        return [f"{span}: no suggestion was shown yet{hidden}."]
    lines = [*_summary(span, total), ""]
    by_day = sorted(tally.by(counts, "day").items())[-CHART_DAYS:]
    lines += _chart("Accepted, by day", by_day, width, blocks=blocks)
    for part in ("language", "model", "source"):
        rows = sorted(tally.by(counts, part).items(), key=lambda row: (-row[1]["shown"], row[0]))
        lines += ["", *_chart(f"By {part}", rows[:ROWS], width, blocks=blocks)]
    return lines


def _summary(span: str, total: Counter[str]) -> list[str]:
    shown, accepted, looked_at = (
        total["shown"],
        tally.accepted(total),
        total["kept"] + total["lost"],
    )
    parts = f"{total['whole']} whole, {total['line']} a line, {total['word']} a word"
    by_hand, hidden = (
        f"{total['typed']} typed out by hand",
        f"{total['hidden']} held back as unsure",
    )
    others = f"{by_hand}, {total['rejected']} rejected, {hidden}"
    return [
        f"{span}: {shown} shown, {accepted} accepted ({accepted / shown:.0%}; {parts})",
        f"  {others}",
        f"  {total['kept']} of {looked_at} accepted ones still there after 30 s",
    ]


def _chart(
    title: str, rows: Sequence[tuple[str, Counter[str]]], width: int, *, blocks: bool
) -> list[str]:
    """A row of bars, as long as the share of the suggestions shown that was accepted."""
    names = min(WIDEST_NAME, max(len(name) for name, _ in rows))
    room = min(WIDEST_BAR, max(NARROWEST_BAR, width - names - len(FIGURES) - 3))
    lines = [title]
    for name, found in rows:
        accepted, shown = tally.accepted(found), found["shown"]
        share = min(1.0, accepted / shown) if shown else 0.0
        bar = _bar(share, room, blocks=blocks)
        label = name if len(name) <= names else f"{name[: names - 1]}~"
        lines.append(f"  {label:<{names}} {bar} {share:4.0%}  {accepted} of {shown}")
    return lines


def _bar(share: float, room: int, *, blocks: bool) -> str:
    if not blocks:
        return f"{'#' * round(share * room):<{room}}"
    whole, eighths = divmod(round(share * room * 8), 8)
    return f"{EIGHTHS[-1] * whole + (EIGHTHS[eighths] if eighths else ''):<{room}}"


def _shows_blocks() -> bool:
    """Whether the terminal's encoding has blocks at all."""
    try:
        EIGHTHS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _days(text: str) -> int:
    """A number of days. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= ledger.DAYS_KEPT:
        raise argparse.ArgumentTypeError(f"a number from 1 to {ledger.DAYS_KEPT}")
    return int(text)
