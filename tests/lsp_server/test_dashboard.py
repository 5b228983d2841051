# SPDX-License-Identifier: Apache-2.0
"""The dashboard without a browser: what servers tell it and when, what it gathers, who gets in."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import resources
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import cli
from lsp_server.dashboard import feed, gather, pulse
from lsp_server.dashboard.feed import Feed
from lsp_server.dashboard.gather import Gathered
from lsp_server.dashboard.server import HEADERS, PageServer
from lsp_server.indexing import Indexing
from lsp_server.session import Status
from lsp_server.suggestions import kept
from lsp_server.suggestions.last import Last

SECRET = "password = 'hunter2'"


def segment(tokens: int, role: str = "prefix") -> dict:
    return {"role": role, "path": "a.py", "start_line": 1, "end_line": 9, "tokens": tokens}


def record(text: str = "a + b", answer_ms: float = 12.5, reason: str = "", tokens=(10,)) -> dict:
    segments = [segment(each) for each in tokens]
    return {"text": text, "reason": reason, "source": "model", "answer_ms": answer_ms} | {
        "segments": segments
    }


class Desk:
    """A server's feed and a dashboard in one folder, moved on by hand."""

    def __init__(self, root) -> None:
        self.place = pulse.folder()
        self.saves = 0
        session = SimpleNamespace(
            status=Status("ready", "reads 100, writes 20 tokens/s", "small"),
            roots=(root,),
            indexing=Indexing([], ()),
            resident_tokens=lambda: 123,
        )
        self.feed = Feed(kept.folder(), session, self._save)
        self.feed._file = self.place / f"1-x{pulse.SUFFIX}"
        self.dashboard = Gathered(self.place)

    def _save(self) -> None:
        self.saves += 1

    def answer(self, *records: dict) -> None:
        async def scene():
            for each in records:
                self.feed.set(each)
            self.feed._writing.cancel()
            self.feed._writing = None

        asyncio.run(scene())

    def beat(self, *, watched: bool = True) -> dict:
        """The server tells, the dashboard looks."""
        self.feed._beat(watched=watched)
        self.dashboard.look()
        time.sleep(0.01)  # the clock of the disk goes in steps of some ms
        self.feed._beat(watched=watched)
        self.dashboard.look()
        return self.dashboard.state()

    @property
    def files(self) -> list:
        return list(self.place.glob(f"*{pulse.SUFFIX}")) if self.place.exists() else []


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "shop")


# -- signs of life ---------------------------------------------------------------------------


def test_a_file_that_was_left_over_is_no_sign_of_life(tmp_path):
    now = [0.0]
    path = tmp_path / "x"
    path.touch()
    sign = pulse.Pulse(path, clock=lambda: now[0])
    assert not sign.beats()
    os.utime(path, ns=(0, 5))  # years ago by its clock: what counts is that it changed
    assert sign.beats()
    now[0] = pulse.ALIVE_S - 0.1
    assert sign.beats()
    now[0] = pulse.ALIVE_S + 0.1
    assert not sign.beats()
    path.unlink()
    assert not sign.beats()
    path.touch()
    assert sign.beats(), "it came while we looked"


def test_what_a_killed_server_left_is_swept_unless_somebody_looks(desk):
    pulse.touch(desk.place / pulse.MARKER)
    for name in ("9-dead.json", "9-dead.new"):
        (desk.place / name).write_text(SECRET)
    pulse.sweep(desk.place)
    assert len(list(pulse.written(desk.place))) == 2
    os.utime(desk.place / pulse.MARKER, (0, 0))
    pulse.sweep(desk.place)
    assert list(pulse.written(desk.place)) == []


# -- what a server tells ---------------------------------------------------------------------


def test_nothing_is_kept_while_nobody_looks(desk):
    desk.answer(record(SECRET))
    desk.feed._beat(watched=False)
    assert not desk.place.exists()
    assert desk.beat()["answers"] == [], "what was answered before is not told later"
    assert desk.saves == 1, "counts are fresh while somebody looks"


def test_answers_reach_the_page_in_a_file_of_the_users_own(desk):
    desk.beat()
    desk.answer(record("first"), record("", reason="nothing worth showing"), record("second"))
    state = desk.beat()
    assert [answer["text"] for answer in state["answers"]] == ["second", "first"]
    assert {answer["workspace"] for answer in state["answers"]} == {"shop"}
    assert state["empty"] == [{"reason": "nothing worth showing", "times": 1}]
    assert [(s["state"], s["model"], s["resident_tokens"]) for s in state["servers"]] == [
        ("ready", "small", 123)
    ]
    if os.name != "nt":
        assert [path.stat().st_mode & 0o777 for path in desk.files] == [0o600]
        assert desk.place.stat().st_mode & 0o777 == 0o700
    assert desk.beat()["answers"] == state["answers"], "each is counted once"


def test_the_last_answer_is_remembered_as_before(desk):
    desk.answer(record("kept"))
    assert desk.feed.record["text"] == "kept"
    assert isinstance(desk.feed, Last)


def test_who_stops_looking_has_it_forgotten(desk):
    desk.beat()
    desk.answer(record(SECRET))
    assert desk.beat()["answers"]
    desk.feed._beat(watched=False)
    assert desk.files == []
    assert SECRET not in repr(vars(desk.feed)["_ring"])
    desk.dashboard.look()
    assert desk.dashboard.state()["servers"] == []


@pytest.mark.parametrize("told", [False, True], ids=["not told yet", "told"])
def test_S4_what_is_excluded_is_gone_at_once(desk, told):
    desk.beat()
    desk.answer(record(SECRET, reason=""), record("", reason=SECRET))
    if told:
        assert SECRET in json.dumps(desk.beat())
    desk.feed.forget()
    assert desk.files == []
    assert SECRET not in json.dumps(desk.beat())
    desk.answer(record("after"))
    assert [answer["text"] for answer in desk.beat()["answers"]] == ["after"]


def test_S4_is_seen_even_when_the_file_was_never_missed(desk):
    desk.beat()
    desk.answer(record(SECRET))
    desk.beat()
    desk.feed.forget()
    desk.feed._beat(watched=True)  # before the dashboard looks again
    desk.dashboard.look()
    assert SECRET not in json.dumps(desk.dashboard.state())


def test_a_session_that_ends_leaves_nothing(desk):
    desk.beat()
    desk.answer(record(SECRET))
    desk.beat()
    desk.feed.close()
    assert desk.files == []
    desk.feed._beat(watched=True)
    assert desk.files == [], "a beat that was under way brings nothing back"


def test_it_stays_small(desk):
    desk.beat()
    desk.answer(*(record("x" * 100_000, tokens=range(1, 400)) for _ in range(3 * feed.RING)))
    desk.beat()
    each = feed.MOST_TEXT_CHARS + feed.MOST_SEGMENTS * 100 + 1000
    assert desk.files[0].stat().st_size <= feed.RING * each
    assert desk.files[0].stat().st_size < kept.MAX_BYTES
    assert len(desk.dashboard.state()["answers"]) == gather.SHOWN


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from(["header", "analogy", "prefix"])),
        max_size=300,
    )
)
def test_segments_add_up_however_many(pieces):
    segments = [segment(tokens, role) for tokens, role in pieces]
    bounded = feed._bounded(segments)
    assert sum(each["tokens"] for each in bounded) == sum(each["tokens"] for each in segments)
    assert len(bounded) <= feed.MOST_SEGMENTS + 3


def test_a_key_pays_next_to_nothing(desk):
    """A millisecond is a hundredth of what a person sees as at once; this is a hundredth of it."""

    async def scene() -> float:
        took = []
        for each in [record(tokens=range(1, 30)) for _ in range(500)]:
            began = time.perf_counter()
            desk.feed.set(each)
            took.append(time.perf_counter() - began)
        desk.feed._writing.cancel()
        desk.feed._writing = None
        return statistics.median(took)

    desk.beat()
    assert desk.feed._watched
    assert asyncio.run(scene()) < 1e-5 * 5  # of a machine that does eight other things


# -- what a dashboard gathers ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff" * 50,
        b'{"head":{},"answers":[]}',
        b'{"head":null,"answers":null}',
        b'{"head":{"version":1,"forgotten":true},"answers":[]}',
    ],
)
def test_a_damaged_file_is_left_out(desk, content):
    desk.beat()
    bad = desk.place / "2-bad.json"
    for _ in range(3):
        bad.write_bytes(content)
        time.sleep(0.01)
        assert len(desk.beat()["servers"]) == 1


@pytest.mark.parametrize(
    "change", [{"n": "1"}, {"answer_ms": None}, {"text": 5}, {"segments": [5]}, {"n": True}]
)
def test_an_answer_of_another_shape_is_left_out(desk, change):
    good = {"n": 1, "at": 1.0, **record()}
    found = {"head": desk.feed._head(), "answers": [{**good, **change}, {**good, "n": 2}]}
    head, answers = gather._checked(json.loads(json.dumps(found)))
    assert head["pid"] == os.getpid()
    assert [answer["n"] for answer in answers] == [2]


@pytest.mark.parametrize(
    ("answer_ms", "bound"),
    [(0, 0), (50, 0), (50.1, 1), (100, 1), (100.1, 2), (300, 3), (2000, 6), (2000.1, 7)],
)
def test_the_histogram_counts_where_it_says(desk, answer_ms, bound):
    desk.beat()
    desk.answer(record(answer_ms=answer_ms))
    latency = desk.beat()["latency"]
    assert [at for at, count in enumerate(latency["counts"]) if count] == [bound]


def test_a_server_that_is_killed_goes_with_its_texts(desk, monkeypatch):
    desk.beat()
    desk.answer(record(SECRET))
    assert desk.beat()["answers"]
    monkeypatch.setattr(pulse, "ALIVE_S", 0.0)  # its file stays, nobody touches it
    desk.dashboard.look()
    state = desk.dashboard.state()
    assert (state["servers"], state["answers"]) == ([], [])


def test_closing_leaves_no_file(desk):
    desk.beat()
    desk.answer(record(SECRET))
    desk.beat()
    desk.dashboard.close()
    assert list(desk.place.iterdir()) == []
    assert desk.dashboard.state()["answers"] == []


# -- who gets in (S9) ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    served = PageServer(lambda: {"text": SECRET})
    served.start()
    yield served
    served.close()


def ask(page, path, method="GET", host=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    if host != "none":
        connection.putheader("Host", host or f"127.0.0.1:{page.server_port}")
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


@pytest.mark.parametrize("name", ["", "style.css", "script.js", "icon.svg", "state.json"])
def test_who_knows_the_address_sees_the_page(page, name):
    status, headers, body = ask(page, f"/{page.token}/{name}")
    assert status == 200
    assert body
    assert HEADERS.items() <= headers.items()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Server"] == "ghostwright"
    assert ask(page, f"/{page.token}/{name}", "HEAD")[::2] == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "ODD"])
@pytest.mark.parametrize(
    "path", ["/", "/state.json", "/{wrong}/state.json", "/{token}", "/{token}x/", "/x/{token}/"]
)
def test_without_the_token_everything_is_refused(page, method, path):
    wrong = page.token[:-1] + ("a" if page.token[-1] != "a" else "b")
    status, headers, body = ask(page, path.format(token=page.token, wrong=wrong), method)
    assert status == 403
    assert SECRET.encode() not in body
    assert page.token not in json.dumps(headers) + body.decode()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "none"])
def test_another_host_is_refused(page, host):
    path = f"/{page.token}/state.json"
    assert ask(page, path, host=host.format(port=page.server_port))[0] == 403
    assert ask(page, path, host=f"localhost:{page.server_port}")[0] == 200


def test_it_only_answers(page):
    assert ask(page, f"/{page.token}/state.json", "POST", body=b"{}")[0] == 501
    assert ask(page, f"/{page.token}/../state.json")[0] == 404
    assert ask(page, f"/{page.token}/feed.py")[0] == 404


def test_it_listens_on_the_loopback_only_and_says_nothing(page, capfd):
    assert page.socket.getsockname()[0] == "127.0.0.1"
    ask(page, f"/{page.token}/")
    ask(page, "/")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["page.html", "style.css", "script.js"])
def test_the_page_names_nothing_outside(name):
    text = (resources.files("lsp_server.dashboard") / name).read_text("utf-8")
    outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)
    assert set(outside) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML *=|insertAdjacentHTML|document\.write|\beval\b|style=", text)


# -- the command -----------------------------------------------------------------------------


@contextmanager
def running(*words):
    command = [sys.executable, "-m", "lsp_server", "dashboard", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, encoding="utf-8", **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="signals to a process are another thing there")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_command_serves_and_leaves_nothing(end):
    with running() as process:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", url)
        assert "Ctrl+C" in process.stdout.readline()
        assert (pulse.folder() / pulse.MARKER).exists()
        (pulse.folder() / "7-left.json").write_text(SECRET)
        process.send_signal(end)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert list(pulse.folder().iterdir()) == []


def test_a_port_that_is_taken_is_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running("--port", str(port)) as process:
            _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert err.startswith(f"ghostwright: cannot listen on port {port}: ")
    assert err.count("\n") == 1
    with pytest.raises(SystemExit) as wrong:
        cli.main(["dashboard", "--port", "70000"])
    assert wrong.value.code == 2
    assert "a number from 0 to 65535" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(capsys):
    pulse.folder().write_text("a file in its place")
    assert cli.main(["dashboard"]) == 1
    assert capsys.readouterr().err.startswith("ghostwright: nothing can be shown: ")
