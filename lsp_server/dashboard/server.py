# SPDX-License-Identifier: Apache-2.0
"""The page's server: a few files and one value, for whoever knows the address.

In: what is gathered. Out: HTTP on the loopback interface only. The address has a random token; a
request without it, or that names another host than ours (DNS rebinding), is refused before its
method is looked at. The page may load nothing from elsewhere, and its address goes nowhere.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
TOKEN_BYTES = 24
IDLE_S = 30.0  # a connection that asks for nothing is closed
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "style.css": ("style.css", "text/css; charset=utf-8"),
    "script.js": ("script.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
STATE = "state.json"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves from threads of its own once `start` is called."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, state: Callable[[], dict[str, Any]], port: int = 0) -> None:
        """`state` is called from any thread; port 0 is a free one. Raises OSError."""
        self.state = state
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.files = {
            name: ((resources.files(__package__) / file).read_bytes(), kind)
            for name, (file, kind) in FILES.items()
        }
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """The address with its token."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def start(self) -> None:
        """Answer in the background until `close`."""
        threading.Thread(target=self.serve_forever, name="dashboard", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        """As the base class, but without asking the name service who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        name = self.path.split("?", 1)[0].removeprefix(f"/{self.server.token}/")
        if name == STATE:
            self._send(json.dumps(self.server.state()).encode(), "application/json")
        elif name in self.server.files:
            self._send(*self.server.files[name])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def parse_request(self) -> bool:
        """Refuse, whatever the method, who does not know the token or is sent by another site."""
        if not super().parse_request():
            return False
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        token = self.path.removeprefix("/").split("/", 1)[0].encode()
        known = hmac.compare_digest(token, self.server.token.encode())
        if known and self.headers.get("Host") in hosts and self.path.count("/") > 1:
            return True
        self.close_connection = True  # a body that nobody reads would be the next request
        self.send_error(HTTPStatus.FORBIDDEN)
        return False

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "ghostwright"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
        """Nothing: the address would be in it."""

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
