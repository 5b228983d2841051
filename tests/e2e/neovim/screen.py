# SPDX-License-Identifier: Apache-2.0
"""A picture of a running Neovim: attaches as one more screen and writes down what it is sent.

`python screen.py HOST:PORT NAME` writes NAME.txt, the characters, and NAME.svg, the same with their
colours. In: Neovim's `redraw` events of one grid. Knows nothing of what should be on the screen.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import msgpack

COLUMNS, LINES = 80, 24  # as in child.lua: the smallest screen decides for all
SILENCE_S = 0.3  # what was to be drawn has been drawn
START_S = 5.0
CELL_WIDTH, CELL_HEIGHT, BASELINE, FONT_PX = 8, 17, 13, 13
STYLES = {"bold": "font-weight:bold", "italic": "font-style:italic"}


@dataclass
class Screen:
    """Cells of a grid, each a character and the number of its colours."""

    cells: list[list[tuple[str, int]]] = field(
        default_factory=lambda: [[(" ", 0)] * COLUMNS for _ in range(LINES)]
    )
    colours: dict[int, dict[str, Any]] = field(default_factory=lambda: {0: {}})
    foreground: int = 0
    background: int = 0xFFFFFF
    cursor: tuple[int, int] = (0, 0)

    def take(self, event: str, arguments: list[Any]) -> None:
        """One event of `redraw`; those that draw nothing are passed over."""
        if event == "grid_line":
            self._line(*arguments[1:4])
        elif event == "hl_attr_define":
            self.colours[arguments[0]] = arguments[1]
        elif event == "default_colors_set":
            self.foreground, self.background = arguments[:2]
        elif event == "grid_cursor_goto":
            self.cursor = arguments[1], arguments[2]
        elif event == "grid_clear":
            self.cells = [[(" ", 0)] * COLUMNS for _ in range(LINES)]

    def _line(self, row: int, column: int, cells: list[list[Any]]) -> None:
        number = 0
        for cell in cells:  # [character, colours as before, once]
            number = cell[1] if len(cell) > 1 else number
            for _ in range(cell[2] if len(cell) > 2 else 1):
                self.cells[row][column] = cell[0], number
                column += 1

    def text(self) -> str:
        """What stands there, a line a row."""
        rows = ("".join(character for character, _ in row).rstrip() for row in self.cells)
        return "\n".join(rows) + "\n"

    def svg(self) -> str:
        """The same as a picture."""
        size = f'width="{COLUMNS * CELL_WIDTH}" height="{LINES * CELL_HEIGHT}"'
        font = f'font-family="DejaVu Sans Mono,monospace" font-size="{FONT_PX}"'
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} xml:space="preserve">']
        parts.append(f'<rect width="100%" height="100%" fill="{_hex(self.background)}"/>')
        for row, cells in enumerate(self.cells):
            parts.extend(self._row(row, cells))
        row, column = self.cursor
        place = f'x="{column * CELL_WIDTH}" y="{row * CELL_HEIGHT}"'
        parts.append(f'<rect {place} width="2" height="{CELL_HEIGHT}" fill="#d33"/></svg>')
        return "\n".join(parts) + "\n"

    def _row(self, row: int, cells: list[tuple[str, int]]) -> list[str]:
        parts, column = [], 0
        for number, run in groupby(cells, key=lambda cell: cell[1]):
            text = "".join(character for character, _ in run)
            look = self.colours.get(number, {})
            front, back = look.get("foreground", self.foreground), look.get("background")
            if look.get("reverse"):
                front, back = self.background if back is None else back, front
            x, y, width = column * CELL_WIDTH, row * CELL_HEIGHT, len(text) * CELL_WIDTH
            if back is not None:
                box = f'x="{x}" y="{y}" width="{width}" height="{CELL_HEIGHT}"'
                parts.append(f'<rect {box} fill="{_hex(back)}"/>')
            if text.strip():
                style = ";".join(css for name, css in STYLES.items() if look.get(name))
                where = f'x="{x}" y="{y + BASELINE}" textLength="{width}" fill="{_hex(front)}"'
                parts.append(f'<text {where} style="white-space:pre;{style}">{escape(text)}</text>')
            column += len(text)
        return parts


def _hex(colour: int) -> str:
    return f"#{colour:06x}"


def look(host: str, port: int) -> Screen:
    """What a screen of COLUMNS x LINES shows now. Raises OSError."""
    screen, unpacker, is_drawn = Screen(), msgpack.Unpacker(), False
    options = {"rgb": True, "ext_linegrid": True}
    with socket.create_connection((host, port), START_S) as connection:
        connection.sendall(msgpack.packb([0, 1, "nvim_ui_attach", [COLUMNS, LINES, options]]))
        while True:
            connection.settimeout(SILENCE_S if is_drawn else START_S)
            try:
                piece = connection.recv(1 << 16)
            except TimeoutError:
                return screen
            if not piece:
                return screen
            unpacker.feed(piece)
            for message in unpacker:
                if message[0] == 2 and message[1] == "redraw":
                    for event, *calls in message[2]:
                        is_drawn = is_drawn or event == "flush"
                        for arguments in calls:
                            screen.take(event, arguments)


def main() -> None:
    host, _, port = sys.argv[1].rpartition(":")
    screen = look(host, int(port))
    name = Path(sys.argv[2])
    name.with_suffix(".txt").write_text(screen.text(), encoding="utf-8")
    name.with_suffix(".svg").write_text(screen.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
