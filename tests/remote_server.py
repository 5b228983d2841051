# SPDX-License-Identifier: Apache-2.0
"""A local server that speaks as vLLM, SGLang, llama-server or a plain OpenAI-compatible one do.

In: pieces to answer with, faults on demand. Out: HTTP on loopback, real sockets. Its tokeniser has
bytes and Qwen's special tokens; as Hugging Face's do, it makes special tokens of their names in any
text, but for llama-server, which can be told not to. It remembers the last prompt, as a cache.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
)
FIRST_SPECIAL = 256
OWNERS = {"llama-server": "llamacpp", "vLLM": "vllm", "SGLang": "sglang", "OpenAI-compatible": "x"}
CLOSED_LOOK_S = 0.01


@dataclass
class Faults:
    """What goes wrong with completions, and only with them where nothing else is said."""

    statuses: list[int] = field(default_factory=list)  # of the next answers, one each
    retry_after: str = ""
    body: bytes | None = None  # sent in place of every answer, as HTML
    first_s: float = 0.0  # before the first event
    each_s: float = 0.0  # before each further one
    cut_after: int = -1  # events, then the connection is closed
    events: list[bytes] | None = None  # sent as they are, in place of the answer's
    endless: bytes = b""  # sent again and again
    drop: bool = False  # each connection is closed without a word, whatever was asked
    redirect: str = ""
    wrong_count: int = 0  # added to prompt_tokens
    hide_cached: bool = False
    no_tokenizer: bool = False
    no_raw: bool = False
    echo_key: bool = False  # in the error of a wrong key


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that close in mid-answer are what is tested."""


class RemoteServer:
    """Use as a context manager. `asked` holds (path, JSON) of all requests that came."""

    def __init__(
        self,
        kind: str,
        pieces: tuple[str, ...] = (" a", " + b"),
        key: str = "",
        certificate: Path | None = None,
    ) -> None:
        """`certificate`: with its key, for https."""
        self.kind = kind
        self.certificate = certificate
        self.pieces = pieces
        self.key = key
        self.model = "Qwen/Qwen2.5-Coder-7B-Instruct"
        self.context = 4096
        self.faults = Faults()
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closed: list[float] = []  # when a client was seen to have gone
        self.cache: list[int] = []
        self.port = 0
        self.connections: set[socket.socket] = set()
        self._server: _Quiet | None = None

    @property
    def url(self) -> str:
        return f"http{'s' * bool(self.certificate)}://127.0.0.1:{self.port}"

    @property
    def prompts(self) -> list[Any]:
        """What was sent to be completed, the probes at the start aside."""
        found = [body for path, body in self.asked if "completion" in path]
        return [body.get("prompt", body.get("messages")) for body in found]

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"remote": self})
        self._server = _Quiet(("127.0.0.1", self.port), handler)
        self.port = int(self._server.server_address[1])
        if self.certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None
            for connection in list(self.connections):  # as when the process ends
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> RemoteServer:  # noqa: PYI034  typing.Self needs Python 3.11
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def ids_of(text: str, *, parse_special: bool) -> list[int]:
    found: list[int] = []
    pattern = "|".join(map(re.escape, SPECIALS))
    for piece in re.split(f"({pattern})", text) if parse_special else [text]:
        if parse_special and piece in SPECIALS:
            found.append(FIRST_SPECIAL + SPECIALS.index(piece))
        else:
            found += piece.encode()
    return found


def text_of(token_ids: list[int]) -> str:
    pieces = [bytes([i]) if i < FIRST_SPECIAL else SPECIALS[i - 256].encode() for i in token_ids]
    return b"".join(pieces).decode()


class _Gone(Exception):
    """The client has closed its connection."""


class _Handler(BaseHTTPRequestHandler):
    remote: RemoteServer
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # headers and body in one write: else the second waits for an ACK, 40 ms

    def handle(self) -> None:
        self.remote.connections.add(self.connection)
        with contextlib.suppress(ConnectionError):
            super().handle()
        self.remote.connections.discard(self.connection)

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self._answer(json.loads(self.rfile.read(size)))

    def _answer(self, body: Any) -> None:
        remote = self.remote
        remote.asked.append((self.path, body))
        remote.headers.append(dict(self.headers.items()))
        if remote.faults.drop:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif remote.key and self.headers.get("Authorization") != f"Bearer {remote.key}":
            given = self.headers.get("Authorization") if remote.faults.echo_key else ""
            self._json({"error": {"message": f"Incorrect API key provided: {given}"}}, 401)
        elif self.path == "/v1/models":
            self._models()
        elif self.path == "/props" and remote.kind == "llama-server":
            settings = {"n_ctx": remote.context}
            self._json({"default_generation_settings": settings, "total_slots": 2})
        elif self.path == "/tokenize" and not remote.faults.no_tokenizer:
            self._tokenize(body)
        elif self._is_completion():
            self._complete(body)
        else:
            self._json({"error": {"message": "File Not Found"}}, 404)

    def _is_completion(self) -> bool:
        kind, path = self.remote.kind, self.path
        if kind == "llama-server":
            return path == "/completion"
        if path == "/v1/completions":
            return not self.remote.faults.no_raw
        return path == "/v1/chat/completions"

    def _models(self) -> None:
        remote = self.remote
        entry: dict[str, Any] = {"id": remote.model, "owned_by": OWNERS[remote.kind]}
        if remote.kind != "llama-server":
            entry["max_model_len"] = remote.context
        self._json({"object": "list", "data": [entry]})

    def _tokenize(self, body: Any) -> None:
        if self.remote.kind == "llama-server":
            ids = ids_of(body["content"], parse_special=body["parse_special"])
            self._json({"tokens": ids})
        else:
            ids = ids_of(body["prompt"], parse_special=True)
            self._json({"tokens": ids, "count": len(ids), "max_model_len": self.remote.context})

    def _complete(self, body: Any) -> None:
        faults = self.remote.faults
        if faults.statuses:
            headers = {"Retry-After": faults.retry_after} if faults.retry_after else {}
            self._json({"error": {"message": "too\nbusy"}}, faults.statuses.pop(0), headers)
        elif faults.redirect:
            self._json({}, 307, {"Location": faults.redirect})
        elif faults.body is not None:
            self._send(200, faults.body, {"Content-Type": "text/html"})
        elif not body.get("stream"):
            self._json({"choices": [{"text": "x", "finish_reason": "length"}]})
        else:
            self._stream(body)

    def _stream(self, body: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        faults = self.remote.faults
        try:
            self._wait(faults.first_s)
            if faults.endless:
                while True:
                    self._chunk(faults.endless)
            for number, event in enumerate(self._events(body)):
                if number == faults.cut_after:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if number:
                    self._wait(faults.each_s)
                self._chunk(event)
            self._chunk(b"")
        except (_Gone, ConnectionError):
            self.remote.closed.append(time.monotonic())
            self.close_connection = True

    def _events(self, body: Any) -> list[bytes]:
        if self.remote.faults.events is not None:
            return self.remote.faults.events
        native = self.remote.kind == "llama-server"
        said = self._native(body) if native else self._open(body)
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in said]
        return lines if native else [*lines, b"data: [DONE]\n\n"]

    def _read(self, prompt: Any) -> tuple[int, int]:
        """(prompt tokens, cached tokens), and the prompt is what is cached from here on."""
        remote = self.remote
        ids = ids_of(prompt, parse_special=True) if isinstance(prompt, str) else list(prompt or [])
        same = 0
        for ours, theirs in zip(ids, remote.cache, strict=False):
            if ours != theirs:
                break
            same += 1
        remote.cache = ids
        return len(ids) + remote.faults.wrong_count, min(same, max(0, len(ids) - 1))

    def _native(self, body: Any) -> list[dict[str, Any]]:
        total, cached = self._read(body["prompt"])
        events: list[dict[str, Any]] = [
            {"prompt_progress": {"total": total, "cache": cached, "processed": total}}
        ]
        pieces = self.remote.pieces[: body["n_predict"]]
        for number, piece in enumerate(pieces):
            told = [{"id": 1, "logprob": -0.5}]
            event = {"content": piece, "stop": False, "tokens_predicted": number + 1}
            events.append({**event, "completion_probabilities": told})
        why = "limit" if len(pieces) == body["n_predict"] else "eos"
        count = len(pieces)
        return [
            *events,
            {"content": "", "stop": True, "stop_type": why, "tokens_predicted": count},
        ]

    def _open(self, body: Any) -> list[dict[str, Any]]:
        prompt = body.get("prompt")
        total, cached = self._read(prompt if prompt is not None else str(body["messages"]))
        pieces = self.remote.pieces[: body["max_tokens"]]
        events = []
        for number, piece in enumerate(pieces):
            choice: dict[str, Any] = {"index": 0, "finish_reason": None}
            if "messages" in body:
                choice["delta"] = {"content": piece}
            else:
                logprobs = {"tokens": [piece], "token_logprobs": [-0.5]}
                choice |= {"text": piece, "logprobs": logprobs}
            if number == len(pieces) - 1:
                choice["finish_reason"] = "length" if len(pieces) == body["max_tokens"] else "stop"
            events.append({"choices": [choice]})
        usage: dict[str, Any] = {"prompt_tokens": total, "completion_tokens": len(pieces)}
        if not self.remote.faults.hide_cached:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        return [*events, {"choices": [], "usage": usage}]

    def _wait(self, seconds: float) -> None:
        """Wait; raises _Gone as soon as the client has closed."""
        until = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.connection], [], [], CLOSED_LOOK_S)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                raise _Gone
            if time.monotonic() >= until:
                return

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self._send(status, data, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
