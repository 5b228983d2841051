# SPDX-License-Identifier: Apache-2.0
"""A window of VS Code in a browser, used as a person uses it: keys, clicks, and what is on screen.

In: a Playwright page. Out: what can be seen and what is on the disk. Waits by looking, with a
limit; a wait that fails says what was on the screen instead. Knows no server and no scenario.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, TypeVar

from playwright.sync_api import Error, Page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
WAIT_S = 60.0  # the model loads and the machine is shared: a limit, not an aim
LOOK_S = 0.05
OFFER_S = 5.0  # until a list has the row that was asked for
UNANSWERED_S = 25.0  # nothing after so long: more than the model takes to read these files
REST_S = 2.0  # the extension asks once more after 0.35 s, and an answer takes its time
KEY_MS = 30  # between two keys: a fast typist

DIRTY = ".editor-group-container.active .tab.active.dirty"  # another group may have one, too
TYPED_INTO = ".editor-group-container.active .editor-instance textarea.inputarea"
GHOST = "[class*='ghost-text']"
STATUS = ".statusbar-item[id*='ghostwright' i]"
TOAST = ".notification-list-item"
ROW = ".quick-input-widget .quick-input-list .monaco-list-row"
ACTION = ".action-widget .monaco-list-row"
TRUST = ".monaco-dialog-box"
# Ghost text is drawn in several pieces on a line, each one an element; lines are below each other.
READ_GHOST = r"""nodes => {
    const lines = new Map();
    for (const node of nodes) {
        if (node.parentElement.closest("[class*='ghost-text']")) continue;
        const top = Math.round(node.getBoundingClientRect().top);
        lines.set(top, (lines.get(top) ?? "") + node.textContent);
    }
    return [...lines.keys()].sort((a, b) => a - b).map(top => lines.get(top)).join("\n");
}"""

READ_FOCUS = "() => `${document.activeElement?.tagName} ${document.activeElement?.className}`"
IN_EDITOR = "() => document.activeElement?.closest('.monaco-editor') !== null"


class Window:
    """One window. Keys go to whatever has the focus, as they would for a person."""

    def __init__(self, page: Page, evidence: Callable[[], str] = str) -> None:
        """`evidence`: what a wait that fails should say besides what is on the screen."""
        self.page = page
        self._evidence = evidence

    # --- opening ---

    def open(self, address: str, *, trust: bool | None = True) -> None:
        """Open a folder; answer the question of trust where it is asked. None: not asked."""
        self.page.goto(address)
        self.page.wait_for_selector(".monaco-workbench .part.editor", timeout=WAIT_S * 1000)
        if trust is not None:
            answer = "Yes, I trust" if trust else "No, I don't trust"
            self.page.locator(TRUST).get_by_role("button", name=answer).click(timeout=WAIT_S * 1000)

    def trusts(self) -> bool:
        """Say yes if it asks once more: what was said just before the folder changed is lost."""
        yes = self.page.locator(TRUST).get_by_role("button", name="Yes, I trust")
        if not yes.is_visible():
            return False
        yes.click()
        return True

    def edit(self, path: Path) -> None:
        """Open a file with Ctrl+P; by its whole path, since no ripgrep is here to find names."""
        self.until("the file's name", lambda: self._offered(path))
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f".tab.active[data-resource-name='{path.name}']")
        self.page.wait_for_selector(".editor-instance .monaco-editor .view-line")

    def _offered(self, path: Path) -> bool:
        """A view that is still loading may take the focus, and the box closes: then once more."""
        box = self.page.locator(".quick-input-widget input").first
        self.page.keyboard.press("Control+p")
        self.page.wait_for_timeout(300)
        if not box.is_visible():
            return False
        box.fill(str(path))
        try:
            self.seen(ROW, path.name, OFFER_S)
        except Error:
            self.page.keyboard.press("Escape")
            return False
        return True

    def place(self, line: int, column: int) -> None:
        """The cursor to a place, both from 1."""
        self.page.keyboard.press("Control+g")
        self.page.locator(".quick-input-widget input").first.fill(f":{line}:{column}")
        self.page.keyboard.press("Enter")
        self.until("the cursor", lambda: f"Ln {line}, Col {column}" in self.bar())

    def end(self) -> None:
        """The cursor to the end of the file."""
        self.page.keyboard.press("Control+End")

    def command(self, title: str) -> None:
        """A command by its title, as in the palette."""
        self.page.keyboard.press("F1")
        box = self.page.locator(".quick-input-widget input").first
        box.fill(f">{title}")
        self.seen(ROW, title)
        self.page.keyboard.press("Enter")

    def pick(self, words: str) -> None:
        """A row of a list that is open."""
        self.seen(ROW, words)
        self.page.locator(ROW).filter(has_text=words).first.click()

    def action(self, words: str) -> None:
        """An entry of the menu of code actions, reached with the arrow keys."""
        self.seen(ACTION, words)
        for _ in range(self.page.locator(ACTION).count()):
            if words in self.page.locator(f"{ACTION}.focused").inner_text():
                break
            self.press("ArrowDown")
        self.press("Enter")

    # --- typing ---

    def type(self, text: str) -> None:
        self.page.keyboard.type(text, delay=KEY_MS)

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)

    def saved(self, path: Path) -> str:
        """Save, and what is on the disk then. Keys may go nowhere where a panel has closed."""
        pressed = 0.0

        def clean() -> bool:
            nonlocal pressed
            if time.monotonic() - pressed > OFFER_S:
                if not self.page.evaluate(IN_EDITOR):
                    self.page.locator(TYPED_INTO).first.focus()
                self.press("Control+s")
                pressed = time.monotonic()
            return not self.page.locator(DIRTY).count()

        self.until("a saved file", clean)
        return path.read_text(encoding="utf-8")

    # --- looking ---

    def ghost(self) -> str:
        """Ghost text on the screen, empty when there is none."""
        found: str = self.page.eval_on_selector_all(GHOST, READ_GHOST)
        return found.replace("\u00a0", " ").strip("\n")

    def suggested(
        self, what: str = "ghost text", look: Callable[[str], bool] = bool, rest_s: float = 0.0
    ) -> str:
        """Wait for ghost text of this kind that has stood so long: a pause may bring a longer one.

        Raises AssertionError.
        """
        came, last, typed = time.monotonic(), "", time.monotonic()

        def stands() -> bool:
            nonlocal came, last, typed
            shown, now = self.ghost(), time.monotonic()
            if not shown and (now - typed > UNANSWERED_S or not self.page.evaluate(IN_EDITOR)):
                self._go_on_typing()
                typed = now
            if shown != last or not look(shown):
                came, last = now, shown
            return bool(last) and now - came >= rest_s

        self.until(what, stands)
        return last

    def _go_on_typing(self) -> None:
        """As a person would who sees nothing. A view that loads late may have taken the keys:
        VS Code gives up its question then."""
        warnings.warn(f"no answer to a key: {self._around()}", stacklevel=2)
        self.page.locator(TYPED_INTO).first.focus()
        self.type(" ")
        self.press("Backspace")

    def bar(self) -> str:
        """The whole status bar."""
        return _plain(self.page.locator(".part.statusbar").inner_text())

    def status(self) -> str:
        """Our item of the status bar with what it says when pointed at; empty without one."""
        item = self.page.locator(STATUS).first
        if not item.count():
            return ""
        return _plain(f"{item.inner_text()} | {item.get_attribute('aria-label') or ''}")

    def messages(self) -> list[str]:
        """Messages that are shown."""
        return [_plain(text) for text in self.page.locator(TOAST).all_inner_texts()]

    def rows(self) -> list[str]:
        """The rows of the list that is open."""
        return [_plain(text) for text in self.page.locator(ROW).all_inner_texts()]

    def text(self) -> str:
        """Everything readable in the window, frames included."""
        found = []
        for frame in self.page.frames:
            if "vscodeWebWorkerExtHostId" in frame.url:  # no page: a program
                continue
            try:
                found.append(frame.locator("body").inner_text(timeout=1000))
            except Error:  # a frame that has gone, or has nothing yet
                continue
        return _plain("\n".join(found))

    def seen(self, selector: str, words: str, limit_s: float = WAIT_S) -> str:
        """Wait until something that matches shows these words; its text."""
        place = self.page.locator(selector).filter(has_text=words).first
        place.wait_for(timeout=limit_s * 1000)
        return _plain(place.inner_text())

    def until(self, what: str, look: Callable[[], T], limit_s: float = WAIT_S) -> T:
        """Wait for something to be seen, and return it. Raises AssertionError."""
        deadline = time.monotonic() + limit_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} within {limit_s} s; {self._around()}")
            self.page.wait_for_timeout(LOOK_S * 1000)
        return found

    def _around(self) -> str:
        """What may tell why something is not there."""
        focus = self.page.evaluate(READ_FOCUS)
        return f"{self._evidence()}\nkeys go to: {focus}\non screen:\n{self.text()}"

    def screenshot(self, path: Path) -> None:
        """A picture of what is there, without what is about to go away."""
        self.page.mouse.move(0, 0)
        self.page.screenshot(path=path)


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")
