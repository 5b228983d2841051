# SPDX-License-Identifier: Apache-2.0
"""`ghostwright dashboard`: one local page with what the servers of all open editors do."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import threading

from lsp_server.cli import Failed
from lsp_server.dashboard import pulse
from lsp_server.dashboard.gather import Gathered
from lsp_server.dashboard.server import PageServer

LAST_PORT = 65535
ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # those that the system has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--port, --json."""
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="else a free one")
    parser.add_argument("--json", action="store_true", help="the address as JSON, then serve")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; what servers told for it is removed."""
    ended = threading.Event()
    for name in ENDINGS:
        if number := getattr(signal, name, None):
            signal.signal(number, lambda *_: ended.set())
    gathered = Gathered(pulse.folder())
    try:
        page = _page(gathered, args.port)
        page.start()
        print(json.dumps({"url": page.url}) if args.json else _words(page.url), flush=True)
        while not ended.wait(pulse.BEAT_S):
            with contextlib.suppress(OSError):  # a full disk, say: the page shows no server then
                gathered.look()
        page.close()
    finally:
        gathered.close()
    return 0


def _page(gathered: Gathered, port: int) -> PageServer:
    """Raises Failed."""
    try:
        gathered.look()
    except OSError as error:
        raise Failed(f"nothing can be shown: {error}") from error
    try:
        return PageServer(gathered.state, port)
    except OSError as error:
        raise Failed(f"cannot listen on port {port}: {error.strerror}") from error


def _words(url: str) -> str:
    return f"{url}\nFor this machine and whoever knows the address. Ctrl+C closes it."


def _port(text: str) -> int:
    """A number of a port. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"a number from 0 to {LAST_PORT}")
    return int(text)
