# SPDX-License-Identifier: Apache-2.0
"""The Neovim plug-in in the real editor, typed into as by a person.

What happens is in `neovim/<scenario>.lua`; each begins with what it shows. Dangers: P5 (text for
another version of the buffer), P10 (editors differ), E1 (no model), and whatever stops a person
from typing: prompts, lost keys, a key taken away from a menu.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import neovim_editor
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.editor

FILES = {
    "calc.py": "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n",
    "area.py": 'def area(width, height):\n    """Area of a rectangle."""\n',
    "notes.txt": "",
    "stock.py": """\
def total(items):
    \"\"\"Worth of all items.\"\"\"
    result = 0
    for item in items:
        if item.count > 0:
            result += item.count * item.price
    return result
""",
}
# What a repository may bring along in the hope that somebody reads it. CANARY is a path: a command
# that makes it has been run.
HOSTILE = {
    ".nvim.lua": "vim.fn.writefile({}, [[CANARY]])\n",
    ".exrc": "call writefile([], 'CANARY')\n",
    ".nvimrc": "call writefile([], 'CANARY')\n",
    ".vscode/settings.json": '{"ghostwright.modelPath": "/CANARY.gguf", "ghostwright": SETTINGS}',
    ".neoconf.json": '{"lspconfig": {"ghostwright": SETTINGS}, "ghostwright": SETTINGS}',
    ".ghostwright.json": "SETTINGS",
    "ghostwright.toml": 'modelPath = "CANARY.gguf"\nmodel = "canary"\n',
    "config.toml": 'modelPath = "CANARY.gguf"\nmodel = "canary"\n',
    ".ghostwright/config.toml": 'modelPath = "CANARY.gguf"\nmodel = "canary"\n',
    "lua/ghostwright/init.lua": "vim.fn.writefile({}, [[CANARY]])\n",
    "plugin/ghostwright.lua": "vim.fn.writefile({}, [[CANARY]])\n",
    "ghostwright": "#!/bin/sh\n: > 'CANARY'\n",
}
SETTINGS = (
    '{"cmd": ["CANARY"], "modelPath": "CANARY.gguf", "model": "canary",'
    ' "verify": {"testCommand": "CANARY"}}'
)
DEADLINE_S = 120  # three starts of a real server on a machine that is busy otherwise
PLUGIN = neovim_editor.PLUGIN


@pytest.fixture(scope="session")
def nvim() -> Path:
    """The editor. Session-wide, so that it is found before a test has its own cache folder."""
    return neovim_editor.neovim()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".git").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def play(nvim: Path, project: Path, tmp_path: Path):
    """Run a scenario with a home folder of its own; its output is the reason when it fails."""
    home = neovim_editor.homes(tmp_path)

    def run(scenario: str, *, more: dict[str, object] | None = None, **environment: str) -> None:
        around = {**home, **environment}
        done = neovim_editor.run(scenario, nvim, project, around, DEADLINE_S, **(more or {}))
        assert done.returncode == 0, f"{scenario}.lua:\n{done.stdout}"

    return run


@pytest.mark.model
def test_real_model(play, starter_cache: Path):
    """Accept, pieces, refactor, model, killed: a scenario each, in one editor with one server."""
    play("session")


@pytest.mark.skipif(os.name == "nt", reason="its PATH and its programs are of another kind")
def test_no_model_in_a_hostile_repository(play, project: Path, tmp_path: Path):
    """S8: what a repository brings names no model, no server and no command."""
    canary = tmp_path / "canary"
    for name, text in HOSTILE.items():
        path = project / name
        path.parent.mkdir(exist_ok=True, parents=True)
        filled = text.replace("SETTINGS", SETTINGS).replace("CANARY", str(canary))
        path.write_text(filled, encoding="utf-8")
    (project / "ghostwright").chmod(0o755)
    play("no_model", more={"canary": str(canary)}, GHOSTWRIGHT_CACHE=str(tmp_path / "empty"))
    assert not canary.exists()


@pytest.mark.parametrize("scenario", ["no_server", "timing", "text", "menus", "native"])
def test_without_our_server(scenario: str, play):
    play(scenario)


def test_help_has_a_tag_for_everything_public(nvim: Path, play):
    """A setting, an action or a command word that nobody can look up does not exist."""
    play("help")


def test_readme_and_help_know_the_default_keys():
    """The keys stand in three places; one of them decides."""
    config = (PLUGIN / "lua/ghostwright/config.lua").read_text(encoding="utf-8")
    keys = dict(re.findall(r'^    (\w+) = "(<[^"]+>)"', config, re.MULTILINE))
    assert set(keys) == {"accept", "accept_word", "accept_line", "next", "dismiss"}
    for page in ("README.md", "doc/ghostwright.txt"):
        text = (PLUGIN / page).read_text(encoding="utf-8")
        missing = [key for key in keys.values() if key not in text]
        assert not missing, f"{page} does not name {missing}"


def test_files_are_small_and_licensed():
    for path in PLUGIN.rglob("*.lua"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "-- SPDX-License-Identifier: Apache-2.0", path
        assert len(lines) < 250, path
