# SPDX-License-Identifier: Apache-2.0
"""The JetBrains page followed as far as it can be without the IDE: its commands as they stand
there, then the installer's tasks as LSP4IJ runs them, then a file, keys and grey text.

The home folder is kept in the user's cache, by version: a second run installs what has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.lsp4ij import TEMPLATE, Ide, command_line
from kept import TOOLS

pytestmark = [
    pytest.mark.editor,
    pytest.mark.model,
    pytest.mark.network,
    pytest.mark.timeout(600),  # the first time it fetches all that the server needs
    pytest.mark.skipif(os.name != "posix", reason="the page's commands for Linux and macOS"),
]
ROOT = Path(__file__).parents[2]
STEP_S = 500
LEFT_OUT = shutil.ignore_patterns(
    ".*", "tests", "node_modules", "build", "*.egg-info", "__pycache__"
)
BEGUN = "def add(a, b):\n    return a + b\n\n\n"


@pytest.fixture(scope="module")
def home() -> Path:
    """A home folder with a fresh copy of the clone."""
    lock = (ROOT / "requirements.lock").read_bytes()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder = TOOLS / f"jetbrains-{version}"
    shutil.rmtree(folder / "ghostwright", ignore_errors=True)
    shutil.copytree(ROOT, folder / "ghostwright", ignore=LEFT_OUT)
    return folder


def environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "HOME": str(home), "PATH": path}


def blocks() -> list[str]:
    page = (TEMPLATE / "README.md").read_text("utf-8")
    return [
        re.sub(r"^   ", "", one, flags=re.MULTILINE)
        for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    ]


class Installer:
    """LSP4IJ's tasks: a command's words, its folder, its deadline, what comes next."""

    def __init__(self, home: Path, command: str) -> None:
        self.home = home
        self.descriptor = json.loads((TEMPLATE / "installer.json").read_text("utf-8"))
        self.properties = {**self.descriptor["properties"], "server.command": command}
        self.said: list[Any] = []

    def execute(self, task: dict[str, Any]) -> bool:
        (name, options), *_ = task.items()
        done = getattr(self, f"_{name}")(options)
        after = options.get("onSuccess" if done else "onFail")
        return self.execute(after) if after else done

    def _exec(self, options: dict[str, Any]) -> bool:
        command = options["command"]
        words = command["default"] if isinstance(command, dict) else command
        if words == "${server.command}":
            words = command_line(self.properties["server.command"], self.home)
        words = [word.replace("$USER_HOME$", str(self.home)) for word in words]
        folder = options.get("workingDir", "$USER_HOME$")
        folder = folder.replace("${clone}", self.properties["clone"])
        folder = folder.replace("$USER_HOME$", str(self.home))
        Path(folder).mkdir(parents=True, exist_ok=True)
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=environment(self.home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError:
            return False
        with process, contextlib.ExitStack() as stack:
            stack.callback(process.kill)
            try:
                timeout = options.get("timeout")
                code = process.wait(timeout / 1000 if timeout else STEP_S)
            except subprocess.TimeoutExpired:
                return timeout is not None  # it runs: so it is there
            quiet = options.get("ignoreStderr") or not process.stderr.read()
            return code == 0 and bool(quiet)

    def _showMessage(self, options: dict[str, Any]) -> bool:
        self.said.append(options["content"])
        return False

    def _configureServer(self, options: dict[str, Any]) -> bool:
        self.properties["server.command"] = options["command"]["default"]
        return True


@pytest.fixture(scope="module")
def installed(home: Path) -> Path:
    """The same home after the page's commands, as they stand there."""
    subprocess.run(
        ["bash", "-euc", blocks()[0]], check=True, env=environment(home), timeout=STEP_S, cwd=home
    )
    return home


def test_the_pages_commands_then_the_installers(installed: Path):
    home = installed
    program = home / ".local/share/ghostwright/bin/ghostwright"
    assert blocks()[1].strip() == "~/.local/share/ghostwright/bin/ghostwright setup"
    shown = subprocess.run(
        [program, "setup", "--help"], check=True, capture_output=True, text=True, timeout=60
    )
    assert "--model" in shown.stdout
    command = json.loads((TEMPLATE / "template.json").read_text("utf-8"))["programArgs"]["default"]
    there = Installer(home, command)
    assert there.execute(there.descriptor["check"]), "what the page has installed is found"
    elsewhere = Installer(home, '"$USER_HOME$/nowhere/ghostwright" serve')
    assert not elsewhere.execute(elsewhere.descriptor["check"])
    assert elsewhere.execute(elsewhere.descriptor["run"]), elsewhere.said
    assert elsewhere.properties["server.command"] == command
    lost = Installer(home, command)
    lost.properties["clone"] = "$USER_HOME$/no-clone"
    assert not lost.execute(lost.descriptor["run"])
    assert "properties.clone" in str(lost.said)


async def test_what_was_installed_shows_grey_text(installed: Path, starter_cache, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "calc.py").write_text(BEGUN, "utf-8")
    command = json.loads((TEMPLATE / "template.json").read_text("utf-8"))["programArgs"]["default"]
    it = Ide(project, project / "calc.py", command=command_line(command, installed))
    await (await it.server()).settled(120)
    await it.type("def subtract(a, b):\n    return a ")
    assert await it.shown(120)
    it.accept()
    assert await it.stop() == 0
    assert it.document.text.rstrip() == f"{BEGUN}def subtract(a, b):\n    return a - b"
