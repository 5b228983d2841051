# SPDX-License-Identifier: Apache-2.0
"""Ghost text in the real Emacs, through eglot, typed into as by a person.

What happens is in `emacs/<scenario>.el`. The set-up is the README's, taken from it word for word:
what a newcomer would paste is what is run. Dangers: P10 (eglot declares no resolve support and no
encodings), E1 (no model), a server that ends in mid-use, a key taken away from what it did before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import emacs_editor
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.editor

OTHER = emacs_editor.ROOT / "editors" / "other"
README = OTHER / "README.md"
FILES = {
    "calc.py": "def add(a, b):\n    return a + b\n\n\n",
    "total.py": (
        "def total(items, rate):\n    result = 0\n    for item in items:\n"
        "        result += item * rate\n        result -= 1\n    return result\n"
    ),
}
DEADLINE_S = 120


@pytest.fixture(scope="session")
def emacs() -> Path:
    """The editor. Session-wide, so that it is found before a test has its own cache folder."""
    found = emacs_editor.emacs()
    if found is None:
        pytest.skip(emacs_editor.MISSING)
    return found


def snippet(title: str) -> str:
    """The first block of Lisp of a section of the README, as it stands there."""
    section = README.read_text("utf-8").split(f"### {title}\n", 1)[1].split("\n### ", 1)[0]
    found = re.search(r"```elisp\n(.*?)```", section, re.DOTALL)
    assert found, title
    return found.group(1)


@pytest.fixture
def play(emacs: Path, tmp_path: Path):
    """Run a scenario in a home where the README was followed; what it printed is the reason."""
    home, project = tmp_path / "home", tmp_path / "project"
    (home / ".emacs.d").mkdir(parents=True)
    emacs_editor.command_in(home / "bin")
    (home / "ghostwright").symlink_to(emacs_editor.ROOT, target_is_directory=True)
    (project / ".git").mkdir(parents=True)
    for name, text in FILES.items():
        (project / name).write_text(text, "utf-8")

    def run(scenario: str, title: str, file: str, **environment: str) -> str:
        (home / ".emacs.d" / "init.el").write_text(snippet(title), "utf-8")
        place = {"folder": f"{project}/", "file": file}
        done = emacs_editor.run(scenario, emacs, home, place, environment, DEADLINE_S)
        assert done.returncode == 0, f"{scenario}.el:\n{done.stdout}"
        print(done.stdout)
        return done.stdout

    return run


@pytest.mark.model
@pytest.mark.parametrize(
    ("scenario", "file"),
    [("ghost", "calc.py"), ("killed", "calc.py"), ("refactor", "total.py")],
)
def test_ghost_text(scenario: str, file: str, play, starter_cache: Path):
    play(scenario, "Emacs, with ghost text", file)


@pytest.mark.model
def test_eglot_alone(play, starter_cache: Path):
    play("plain", "Emacs, eglot alone", "calc.py")


def test_no_model(play, tmp_path: Path):
    empty = str(tmp_path / "empty")
    play("no_model", "Emacs, with ghost text", "calc.py", GHOSTWRIGHT_CACHE=empty)


def test_the_page_says_which_editors_were_run():
    """A snippet that nobody has run must not look like one that was."""
    row = re.compile(r"^\| ([^|]+?) +\| (run|not run)[^|]*\|", re.MULTILINE)
    rows = row.findall(README.read_text("utf-8"))
    assert dict(rows) == {
        "Emacs 28.2 + eglot 1.9, `ghostwright.el`": "run",
        "Emacs 28.2 + eglot 1.9, nothing else": "run",
        "Emacs 29, 30 (eglot of their own)": "not run",
        "Emacs lsp-mode": "not run",
        "Helix": "not run",
        "Kate": "not run",
        "Sublime Text LSP": "not run",
        "Zed": "not run",
    }


def test_the_lisp_is_small_and_licensed():
    path = OTHER / "ghostwright.el"
    lines = path.read_text("utf-8").splitlines()
    assert "SPDX-License-Identifier: Apache-2.0" in lines[1]
    assert len(lines) < 250
