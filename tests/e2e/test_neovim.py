# SPDX-License-Identifier: Apache-2.0
"""The Neovim plug-in in the real editor, typed into as by a person.

What happens is in `neovim/<scenario>.lua`; each begins with what it shows. Dangers: P5 (text for
another version of the buffer), P10 (editors differ), E1 (no model), and whatever stops a person
from typing: prompts, lost keys, a key taken away from a menu.
"""

from __future__ import annotations

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
}
DEADLINE_S = 90
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
    home = {
        name: str(tmp_path / name)
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    }
    for folder in home.values():
        (tmp_path / folder).mkdir(mode=0o700)

    def run(scenario: str, **environment: str) -> None:
        done = neovim_editor.run(scenario, nvim, project, {**home, **environment}, DEADLINE_S)
        assert done.returncode == 0, f"{scenario}.lua:\n{done.stdout}"

    return run


@pytest.mark.model
@pytest.mark.parametrize("scenario", ["accept", "pieces", "killed"])
def test_real_model(scenario: str, play, starter_cache: Path):
    play(scenario)


def test_no_model(play, tmp_path: Path):
    play("no_model", GHOSTWRIGHT_CACHE=str(tmp_path / "empty"))


@pytest.mark.parametrize("scenario", ["no_server", "timing", "text", "menus"])
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
