# SPDX-License-Identifier: Apache-2.0
"""The command line: find the command, run it, say what went wrong in one line.

JSON goes to stdout, everything for people to stderr, except where a person is who asked. Exit
codes: 0 done, 1 failed for a reason that is printed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Protocol, cast

from engine.types import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    class Command(Protocol):
        """A module of `lsp_server.commands`."""

        def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

        def run(self, args: argparse.Namespace) -> int: ...


INTERRUPTED = 130  # what shells expect after Ctrl+C
# Name -> one line of help. Each is a module of its own, imported only when it is called.
COMMANDS = {
    "serve": "run the language server",
    "setup": "choose a model for this machine, fetch it and try it",
    "models": "list, fetch and verify models",
    "complete": "one suggestion at FILE:LINE:COL",
    "context": "what other files bring into the prompt at FILE:LINE:COL",
    "index": "read a repository into its index and say what is in it",
    "symbols": "definitions by name: exact, by prefix, by letters",
    "references": "where a name is used",
    "refactor": "change code by an action, checked before it is shown",
    "ask": "a question about the repository, answered with checked citations",
    "trace": "a commit's change, or a function, as keystrokes",
    "dataset": "examples of a repository, to train an adapter of a model on",
    "replay": "type a trace into the real server and report what it did",
    "explain": "why the last suggestion was what it was, or why there was none",
    "stats": "what became of suggestions, with a small chart",
    "dashboard": "a local page with what the servers of all open editors do",
    "doctor": "check the environment, line by line",
}


class Failed(Exception):
    """The thing asked for failed; the message is the one line to print."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(words[0] if words else "")
    args = parser.parse_args(words)
    try:
        return _command(args.command).run(args)
    except (Failed, EngineError) as error:
        print(f"ghostwright: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _parser(called: str) -> argparse.ArgumentParser:
    """The parser, with the arguments of the one command that is called."""
    parser = argparse.ArgumentParser(
        prog="ghostwright", description="Ghost text from your whole repository, on your machine."
    )
    parser.add_argument("--version", action="version", version=metadata.version("ghostwright"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words.capitalize() + ".")
        if name == called:
            _command(name).add_arguments(command)
    return parser


def _command(name: str) -> Command:
    return cast("Command", importlib.import_module(f"lsp_server.commands.{name}"))
