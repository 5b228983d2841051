# SPDX-License-Identifier: Apache-2.0
"""`ghostwright serve`: the language server on stdio or on a TCP port."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from engine.places import cache_dir
from lsp_server import log

if TYPE_CHECKING:
    import argparse

# Threads that index hold the interpreter in turns of this; by default it is 5 ms, and a keystroke
# passes through four threads.
SWITCH_S = 0.001


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--stdio (the default) or --tcp HOST:PORT."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--stdio", action="store_true", help="speak over stdin and stdout (default)")
    where.add_argument("--tcp", metavar="HOST:PORT", help="wait for one client on this address")


def run(args: argparse.Namespace) -> int:  # noqa: RET503
    """Serve until the client is gone; then end the process, threads or not."""
    from lsp_server.protocol import lifecycle, transport  # noqa: PLC0415  0.8 s of imports
    from lsp_server.protocol.server import GhostwrightServer  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_S)
    server = GhostwrightServer(log_file=log.set_up(cache_dir() / "log"))
    if args.tcp:
        host, port = _address(args.tcp)
        try:
            code = transport.serve_tcp(server, host, port, _say_where)
        except OSError as error:
            print(f"ghostwright: cannot listen on {args.tcp}: {error.strerror}", file=sys.stderr)
            return 1
    else:
        code = transport.serve_stdio(server)
    lifecycle.exit_now(code)  # never returns: threads may still be stuck


def _address(text: str) -> tuple[str, int]:
    from lsp_server.cli import Failed  # noqa: PLC0415  cli imports this module

    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004  the last port
        raise Failed(f"{text} is not HOST:PORT")
    host = host.strip("[]")
    if not _is_loopback(host):
        raise Failed(f"{host} is not of this machine: the protocol has no password; use 127.0.0.1")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say_where(host: str, port: int) -> None:
    print(f"listening on {host}:{port}", file=sys.stderr, flush=True)
