# SPDX-License-Identifier: Apache-2.0
"""The README of the extension, followed by somebody who has nothing yet: install, open, see.

What is to be typed and pressed is read from the README. Two things differ: the extension is built
in a copy (`make vsix` writes into the tree), and the model is put where fetching would put it. E1:
until then there is no model, and the editor is an editor.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import pytest
import vscode_editor
from kept import artefacts
from vscode_window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.editor, pytest.mark.model]

SAMPLE = Path(__file__).parents[1] / "sample"
README = vscode_editor.EXTENSION / "README.md"
MODEL = "qwen2.5-coder-0.5b"
AREA = 'def area(width, height):\n    """Area of a rectangle."""\n'


def _path() -> str:
    """The steps of the README from nothing to a suggestion."""
    text = README.read_text(encoding="utf-8")
    found = re.search(
        r"^## From nothing to a suggestion\n(.*?)^## ", text, re.DOTALL | re.MULTILINE
    )
    assert found, "the README has no path for a newcomer"
    return found[1]


def _commands(steps: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", steps, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    """VS Code after the README's commands; `ghostwright` is on PATH, and nothing else is there."""
    build, (code, option, built) = _commands(_path())
    assert build == ["make", "vsix"]
    assert (code, option) == ("code", "--install-extension")
    package = vscode_editor.vsix()
    assert package.name == Path(built).name
    assert (vscode_editor.EXTENSION.parents[1] / built).parents[1] == vscode_editor.EXTENSION
    project = tmp_path / "ledger"
    shutil.copytree(SAMPLE, project)
    (project / "area.py").write_text(AREA, encoding="utf-8")
    made = vscode_editor.here(tmp_path / "vscode", None, (package,), named=False)
    with made as served, browser.opened(tmp_path / "profile") as page:
        it = Window(page)
        it.open(served.window(project), trust=True)
        yield it
        it.screenshot(artefacts() / "vscode-newcomer.png")


def test_E1_newcomer(window: Window, tmp_path: Path, starter_model: Path):
    steps, path = _path(), tmp_path / "ledger" / "area.py"
    window.until("the walkthrough", lambda: "Get Started with Ghostwright" in window.text())
    window.until("what is missing", lambda: "no-model" in window.status())
    window.screenshot(artefacts() / "vscode-no-model.png")
    assert "ghostwright setup" in window.status() + " ".join(window.messages())
    window.page.get_by_text("Fetch a model", exact=True).click()
    window.until("what helps", lambda: "Set Up a Model" in window.text())

    window.edit(path)
    window.end()
    window.type("    # an editor without a model")
    assert window.saved(path).endswith("# an editor without a model")
    window.press("Home")
    window.press("Shift+End")
    window.press("Delete")
    assert window.saved(path).strip() == AREA.strip()

    models = tmp_path / "vscode" / "cache" / "models"
    shutil.rmtree(models, ignore_errors=True)
    models.symlink_to(starter_model.parent, target_is_directory=True)
    assert "Set Up a Model" in steps
    window.command("Ghostwright: Choose a Model")
    window.pick(MODEL)
    window.until("the model", lambda: "ready" in window.status())

    said = re.search(r"say\s+`([^`]+)`", steps)
    accepted = re.search(r"`(\w+)` inserts it", steps)
    assert said, "the README says what to type"
    assert accepted, "the README says how to take it"
    window.edit(path)
    window.end()
    typed = f"    {said[1]}"
    window.press("Home")
    window.type(typed)
    ghost = window.suggested()
    window.press(accepted[1])
    assert (typed + ghost) in window.saved(path)
