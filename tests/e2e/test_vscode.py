# SPDX-License-Identifier: Apache-2.0
"""The extension in the real VS Code, in a browser, used as by a person; real server, real model.

One editor and one model serve all scenarios; each has files of its own. Dangers: P10 (editors
differ), S8 (untrusted workspace), and whatever stops a person from typing. How ghost text looks and
how a refactor is previewed is kept as pictures; the README's two are made here.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import psutil
import pytest
import vscode_editor
from kept import artefacts
from vscode_window import REST_S, Window

from lsp_server.suggestions import last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = [pytest.mark.editor, pytest.mark.model]

SAMPLE = Path(__file__).parents[1] / "sample"
CALC = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n"
AREA = 'def area(width, height):\n    """Area of a rectangle."""\n'
SMALLEST = '''

def smallest(journal: Journal, count: int = 5) -> str:
    """The entries that moved least, smallest first."""
'''
FIRST, LINES = 20, 5  # of `monthly` in report.py: what becomes a function of its own
OWN = "own-model.gguf"  # a file of the user's, which the settings name at first
ANSWER_S = 150.0  # some hundred tokens, on a machine that is shared
MODEL = "qwen2.5-coder-0.5b"


@dataclass(frozen=True)
class Desk:
    """VS Code, a browser, and a project that is trusted."""

    served: vscode_editor.Served
    page: Page
    project: Path

    def settings(self) -> dict[str, object]:
        path = self.served.home / "data" / "Machine" / "settings.json"
        found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def evidence(self) -> str:
        """What the server says of its last answer, and the end of its logs."""
        cache = self.served.home / "cache"
        logs = "\n".join(path.read_text("utf-8")[-1000:] for path in cache.rglob("*.log"))
        return f"the last answer: {last.read(cache / 'record')}\nlogs: {logs}"


@pytest.fixture(scope="module")
def desk(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("code")
    project = home / "ledger"
    shutil.copytree(SAMPLE, project)
    (project / ".git").mkdir()
    for name in ("calc.py", "killed.py"):
        (project / name).write_text(CALC, encoding="utf-8")
    (project / "area.py").write_text(AREA, encoding="utf-8")
    report = project / "ledger" / "report.py"
    (project / "ledger" / "least.py").write_text(report.read_text("utf-8") + SMALLEST, "utf-8")
    own = home / OWN
    _same_file(starter_model, own)
    made = vscode_editor.here(
        home / "vscode",
        starter_model.parent,
        (vscode_editor.vsix(),),
        more={"ghostwright.modelPath": str(own)},
    )
    with made as served, browser.opened(home / "profile") as page:
        Window(page).open(served.window(project), trust=True)
        yield Desk(served, page, project)


@pytest.fixture
def window(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Window]:
    """The window of the trusted project with the model loaded, and a picture when a test fails."""
    it = Window(desk.page, desk.evidence)
    if not desk.page.url.endswith(str(desk.project)):
        it.open(desk.served.window(desk.project), trust=None)
    it.until("loaded model", lambda: not it.trusts() and "ready" in it.status())
    it.press("Escape", 2)
    yield it
    it.screenshot(artefacts() / f"vscode-{request.node.name}.png")


def _same_file(model: Path, other: Path) -> None:
    """The model under another name. Not a symbolic link: a file is known by where it really is."""
    try:
        other.hardlink_to(model)
    except OSError:  # another file system
        shutil.copyfile(model, other)


def _set_in(folder: Path, settings: dict[str, object]) -> None:
    (folder / ".vscode").mkdir()
    (folder / ".vscode" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _extract(window: Window, path: Path) -> str:
    """Extract a function with keys and the menu, up to the preview; what the preview says."""
    window.edit(path)
    window.place(FIRST, 1)
    window.press("Shift+ArrowDown", LINES)
    window.press("Control+Shift+r")
    window.action("Ghostwright: Extract function")
    return window.seen(".part.panel", "Apply")


def test_ghost_text_and_tab(window: Window, desk: Desk):
    path = desk.project / "ledger" / "least.py"
    before = path.read_text(encoding="utf-8")
    window.edit(path)
    window.end()
    window.type("    ranked = ")
    # In a burst of keys the server answers in words; who has stopped sees the line without a key.
    ghost = window.suggested("a whole line", lambda shown: len(shown) > len("sorted("), REST_S)
    window.screenshot(artefacts() / "suggestion.png")
    assert window.saved(path).rstrip("\n") == before + "    ranked = ", "it is not in the file yet"
    assert window.ghost() == ghost, "saving leaves it there"
    window.press("Tab")
    assert window.saved(path).rstrip("\n") == before + "    ranked = " + ghost
    assert not window.messages()


def test_a_word_and_then_the_rest(window: Window, desk: Desk):
    path = desk.project / "area.py"
    window.edit(path)
    window.end()
    window.type("    return ")
    ghost = window.suggested("more than a word", lambda shown: len(shown.split()) > 1, REST_S)
    word = ghost.split()[0]
    window.press("Control+ArrowRight")
    assert window.saved(path).rstrip("\n") == f"{AREA}    return {word}"
    rest = window.suggested("the rest")
    window.press("Tab")
    assert window.saved(path).rstrip("\n") == f"{AREA}    return {word}{rest}"
    assert word + rest == ghost


def test_a_refactor_with_preview_is_applied(window: Window, desk: Desk):
    path = desk.project / "ledger" / "report.py"
    before = path.read_text(encoding="utf-8")
    _extract(window, path)
    assert path.read_text(encoding="utf-8") == before, "nothing is written for a preview"
    rows = window.page.locator(".part.panel .monaco-list-row")
    rows.last.click()
    window.page.wait_for_selector(".monaco-diff-editor .view-line")
    rows.first.locator("input[type=checkbox]").click()
    window.seen(".monaco-diff-editor", "return total, lines")
    window.screenshot(artefacts() / "preview.png")
    window.page.locator(".part.panel").get_by_role("button", name="Apply").click()
    window.page.wait_for_selector(".tab.active[data-resource-name='report.py']")
    after = window.until("the edit", lambda: (t := window.saved(path)) != before and t)
    compile(after, "report.py", "exec")
    assert after.count("def ") == before.count("def ") + 1
    assert "return total, lines" in after
    window.press("Control+z")
    assert window.saved(path) == before, "one undo takes all of it back"


def test_another_model(window: Window, desk: Desk):
    """From a file of the user's to a model of the list; the choice is kept."""
    assert OWN in window.status()
    window.page.locator("[id='ghostwright.ghostwright.ghostwright.status']").first.click()
    window.pick("Choose a Model")
    window.until(
        "what is here",
        lambda: [row for row in window.rows() if MODEL in row and "on this machine" in row],
    )
    window.pick(MODEL)
    window.until("the other model", lambda: MODEL in window.status() and "ready" in window.status())
    window.until("a kept choice", lambda: desk.settings().get("ghostwright.model") == MODEL)
    assert "ghostwright.modelPath" not in desk.settings(), "else it would come back later"


def test_explanation_statistics_and_an_answer(window: Window, desk: Desk):
    window.edit(desk.project / "calc.py")
    window.end()
    window.type("    return a ")
    window.suggested()
    window.press("Control+k")
    window.press("Alt+e")
    window.seen(".monaco-editor", "What the prompt was made of")
    window.command("Ghostwright: Statistics")
    window.seen(".monaco-editor", "Counted on this machine")
    window.press("Control+k")
    window.press("Alt+a")
    window.page.locator(".quick-input-widget input").first.fill("What does Journal.month return?")
    window.press("Enter")
    window.seen(".monaco-editor", "Sources", ANSWER_S)
    window.screenshot(artefacts() / "vscode-answer.png")
    window.command("View: Close Editor Group")


def test_killed_in_mid_use(window: Window, desk: Desk):
    """No key is lost, and what was typed meanwhile is asked for without another key."""
    path = desk.project / "killed.py"
    window.edit(path)
    window.end()
    window.type("    return ")
    for server in desk.served.servers():
        server.send_signal(signal.SIGKILL)
        psutil.wait_procs([server], timeout=5)
    window.type("a")
    window.page.wait_for_timeout(1500)  # a person goes on; by now VS Code has noticed
    window.type(" ")
    ghost = window.suggested("ghost text of the new server")
    window.press("Tab")
    assert window.saved(path).rstrip("\n") == f"{CALC}    return a {ghost}"


def test_S8_a_folder_that_is_not_trusted(desk: Desk, tmp_path: Path):
    """Its settings name no program, model, engine or test command; suggestions work."""
    project, canary = tmp_path / "stranger", tmp_path / "canary"
    shutil.copytree(SAMPLE, project)
    (project / "calc.py").write_text(CALC, encoding="utf-8")
    server = project / "ghostwright"
    server.write_text(f"#!/bin/sh\ntouch '{canary}'\n", encoding="utf-8")
    server.chmod(0o755)
    bad = {
        "serverPath": str(server),
        "serverPackage": str(project),
        "model": "qwen9",
        "modelPath": str(project / "none.gguf"),
        "verify.testCommand": shlex.join([sys.executable, "-c", "raise SystemExit(1)"]),
        "remote.url": "http://127.0.0.1:9",
        "remote.model": "stranger",
    }
    _set_in(project, {f"ghostwright.{name}": value for name, value in bad.items()})
    window = Window(desk.page)
    window.open(desk.served.window(project), trust=False)
    window.until("loaded model", lambda: "ready" in window.status())
    window.edit(project / "calc.py")
    window.end()
    window.type("    return a ")
    window.suggested()
    assert OWN in window.status() or MODEL in window.status(), "what the user has chosen"
    window.press("Escape")
    _extract(window, project / "ledger" / "report.py")  # its tests would have refused it
    window.screenshot(artefacts() / "vscode-untrusted.png")
    assert "Restricted Mode" in window.text()
    assert not canary.exists()
