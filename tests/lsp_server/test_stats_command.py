# SPDX-License-Identifier: Apache-2.0
"""`ghostwright stats`: what a person and a program read, with much, little and no data."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time

import pytest

from lsp_server.cli import Failed
from lsp_server.commands import stats
from lsp_server.suggestions import confidence, kept, ledger
from lsp_server.suggestions.ledger import Key, Ledger

DAY_S = 86_400


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    return Ledger(kept.folder())


def add(book, days_ago=0, language="python", model="small", source="model", **counts):
    moment = time.time() - days_ago * DAY_S
    for what, number in counts.items():
        for _ in range(number):
            book.add(Key.of(moment, language, model, source), what)
    book.save()


def command(*words):
    parser = argparse.ArgumentParser()
    stats.add_arguments(parser)
    return stats.run(parser.parse_args(words))


def test_without_data_it_says_so(book, capsys):
    assert command() == 0
    assert capsys.readouterr().out == "Last 30 days: no suggestion was shown yet.\n"
    assert command("--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["shown"], report["accepted_share"], report["by_day"]) == (0, None, {})
    assert not kept.folder().exists(), "to ask leaves nothing behind"


def test_all_held_back_is_said(book, capsys):
    add(book, hidden=3)
    command()
    assert "no suggestion was shown yet, 3 held back as unsure" in capsys.readouterr().out


def test_what_a_program_reads(book, capsys):
    add(book, shown=8, whole=2, line=1, word=1, typed=1, rejected=2, hidden=5, kept=3, lost=1)
    add(book, days_ago=1, language="go", source="instant", shown=2, whole=2)
    add(book, days_ago=40, shown=100)
    threshold = confidence.Threshold(kept.folder())
    threshold.learn("small", accepted=True)
    threshold.save()
    assert command("--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["days"], report["shown"], report["accepted"]) == (30, 10, 6)
    assert (report["accepted_share"], report["kept_share"]) == (0.6, 0.75)
    assert (report["typed"], report["rejected"], report["hidden"]) == (1, 2, 5)
    assert report["by_language"]["go"]["accepted_share"] == 1.0
    assert list(report["by_source"]) == ["instant", "model"]
    assert len(report["by_day"]) == 2
    assert report["levels"] == {"small": threshold.level("small")}
    command("--json", "--days", "1")
    assert json.loads(capsys.readouterr().out)["shown"] == 8


def test_what_a_person_reads(book, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    add(book, shown=8, whole=2, line=1, word=1, typed=1, rejected=2, hidden=5, kept=3, lost=1)
    command()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "Last 30 days: 8 shown, 4 accepted (50%; 2 whole, 1 a line, 1 a word)",
        "  1 typed out by hand, 2 rejected, 5 held back as unsure",
        "  3 of 4 accepted ones still there after 30 s",
    ]
    assert lines[4] == "Accepted, by day"
    assert lines[8] == f"  python {'█' * 20}{' ' * 20}  50%  4 of 8"


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_bars_fit_the_terminal(book, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    add(book, model="a-model-with-a-name-that-is-longer-than-most-of-them", shown=3, whole=3)
    for days_ago in range(1, stats.CHART_DAYS + 2):
        add(book, days_ago=days_ago, shown=7, whole=1)
    command()
    out = capsys.readouterr().out
    bars = [line for line in out.splitlines() if "█" in line or " of " in line[-12:]]
    assert len(bars) > stats.CHART_DAYS
    narrowest = stats.WIDEST_NAME + stats.NARROWEST_BAR + len(stats.FIGURES) + 3
    assert max(map(len, bars)) <= max(columns, narrowest)


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0, "    "), (0.25, "█   "), (0.5, "██  "), (0.4, "█▋  "), (1, "████"), (0.01, "    ")],
)
def test_a_bar(share, bar):
    assert stats._bar(share, 4, blocks=True) == bar


def test_a_terminal_without_blocks_gets_signs(book, monkeypatch):
    add(book, shown=2, whole=1)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    command()
    stdout.flush()
    assert b"####" in stdout.buffer.getvalue()


def test_reset_forgets_counts_and_what_they_told(book, capsys):
    add(book, shown=2, whole=1)
    threshold = confidence.Threshold(kept.folder())
    threshold.learn("small", accepted=True)
    threshold.save()
    assert command("--reset") == 0
    assert "no suggestion was shown yet" in capsys.readouterr().out
    assert ledger.read(kept.folder()) == {}
    assert confidence.read(kept.folder()) == {}
    assert command("--reset") == 0, "twice is no failure"


def test_I10_a_folder_in_the_way_is_one_line(book):
    (kept.folder() / ledger.FILE).mkdir(parents=True)
    with pytest.raises(Failed, match="cannot be removed now"):
        command("--reset")


@pytest.mark.parametrize("days", ["0", "-1", "x", "401", "1.5", "٣٠٠٠"])
def test_a_bad_number_of_days_is_wrong_usage(book, days, capsys):
    with pytest.raises(SystemExit) as stopped:
        command("--days", days)
    assert stopped.value.code == 2
