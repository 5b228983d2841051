# SPDX-License-Identifier: Apache-2.0
"""Small plots of how something grows, side by side, as one SVG text.

In: panels of (size, value) points. Out: SVG that needs no font, script or style sheet of its own.
The sizes lie on a logarithmic axis, the values on a linear one that begins at 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from tests.bench.report import number

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pixels.
PANEL_WIDTH, PANEL_HEIGHT = 190, 190
LEFT, RIGHT, TOP, BOTTOM = 14, 22, 44, 26  # of a panel, around its plot
CAPTION_HEIGHT = 20
DOT = 3

INK, MUTED, LINE, AIM = "#1f2328", "#59636e", "#0969da", "#cf222e"
THOUSAND = 1000


class Panel(NamedTuple):
    """One plot. `aim` is a value that should not be exceeded; None where there is none."""

    title: str
    unit: str
    points: tuple[tuple[float, float], ...]  # (size, value), sizes above 0 and ascending
    aim: float | None = None


def chart(panels: Sequence[Panel], caption: str) -> str:
    """The panels in one row above a caption."""
    width, height = PANEL_WIDTH * len(panels), PANEL_HEIGHT + CAPTION_HEIGHT
    body = "".join(
        f'<g transform="translate({PANEL_WIDTH * at} 0)">{_panel(panel)}</g>\n'
        for at, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="10">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}'
        f"{_text(LEFT, height - 7, caption, MUTED)}\n</svg>\n"
    )


def _panel(panel: Panel) -> str:
    """Title, axis, aim, line, and a label at each point."""
    sizes = [size for size, _ in panel.points]
    top = max([value for _, value in panel.points] + [panel.aim or 0]) or 1

    def x(size: float) -> float:
        share = _share(math.log(size), math.log(sizes[0]), math.log(sizes[-1]))
        return LEFT + share * (PANEL_WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return PANEL_HEIGHT - BOTTOM - value / top * (PANEL_HEIGHT - TOP - BOTTOM)

    places = [(x(size), y(value)) for size, value in panel.points]
    line = " ".join(f"{left:.1f},{height:.1f}" for left, height in places)
    parts = [
        _text(LEFT, 16, panel.title, INK, 'font-weight="bold" font-size="11"'),
        _text(LEFT, 30, panel.unit, MUTED),
        _rule(y(0), MUTED),
        f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.5"/>',
    ]
    if panel.aim is not None:
        parts.append(_rule(y(panel.aim), AIM, 'stroke-dasharray="3 3"'))
        parts.append(_text(LEFT, y(panel.aim) - 3, f"aim {number(panel.aim)}", AIM))
    for (left, height), (size, value) in zip(places, panel.points, strict=True):
        parts.append(f'<circle cx="{left:.1f}" cy="{height:.1f}" r="{DOT}" fill="{LINE}"/>')
        middle = 'text-anchor="middle"'
        parts.append(_text(left, height - 6, number(value), INK, middle))
        parts.append(_text(left, PANEL_HEIGHT - BOTTOM + 13, _size(size), MUTED, middle))
    return "".join(parts)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _rule(height: float, colour: str, more: str = "") -> str:
    return (
        f'<line x1="{LEFT}" y1="{height:.1f}" x2="{PANEL_WIDTH - RIGHT + DOT}" y2="{height:.1f}" '
        f'stroke="{colour}" {more}/>'
    )


def _text(left: float, height: float, words: str, colour: str, more: str = "") -> str:
    return f'<text x="{left:.1f}" y="{height:.1f}" fill="{colour}" {more}>{escape(words)}</text>'


def _size(size: float) -> str:
    return f"{size / THOUSAND:g}k" if size >= THOUSAND else f"{size:g}"
