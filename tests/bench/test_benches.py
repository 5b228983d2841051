# SPDX-License-Identifier: Apache-2.0
"""The benches' own machinery: a figure must not be able to say what was not measured."""

import io
import sys
import tarfile
import textwrap
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest

from tests.bench import data, run
from tests.bench.plot import Panel, chart
from tests.bench.report import Figure, heard, number, percentile, row, say

VERDICTS = [
    (Figure("x", "", 0.85, aim=0.85), "PASS"),
    (Figure("x", "", 0.86, aim=0.85), "MISS"),
    (Figure("x", "", 15_024, aim=15_024, at_least=True), "PASS"),
    (Figure("x", "", 15_023, aim=15_024, at_least=True), "MISS"),
    (Figure("x", "", 1.0), ""),
    (Figure("x", "", None, aim=1.0), ""),
]


@pytest.mark.parametrize(("figure", "verdict"), VERDICTS)
def test_a_verdict_is_the_comparison_with_the_aim(figure, verdict, capsys):
    assert figure.verdict == verdict
    say(figure)
    assert heard(capsys.readouterr().out) == figure


@pytest.mark.parametrize("line", ["", "tiers: 3", "[1]", "3", '{"bench": "edit"}', "{"])
def test_other_output_is_no_figure(line):
    assert heard(line) is None


def test_rows_have_the_columns_of_the_head():
    text = row(Figure("a|b", "c", 1234.5, "ms", 1000, note="n"))
    assert text == "| a/b | c | 1,234 ms | at most 1,000 | MISS | n |"
    assert "not measured" in row(Figure("a", "b", None, note="why"))


def test_numbers_keep_three_digits_and_percentiles_are_values():
    assert [number(v) for v in (0.0123456, 4.104, 97, 15_024, 0.0)] == [
        "0.0123", "4.1", "97", "15,024", "0",
    ]  # fmt: skip
    assert percentile([3, 1, 2], 0.5) == 2 == percentile([2], 0.95)


def test_a_plot_is_whole_and_shows_every_value():
    panel = Panel("cold <index>", "s", ((1_000, 1.5), (50_000, 30.25)), aim=20)
    root = ET.fromstring(chart([panel, Panel("none", "ms", ((1_000, 0.0),))], "files"))
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"cold <index>", "1.5", "30.2", "1k", "50k", "aim 20", "files"} <= words
    heights = [float(dot.get("cy")) for dot in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert heights[1] < heights[0], "more is higher"


def bench(tmp_path, monkeypatch, text, seconds=60.0):
    """The figures of a bench with this text."""
    (tmp_path / "one_bench.py").write_text(textwrap.dedent(text), "utf-8")
    monkeypatch.setattr(run, "PACKAGE", "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return list(run.run(run.Bench("index", "one_bench"), [], seconds))


def test_what_a_bench_says_is_gathered_and_a_failure_is_a_row(tmp_path, monkeypatch):
    (good, bad) = bench(
        tmp_path,
        monkeypatch,
        """
        print("talk")
        print('{"what": "w", "data": "d", "value": 1.0, "verdict": ""}', flush=True)
        raise OSError("the disk is full")
        """,
    )
    assert good == Figure("w", "d", 1.0)
    assert bad.value is None and "ended with 1: OSError: the disk is full" in bad.note


def test_a_bench_that_takes_too_long_is_ended_with_its_children(tmp_path, monkeypatch):
    text = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
        time.sleep(600)
        """
    (late,) = bench(tmp_path, monkeypatch, text, seconds=3.0)
    assert "the time was over" in late.note
    pid, until = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_every_bench_is_there():
    for one in run.BENCHES:
        place = Path(run.__file__).parent / f"{one.module.replace('.', '/')}.py"
        assert place.is_file(), one.module


def test_S3_an_archive_cannot_write_outside_of_its_folder(tmp_path):
    packed = tmp_path / "bad.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        member = tarfile.TarInfo("../outside")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "in").mkdir()
    with pytest.raises(tarfile.OutsideDestinationError):
        data._unpack(packed, tmp_path / "in")
    assert not (tmp_path / "outside").exists()


def test_L3_an_archive_of_another_hash_is_refused_and_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    command = [sys.executable, "-c", "open('x.tar.gz', 'w').write('x')"]
    monkeypatch.setattr(data, "_client", lambda *_: (command, {}))
    archive = data.Archive("pypi", "x", "1", "0" * 64)
    with pytest.raises(data.Unavailable, match="not what is pinned"):
        data.unpacked(archive)
    left = [p.name for p in (tmp_path / "bench" / "archives").iterdir() if p.suffix != ".lock"]
    assert left == []
