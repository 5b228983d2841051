# SPDX-License-Identifier: Apache-2.0
"""S11: a log that stays small and holds none of the user's text."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from lsp_server import log

SOURCE = "def secret_algorithm(tenant, ledger):\n    return tenant.balance - ledger.total  # canary"


@pytest.fixture
def folder(tmp_path):
    """A log folder; the global state of logging is put back afterwards."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", *log.OURS, *log.SILENCED)}
    yield tmp_path / "log"
    log.close()
    for name in log.SILENCED:
        logging.getLogger(name).propagate = True
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    assert not [h for h in root.handlers if isinstance(h, log._File | log._Stderr)]


def written(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in folder.iterdir())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def flood(records: int, distinct: int) -> None:
    """So many errors, coming from so many places, past pytest's own handler, which keeps all."""
    logger = logging.getLogger("lsp_server.flood")
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h, log._File)]
    for number in range(records):
        place = number % distinct
        record = logger.makeRecord(
            logger.name, logging.ERROR, "f.py", place, "error %d at %s", (number, "x" * 300), None
        )
        handler.handle(record)


def test_lines_go_to_the_file_and_warnings_to_stderr_and_nothing_to_stdout(folder, capfd):
    path = log.set_up(folder, "info")
    logging.getLogger("lsp_server.x").info("started %s", "well")
    logging.getLogger("engine.y").warning("slow disk")
    logging.getLogger("indexer.z").debug("not at this level")
    log.close()
    lines = path.read_text("utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "info lsp_server.x: started well",
        "warning engine.y: slow disk",
    ]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [lines[1]]


def test_the_level_can_change_later(folder):
    log.set_up(folder, "warning", stderr=False)
    logging.getLogger("engine").debug("first")
    log.set_level("debug")
    logging.getLogger("engine").debug("second")
    logging.getLogger("some.library").info("third")
    log.close()
    assert "first" not in written(folder)
    assert "second" in written(folder)
    assert "third" not in written(folder)


def test_setting_up_twice_writes_once(folder):
    log.set_up(folder, stderr=False)
    log.set_up(folder, stderr=False)
    logging.getLogger("engine").info("once")
    log.close()
    assert written(folder).count("once") == 1


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_s11_protocol_libraries_write_nothing_at_any_level(folder, level):
    """Their lines hold whole messages: `Failed to handle request %s %s %s`, `Sending data: %s`."""
    log.set_up(folder, level)
    for name in ("pygls", "pygls.protocol.json_rpc", "pygls.server", "lsprotocol.x"):
        logger = logging.getLogger(name)
        for number in (logging.DEBUG, logging.ERROR, logging.CRITICAL):
            logger.log(number, "canary %s", SOURCE)
    eager = logging.getLogger("pygls.client")
    eager.setLevel(logging.DEBUG)
    eager.error("canary")
    eager.setLevel(logging.NOTSET)
    log.close()
    assert written(folder) == ""


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("got %r", (SOURCE,)),
        ("got %s", ({"text": SOURCE},)),
        ("got %s", (f"'{SOURCE}",)),
        ("first line\n%s", (SOURCE,)),
        ("long %s", ("x" * 5_000 + SOURCE,)),
        ("%s", (f'"{SOURCE * 200}',)),
    ],
)
def test_s11_no_source_text_in_the_log(folder, message, arguments):
    log.set_up(folder, stderr=False)
    logging.getLogger("lsp_server").error(message, *arguments)
    log.close()
    text = written(folder)
    assert text.count("\n") == 1
    assert "canary" not in text
    assert len(text) < log.MAX_LINE_CHARS + 60


def test_s11_an_exception_is_one_line_without_text_or_home(folder):
    log.set_up(folder, stderr=False)
    try:
        raise ValueError(  # noqa: TRY301  the traceback is the point
            f"bad {SOURCE!r} in {Path.home() / 'project' / 'a.py'}"
        )
    except ValueError:
        logging.getLogger("lsp_server").exception("it failed")
    log.close()
    text = written(folder)
    assert text.count("\n") == 1
    assert "it failed: ValueError: bad '<" in text
    assert "characters>' in ~/project/a.py (test_log.py:" in text.replace("\\", "/")
    assert str(Path.home()) not in text


def test_home_is_replaced_only_as_a_whole_name(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    assert log.redact("in /home/ann/x and /home/annabel/x") == "in ~/x and /home/annabel/x"
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert log.redact("in /etc/x") == "in /etc/x"


def test_control_characters_cannot_forge_lines():
    assert log.redact("a\x1b[31mb\x07\u202e") == "a [31mb  "
    assert log.redact("a\nfake error line") == "a <1 more lines>"


def test_redacting_hostile_text_takes_no_time():
    """The search for quotations must not become quadratic on long runs of quotes."""
    for text in ("'\\" * 100_000, "\\'" * 1_999, "'\"`" * 1_300):
        assert len(log.redact(text)) <= log.MAX_LINE_CHARS


def test_s11_repeats_are_counted_not_written(folder):
    log.set_up(folder, stderr=False)
    clock = [0.0]
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h, log._File)]
    handler.filters[:] = [log._Repeats(lambda: clock[0])]

    def complain(times):
        for number in range(times):
            logging.getLogger("engine").error("again %d", number)

    complain(1_000)
    clock[0] = log.WINDOW_S
    complain(1)
    log.close()
    lines = written(folder).splitlines()
    assert len(lines) == log.BURST + 1
    assert lines[-1].endswith(f"again 0 ({1_000 - log.BURST} more like this were not written)")


def test_s11_errors_from_everywhere_stay_below_the_cap(folder):
    log.set_up(folder, stderr=False)
    flood(20_000, distinct=20_000)  # 7 MB, were there no cap
    log.close()
    assert log.MAX_FILE_BYTES < size(folder) <= 2 * log.MAX_FILE_BYTES
    assert "error 19999 at" in written(folder)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("distinct", [1, 1_000_000])
def test_s11_a_million_errors(folder, distinct):
    log.set_up(folder, stderr=False)
    flood(1_000_000, distinct)
    log.close()
    assert size(folder) <= 2 * log.MAX_FILE_BYTES < 20_000_000 / log.MAX_PROCESSES


def test_s11_logs_of_earlier_processes_are_thrown_away(folder):
    folder.mkdir()
    for number in range(30):
        (folder / f"server-{number}.log").write_text("old")
        (folder / f"server-{number}.log.1").write_text("older")
    (folder / "mine.txt").write_text("not a log")
    log.set_up(folder, stderr=False)
    logging.getLogger("engine").info("new")
    log.close()
    assert len(list(folder.glob("server-*.log"))) == log.MAX_PROCESSES
    assert len(list(folder.glob("server-*.log.1"))) == log.MAX_PROCESSES - 1
    assert (folder / "mine.txt").exists()
    assert 2 * log.MAX_PROCESSES * log.MAX_FILE_BYTES <= 20_000_000


def test_a_folder_that_cannot_be_made_leaves_stderr(tmp_path, folder, capfd):
    (tmp_path / "file").write_text("in the way")
    assert log.set_up(tmp_path / "file" / "log") is None
    logging.getLogger("engine").error("still said")
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split(": ", 1)[1] for line in err.splitlines()] == [
        "no log file: Not a directory",
        "still said",
    ]


def test_a_log_that_cannot_be_written_stops_nothing(folder, capfd):
    """A full disk shows as OSError in the handler; logging must neither raise nor print."""
    log.set_up(folder, stderr=False)
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h, log._File)]
    handler.stream.close()
    logging.getLogger("engine").error("lost")
    assert capfd.readouterr() == ("", "")
