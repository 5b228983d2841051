# SPDX-License-Identifier: Apache-2.0
"""P2, P5, P6, P7: a real server process on raw pipes, and the protocol object in this process."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import io
import json
import random
import socket
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsp_wire import ECHO_SERVER, INITIALIZE, Wire, frame, notification, request
from pygls.lsp.server import LanguageServer

from lsp_server.protocol import framing
from lsp_server.protocol.rpc import Protocol, lenient_converter

SHUTDOWN, EXIT = request("bye", "shutdown"), notification("exit")


@pytest.fixture
def wire(tmp_path):
    with Wire.echo(tmp_path / "log") as wire:
        yield wire


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory):
    """One process for all tests that leave it alive: starting it is the slowest part of them."""
    with Wire.echo(tmp_path_factory.mktemp("log")) as wire:
        wire.initialize()
        yield wire


@pytest.fixture
def ready(long_lived):
    """A server that has been initialised, with nothing left over from the test before."""
    long_lived.ask("fresh", "test/echo")
    yield long_lived
    assert long_lived.process.poll() is None


def error_code(reply) -> int | None:
    assert set(reply) == {"jsonrpc", "id", "result" if "result" in reply else "error"}
    if "error" not in reply:
        return None
    assert set(reply["error"]) == {"code", "message"}  # no `data`: tracebacks would be there
    return reply["error"]["code"]


# -- P7: the codes of the life cycle ----------------------------------------------------------


def test_p7_codes_before_initialize_and_after_shutdown(wire):
    assert error_code(wire.ask(1, "test/echo", {})) == -32002
    assert error_code(wire.ask(2, "shutdown")) == -32002
    wire.initialize()
    assert error_code(wire.ask(3, "initialize", INITIALIZE["params"])) == -32600
    assert wire.ask(4, "test/echo", {"a": 1})["result"] == {"a": 1}
    assert wire.ask(5, "shutdown")["result"] is None
    assert error_code(wire.ask(6, "test/echo", {})) == -32600
    assert error_code(wire.ask(7, "shutdown")) == -32600
    wire.send(EXIT)
    assert wire.wait() == 0
    assert wire.stderr() == ""


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([EXIT], 1),
        ([INITIALIZE, EXIT], 1),
        ([INITIALIZE, SHUTDOWN, EXIT], 0),
        ([INITIALIZE, request(1, "test/slow", {"seconds": 60}), SHUTDOWN, EXIT], 0),
        ([SHUTDOWN, EXIT], 1),  # refused: there was nothing to shut down
    ],
)
def test_p7_exit_codes_with_everything_in_one_write(wire, messages, code):
    wire.send(*messages)
    assert wire.wait() == code
    asked = [message["id"] for message in messages if "id" in message]
    answered = []
    while (message := wire.receive()) is not None:
        answered.append(message["id"])
    assert sorted(map(str, answered)) == sorted(map(str, asked))


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("test/echo", {"x": None}, None),
        ("test/fail", {"text": "/root/canary"}, -32603),
        ("test/notJson", {}, -32603),
        ("no/such", {}, -32601),
        ("$/no/such", {}, -32601),
        ("textDocument/hover", {}, -32601),
        ("workspace/executeCommand", None, -32602),
        ("workspace/executeCommand", {"command": "no.such"}, -32602),
        ("workspace/executeCommand", {"command": "test.add", "arguments": [1]}, -32602),
        ("workspace/executeCommand", {"command": "test.add", "arguments": [1, 2]}, None),
        ("initialize", {}, -32600),
    ],
)
def test_p7_codes_of_requests(ready, method, params, code):
    reply = ready.ask(1, method, params)
    assert error_code(reply) == code
    assert "canary" not in json.dumps(reply)


def test_p7_a_failed_initialize_may_be_repeated(wire):
    assert error_code(wire.ask(1, "initialize", {"capabilities": 3})) == -32602
    assert error_code(wire.ask(2, "initialize")) == -32602
    assert "capabilities" in wire.initialize()["result"]


def test_p7_unknown_notifications_and_fields_are_tolerated(ready):
    ready.send(
        notification("$/no/such", {"a": 1}),
        notification("no/such"),
        notification("$/cancelRequest", {"id": 99}),
        notification("$/cancelRequest", {"id": [1]}),
        notification("$/cancelRequest"),
        notification("$/setTrace", {"value": "loud"}),
        {**request(1, "test/echo", 7), "meta": {"traceparent": "x"}},
    )
    assert ready.receive() == {"jsonrpc": "2.0", "id": 1, "result": 7}


def test_p7_a_handlers_error_is_logged_once_on_one_line(wire, tmp_path):
    """Nor does the print of a library reach the client."""
    wire.initialize()
    wire.ask(1, "test/fail", "no reason")
    assert wire.ask(2, "test/print")["result"] == "printed"
    wire.send(SHUTDOWN, EXIT)
    assert wire.wait() == 0
    [line, stray] = wire.stderr().splitlines()
    assert stray == "a stray line"
    assert "test/fail failed: RuntimeError: no reason" in line
    [file] = (tmp_path / "log").iterdir()
    assert file.read_text().count("no reason") == 1
    assert "Traceback" not in file.read_text()


# -- what the client offers and is given ------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, "utf-16"),
        ([], "utf-16"),
        (["utf-16", "utf-8"], "utf-8"),
        (["utf-32", "utf-16"], "utf-16"),
        (["utf-32"], "utf-32"),
        (["utf-7"], "utf-16"),
    ],
)
async def test_position_encoding(offered, chosen):
    capabilities = {} if offered is None else {"general": {"positionEncodings": offered}}
    bench = Bench(capabilities)
    await asyncio.sleep(0.01)
    [reply] = bench.answers("init")
    assert reply["result"]["capabilities"]["positionEncoding"] == chosen
    assert bench.protocol.position_encoding == chosen


def test_edits_reach_our_own_documents(ready):
    """Not those of pygls; and a column beyond the protocol's numbers is only past the end."""
    uri = "file:///utf-16.py"
    ready.send(
        _open(uri, "👍b"),
        _change(uri, 2, [_edit(0, 2, 0, 3, "c"), _edit(0, 2**32, 9, -1, "\n")]),
    )
    assert ready.ask(2, "test/text", {"uri": uri})["result"] == "👍c\n"


def test_synchronisation_is_announced(wire):
    announced = wire.initialize()["result"]["capabilities"]
    assert announced["textDocumentSync"] == {"openClose": True, "change": 2, "save": False}
    assert announced["workspace"]["workspaceFolders"]["supported"] is True
    assert announced["executeCommandProvider"] == {"commands": ["test.add", "test.slow"]}


def _open(uri, text):
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    return notification("textDocument/didOpen", {"textDocument": item})


def _change(uri, version, changes):
    item = {"uri": uri, "version": version}
    return notification("textDocument/didChange", {"textDocument": item, "contentChanges": changes})


def _edit(line, column, end_line, end_column, text):
    start, end = ({"line": a, "character": b} for a, b in ((line, column), (end_line, end_column)))
    return {"range": {"start": start, "end": end}, "text": text}


def test_p5_a_request_sees_exactly_the_edits_before_it(ready):
    """All in one write: handlers start in the order of arrival."""
    uri = "file:///a.py"
    script = [_open(uri, "")]
    for number in range(1, 41):
        script.append(_change(uri, number + 1, [_edit(0, 2**31, 0, 2**31, "x")]))
        script.append(request(number, "test/text", {"uri": uri}))
    ready.send(*script)
    for number in range(1, 41):
        assert ready.reply(number)["result"] == "x" * number


def test_p5_a_change_that_cannot_be_read_leaves_no_wrong_text(ready):
    uri = "file:///a.py"
    ready.send(_open(uri, "abc"), _change(uri, 2, [{"range": "?", "text": "x"}]))
    assert ready.ask(1, "test/text", {"uri": uri})["result"] is None
    ready.send(_change(uri, 3, [_edit(0, 0, 0, 1, "")]))
    assert ready.ask(2, "test/text", {"uri": uri})["result"] is None
    ready.send(_change(uri, 4, [{"text": "whole"}]))
    assert ready.ask(3, "test/text", {"uri": uri})["result"] == "whole"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"result": {"deep": [1]}}, {"result": {"deep": [1]}}),
        (
            {"error": {"code": -32803, "message": "no"}},
            {"error": {"code": -32803, "message": "no"}},
        ),
        ({"error": "what"}, {"error": {"code": -32603, "message": "the client gave no reason"}}),
    ],
)
def test_questions_to_the_client(ready, answer, expected):
    ready.send(request(1, "test/askClient", {"q": 1}))
    question = ready.receive()
    assert (question["method"], question["params"]) == ("test/question", {"q": 1})
    ready.send({"jsonrpc": "2.0", "id": question["id"], **answer})
    ready.send({"jsonrpc": "2.0", "id": question["id"], "result": "a second time"})
    assert ready.reply(1) == {"jsonrpc": "2.0", "id": 1, **expected}


def test_tcp_serves_one_client(tmp_path):
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from echo_server import build\n"
        "from lsp_server.protocol import lifecycle, transport\n"
        "said = lambda host, port: print(port, flush=True)\n"
        "lifecycle.exit_now(transport.serve_tcp(build(), '127.0.0.1', 0, said))\n"
    )
    folders = [str(ECHO_SERVER.parent), str(ECHO_SERVER.parents[2])]
    command = [sys.executable, "-c", script, *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(frame(INITIALIZE) + frame(request(1, "test/echo", "é")))
            answers = framing.read_messages(client.makefile("rb"))
            assert next(answers)["id"] == "init"
            assert next(answers)["result"] == "é"
            client.sendall(frame(SHUTDOWN) + frame(EXIT))
            assert next(answers)["id"] == "bye"
        assert process.wait(10) == 0


# -- P6: framing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b"{nonsense"), -32700),
        (frame(b""), -32700),
        (frame(b"\xff\xfe{}"), -32700),
        (frame(b'{"jsonrpc":"2.0","id":1,"method":"test/echo","params":NaN}'), -32700),
        (frame(b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"test/echo"}'), -32700),
        (frame(b"[" * 100_000 + b"]" * 100_000), -32700),
        (frame(b'{"a":' * 250 + b"1" + b"}" * 250), -32700),
        (frame([request(1, "test/echo"), request(2, "test/echo")]), -32600),
        (frame([]), -32600),
        (frame(3), -32600),
        (frame({}), -32600),
        (frame({"jsonrpc": "2.0", "id": None, "method": "test/echo"}), -32600),
        (frame({"jsonrpc": "2.0", "id": 1.5, "method": "test/echo"}), -32600),
        (frame({"jsonrpc": "2.0", "id": True, "method": "test/echo"}), -32600),
        (frame({"jsonrpc": "2.0", "id": [1], "method": "test/echo"}), -32600),
        (frame({"jsonrpc": "2.0", "method": {}}), -32600),
        (frame({"jsonrpc": "2.0", "result": 1}), -32600),
    ],
)
def test_p6_bad_messages_are_answered_without_an_id_and_the_server_lives_on(ready, sent, code):
    ready.send(sent)
    reply = ready.receive()
    assert reply["id"] is None
    assert error_code(reply) == code
    assert ready.ask("probe", "test/echo", "alive")["result"] == "alive"


@pytest.mark.parametrize("msg_id", [0, -5, 2**70, "", "é\u2028"])
def test_p6_odd_ids_come_back_as_they_are(ready, msg_id):
    assert ready.ask(msg_id, "test/echo", 1)["result"] == 1


def test_p6_another_version_is_refused_under_its_id(ready):
    ready.send({"jsonrpc": "1.0", "id": 5, "method": "test/echo"})
    assert error_code(ready.reply(5)) == -32600


def test_p6_lone_surrogates_do_not_stop_the_writer(ready):
    assert ready.ask(1, "test/echo", {"half \ud83d": "\udc4d👍"})["result"] == {"half ?": "?👍"}


_ECHO = json.dumps(request(1, "test/echo", "x")).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"content-length: %d\r\n\r\n%b" % (len(_ECHO), _ECHO),
        b"CONTENT-LENGTH:%d\r\ncontent-type: application/x; charset=utf8\r\n\r\n%b"
        % (len(_ECHO), _ECHO),
        b"X-Other: 1\r\nContent-Length :  %d  \r\n\r\n%b" % (len(_ECHO), _ECHO),
        b"Content-Length: %d\n\n%b" % (len(_ECHO), _ECHO),
        b"\r\n\r\n" + frame(_ECHO),
        b"no header at all\r\n" + frame(_ECHO),
        b'the rest of a body"}' + frame(_ECHO),
        b"y" * 100_000 + b"\r\n" + frame(_ECHO),
    ],
)
def test_p6_odd_headers_are_understood(ready, sent):
    ready.send(sent)
    assert ready.reply(1)["result"] == "x"


@pytest.mark.parametrize("length", ["-1", "0x10", "ten", "", "1e3", "9" * 18, "9" * 3_000, "²"])
def test_p6_a_length_that_cannot_be_is_the_end_of_the_stream(length):
    stream = io.BytesIO(frame({"a": 1}) + f"Content-Length: {length}\r\n\r\n".encode())
    messages = framing.read_messages(stream)
    assert next(messages) == {"a": 1}
    with pytest.raises(framing.Desynchronised):
        next(messages)


@pytest.mark.parametrize("sent", [b"Content-Length: -5\r\n\r\n", b"no header\r\n" * 200_000])
def test_p6_a_stream_without_messages_ends_the_server_in_order(wire, sent):
    with contextlib.suppress(BrokenPipeError):  # it may be gone before all is written
        wire.send(sent)
    assert wire.wait() == 1
    [line] = wire.stderr().splitlines()
    assert "cannot be told apart" in line
    assert len(line) < 300


class Endless(io.RawIOBase):
    """A stream that promises more than it has room for, and counts what is read at once."""

    def __init__(self, head: bytes, zeros: int, tail: bytes) -> None:
        self.parts = [head, zeros, tail]
        self.largest = 0

    def readline(self, limit=-1):
        part = 0 if self.parts[0] else 2
        line, rest = self.parts[part].split(b"\n", 1)
        self.parts[part] = rest
        return line + b"\n"

    def read(self, size=-1):
        self.largest = max(self.largest, size)
        if self.parts[1]:
            size = min(size, self.parts[1])
            self.parts[1] -= size
            return bytes(size)
        taken, self.parts[2] = self.parts[2][:size], self.parts[2][size:]
        return taken


def test_p6_a_message_above_64_mib_is_read_over_in_small_pieces():
    length = framing.MAX_MESSAGE_BYTES + 1
    stream = Endless(b"Content-Length: %d\r\n\r\n" % length, length, frame({"next": 1}))
    messages = framing.read_messages(stream)
    assert next(messages).code == -32600
    assert next(messages) == {"next": 1}
    assert stream.largest <= 2**16


def test_p6_a_cut_stream_ends_quietly():
    whole = frame({"a": 1}) + frame({"b": 2})
    for cut in range(len(whole)):
        messages = list(framing.read_messages(io.BytesIO(whole[:cut])))
        assert messages == [{"a": 1}][: cut // (len(whole) // 2)]


def test_p6_the_deepest_json_that_is_allowed():
    def nested(depth):
        stream = io.BytesIO(frame(b"[" * depth + b"]" * depth))
        [message] = framing.read_messages(stream)
        return message

    assert isinstance(nested(framing.MAX_JSON_DEPTH), list)
    assert isinstance(nested(framing.MAX_JSON_DEPTH + 1), framing.Malformed)


def mutated(dice: random.Random) -> bytes:
    """A stream of a few good messages with something wrong in it."""
    messages = [frame(request(dice.randrange(5), "test/echo", "p" * dice.randrange(40)))]
    messages.append(frame(notification("textDocument/didOpen", {"text": "\ud800"})))
    messages.append(frame(request(dice.randrange(5), "test/slow", {"seconds": 0.01})))
    messages.append(frame(notification("$/cancelRequest", {"id": dice.randrange(5)})))
    dice.shuffle(messages)
    stream = bytearray(b"".join(messages))
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(stream))
        kind = dice.randrange(8)
        if kind == 0:
            stream[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del stream[at : at + dice.randrange(1, 30)]
        elif kind == 2:
            stream[at:at] = dice.randbytes(dice.randrange(1, 30))
        elif kind == 3:
            stream[at:at] = stream[at : at + dice.randrange(100)]
        elif kind == 4:
            stream[:] = stream.replace(b"Content-Length", b"content-length", 1)
        elif kind == 5:
            length = dice.choice([b"-1", b"0", b"00000000", b"1000000000000", b"777", b"nan"])
            stream[:] = stream.replace(b"Content-Length: ", b"Content-Length: " + length, 1)
        elif kind == 6:
            stream[at:at] = frame(
                dice.choice([b"[" * 5_000, b"{", b"[]", b"\xff", b"null", b'"\\ud800"'])
            )
        else:
            stream[:] = stream.replace(b'"id"', b'"di"', 1)
    return bytes(stream)


def survive_mutations(tmp_path, count, seed):
    """One process for as long as it lives. Returns how often streams ended in which way."""
    dice = random.Random(seed)
    ends = collections.Counter()
    wire = None
    try:
        for number in range(count):
            if wire is None:
                wire = Wire.echo(tmp_path / "log")
                wire.initialize()
            end = survive(wire, mutated(dice), f"probe {number}")
            ends[end] += 1
            if end != "alive":
                wire.__exit__()
                wire = None
    finally:
        if wire is not None:
            wire.__exit__()
    assert sum(p.stat().st_size for p in (tmp_path / "log").iterdir()) < 1_000_000
    return ends


def survive(wire, stream, name) -> str:
    """Send a stream and a probe. What must happen follows from where the headers lead."""
    sent = stream + b"\r\n" * 4_096 + frame(request(name, "test/echo", name))
    try:
        messages = list(framing.read_messages(io.BytesIO(sent)))
        end = "alive" if request(name, "test/echo", name) in messages else "waiting"
    except framing.Desynchronised:
        end = "lost"
    with contextlib.suppress(BrokenPipeError):
        wire.send(sent)
    if end == "alive":
        assert wire.reply(name)["result"] == name, stream
        return end
    if end == "waiting":  # a header promised more than came: only the end of stdin can follow
        wire.process.stdin.close()
    assert wire.wait() == 1, stream
    errors = [line for line in wire.stderr().splitlines() if "cannot be told apart" in line]
    assert len(errors) == (end == "lost"), (stream, errors)
    return end


def test_p6_mutated_streams(tmp_path):
    ends = survive_mutations(tmp_path, 70, seed=6)
    assert ends["alive"] > 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_p6_a_thousand_mutated_streams(tmp_path):
    ends = survive_mutations(tmp_path, 1_000, seed=66)
    assert ends["alive"] > 700
    assert ends["lost"] > 10 and ends["waiting"] > 10


# -- P2: cancel races -------------------------------------------------------------------------


def test_p2_a_cancelled_request_is_answered_at_once(ready):
    ready.send(request(1, "test/slow", {"seconds": 60}))
    time.sleep(0.05)
    start = time.monotonic()
    ready.send(notification("$/cancelRequest", {"id": 1}))
    assert error_code(ready.reply(1)) == -32800
    assert time.monotonic() - start < 1.0
    command = {"command": "test.slow", "arguments": []}
    ready.send(request(2, "workspace/executeCommand", command))
    ready.send(notification("$/cancelRequest", {"id": 2}))
    assert error_code(ready.reply(2)) == -32800


def test_p2_ids_as_numbers_and_texts_are_different_requests(ready):
    ready.send(request(1, "test/slow", {"seconds": 60}), request("1", "test/slow", {"seconds": 60}))
    ready.send(notification("$/cancelRequest", {"id": "1"}))
    assert error_code(ready.reply("1")) == -32800
    ready.send(request(1, "test/echo"))  # the number is still in use
    assert error_code(ready.reply(1)) == -32600
    ready.send(notification("$/cancelRequest", {"id": 1}))
    assert error_code(ready.reply(1)) == -32800


@functools.cache
def converter():
    """One for all: making it takes longer than a whole interleaving."""
    return lenient_converter()


class Bench:
    """The protocol object on this process's loop, with its messages in a list."""

    def __init__(self, capabilities=None) -> None:
        self.sent: list = []
        self.finished: list = []
        self.ended = False
        server = LanguageServer("bench", "0", protocol_cls=Protocol, converter_factory=converter)

        @server.feature("test/steps")
        async def steps(params):
            for _ in range(params["steps"]):
                await asyncio.sleep(0)
            self.finished.append(params["id"])
            return params["id"]

        @server.feature("test/stubborn")
        async def stubborn(params):
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                return "finished anyway"

        @server.feature("test/fails")
        async def fails(params):
            await asyncio.sleep(0)
            raise RuntimeError

        self.protocol = server.protocol
        self.protocol.attach(self.take, self.end)
        params = {"processId": None, "capabilities": capabilities or {}}
        self.protocol.receive(request("init", "initialize", params))

    def take(self, message: bytes) -> None:
        [value] = framing.read_messages(io.BytesIO(message))
        self.sent.append(value)

    def end(self) -> None:
        self.ended = True

    def answers(self, msg_id) -> list:
        return [m for m in self.sent if m.get("id") == msg_id]


ids = st.integers(0, 4)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("steps"), ids, st.integers(0, 4)),
        st.tuples(st.just("steps"), ids, st.integers(0, 4)),
        st.tuples(st.just("stubborn"), ids, st.just(0)),
        st.tuples(st.just("fails"), ids, st.just(0)),
        st.tuples(st.just("cancel"), ids, st.integers(1, 2)),
        st.tuples(st.just("cancel"), ids, st.integers(1, 2)),
        st.tuples(st.just("turns"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("shutdown"), st.just(0), st.just(0)),
    ),
    max_size=14,
)


async def play(script) -> None:
    bench = Bench()
    await asyncio.sleep(0)
    sent: dict[object, int] = {}  # requests under each id, refused ones included
    for kind, number, extra in script:
        if kind == "turns":
            for _ in range(number):
                await asyncio.sleep(0)
        elif kind == "cancel":
            for _ in range(extra):
                bench.protocol.receive(notification("$/cancelRequest", {"id": number}))
        elif kind == "shutdown":
            sent["bye"] = sent.get("bye", 0) + 1
            bench.protocol.receive(SHUTDOWN)
        else:
            sent[number] = sent.get(number, 0) + 1
            params = {"id": number, "steps": extra}
            bench.protocol.receive(request(number, f"test/{kind}", params))
    for number in range(5):  # what nobody cancelled must not run for ever
        bench.protocol.receive(notification("$/cancelRequest", {"id": number}))
    bench.protocol.receive(SHUTDOWN)
    sent["bye"] = sent.get("bye", 0) + 1
    for _ in range(12):
        await asyncio.sleep(0)
    assert {m["id"]: len(bench.answers(m["id"])) for m in bench.sent} == {"init": 1, **sent}
    assert bench.protocol._answering == {}
    for number in range(5):
        codes = [error_code(answer) for answer in bench.answers(number)]
        assert set(codes) <= {None, -32600, -32800, -32603}
    assert not bench.ended
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves)
def test_p2_each_id_is_answered_exactly_once(script):
    asyncio.run(play(script))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves)
def test_p2_each_id_is_answered_exactly_once_10_000(script):
    asyncio.run(play(script))


async def test_p2_cancelled_before_the_start_never_runs():
    bench = Bench()
    bench.protocol.receive(request(1, "test/steps", {"id": 1, "steps": 0}))
    bench.protocol.receive(notification("$/cancelRequest", {"id": 1}))
    for _ in range(4):
        await asyncio.sleep(0)
    assert [error_code(a) for a in bench.answers(1)] == [-32800]
    assert bench.finished == []


async def test_p2_cancelled_with_the_answer_in_flight_is_answered_once():
    bench = Bench()
    bench.protocol.receive(request(1, "test/steps", {"id": 1, "steps": 0}))
    await asyncio.sleep(0)  # the handler runs, its answer is not written yet
    assert bench.finished == [1] and bench.answers(1) == []
    bench.protocol.receive(notification("$/cancelRequest", {"id": 1}))
    for _ in range(4):
        await asyncio.sleep(0)
    assert [error_code(a) for a in bench.answers(1)] == [None]
