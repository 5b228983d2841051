# SPDX-License-Identifier: Apache-2.0
"""A local server that speaks as much of the model hub's protocol as a download needs.

In: files by path. Out: HTTP on loopback, with faults on demand. As the real hub does, it answers
`resolve` with a redirect that carries size, SHA-256 and commit, to another host that has the bytes
and understands ranges.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK_BYTES = 64 << 10


@dataclass
class Faults:
    """What goes wrong. `cut_after`: bytes sent in each of the next answers before it breaks off."""

    status: int = 0  # for every request
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    announce: bytes | None = None  # announce the hash of this, but send the file
    plain_pages: bool = False  # answer as a sign-in page would
    pause_s: float = 0.0  # before each chunk


class HubServer:
    """Use as a context manager. `sent` holds (start, bytes) of every answer with a body."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults = Faults()
        self.sent: list[tuple[int, int]] = []
        self.headers: list[dict[str, str]] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> HubServer:  # noqa: PYI034  typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the reader was killed, or it has cancelled
            super().handle()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _answer(self, *, body: bool) -> None:
        hub = self.hub
        hub.headers.append(dict(self.headers.items()))
        if hub.faults.status:
            self._plain(hub.faults.status)
        elif hub.faults.plain_pages:
            self._plain(200)
        elif self.path.startswith("/cdn/"):
            self._bytes(self.path.removeprefix("/cdn/"), body=body)
        else:
            self._redirect()

    def _redirect(self) -> None:
        """`/OWNER/REPO/resolve/REVISION/FILE`, as the hub answers it for a large file."""
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        name = f"{found.group(1)}/{found.group(3)}" if found else ""
        if name not in self.hub.files:
            self._plain(404, {"X-Error-Code": "EntryNotFound"})
            return
        announced = self.hub.faults.announce
        content = self.hub.files[name] if announced is None else announced
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.hub.port}/cdn/{name}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _bytes(self, name: str, *, body: bool) -> None:
        content = self.hub.files[name]
        start = self._start() if self.hub.faults.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self._send(content[start:], start)

    def _start(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found.group(1)) if found else 0

    def _send(self, content: bytes, start: int) -> None:
        faults = self.hub.faults
        cut = faults.cut_after.pop(0) if faults.cut_after else len(content)
        allowed = content[:cut]
        self.hub.sent.append((start, len(allowed)))
        for at in range(0, len(allowed), CHUNK_BYTES):
            time.sleep(faults.pause_s)
            self.wfile.write(allowed[at : at + CHUNK_BYTES])
        self.close_connection = cut < len(content)

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        page = b"<!doctype html><title>sign in</title>"
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(page)
