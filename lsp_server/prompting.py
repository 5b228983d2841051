# SPDX-License-Identifier: Apache-2.0
"""What the model reads for a place in a document: pieces of other files, the file, the cursor.

In: a document and a place. Out: a `Reading`, a value that the event loop makes in a moment, and
from it, on the engine's thread, the prompt. A keystroke and a warm-up make theirs here alike: what
one has read serves the other. Knows neither protocol nor llama.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine import prompt as prompts
from engine.types import Slot
from lsp_server.budget import budget
from lsp_server.documents import lf
from lsp_server.surroundings import Spot

if TYPE_CHECKING:
    from engine.types import Engine, EngineInfo, Part, Prompt
    from indexer.snapshot import Snapshot
    from lsp_server.documents import Document, Place
    from lsp_server.session import Session
    from lsp_server.settings import Settings

# Measured with the 1.5B model on 45 holes: three lines, 160 characters, cost no quality that shows
# against 500, and the suffix is what is read anew at every key.
SUFFIX_LINES = 3
SUFFIX_CHARS = 160
WINDOW_CHARS_PER_TOKEN = 12  # more than any text has, so that the budget decides what is read
OTHER_FILES_SHARE = 0.4  # of a prompt, at most
# A machine that reads a whole prompt in this time need not wait for a pause to choose anew.
QUICK_S = 0.3


@dataclass(frozen=True, slots=True)
class Reading:
    """A place as the model will see it. Line breaks are LF, as in its training."""

    hole: prompts.Hole
    repository: str
    budget: int  # tokens
    around: tuple[Snapshot, Spot] | None  # the repository as it is known now, and the place in it
    quick: bool  # the whole prompt is read in no time
    root: Path | None  # of the file; None for a buffer without one


def reading(document: Document, place: Place, session: Session) -> Reading:
    """The reading of a place, without suffix where `place` is behind all text.

    Raises NoText while there is no model.
    """
    engine = session.engine_info()
    tokens = budget_tokens(engine, session.settings)
    start = _window_start(document, place, tokens * WINDOW_CHARS_PER_TOKEN)
    before = (*document.lines[start : place.line], document.lines[place.line][: place.index])
    suffix = document.suffix(place, max_lines=SUFFIX_LINES, max_chars=SUFFIX_CHARS)
    path = session.shown_path(document)
    return Reading(
        prompts.Hole(path, lf("".join(before)), lf(suffix), place.line + 1),
        session.repository(document),
        tokens,
        _around(document, place, path, session),
        tokens <= engine.prefill_per_s * QUICK_S,
        session.root(document.path) if document.path else None,
    )


def build(wanted: Reading, session: Session, engine: Engine, *, anew: bool = False) -> Prompt:
    """The prompt of a reading; on the engine's thread.

    Another choice of pieces makes the engine read nearly all of the prompt: so it is only made
    `anew`, in a pause, or where reading takes no time. Raises EngineError.
    """
    tokens = session.tokens(engine)
    parts: tuple[Part, ...] = ()
    if wanted.around is not None:
        share = int(wanted.budget * OTHER_FILES_SHARE)
        anew = anew or wanted.quick or not session.settings.idleWarm
        parts = session.surroundings.parts(*wanted.around, share, tokens.count, anew=anew)
        root = Path(wanted.around[0].root)  # the snapshot may be older than the rules
        readable = tuple(part for part in parts if session.may_read(root / part.path))
        if len(readable) < len(parts):
            session.surroundings.forget()
            parts = readable
    prompt = prompts.build(
        wanted.repository,
        parts,
        wanted.hole,
        layout=session.layout,
        tokens=tokens,
        budget=wanted.budget,
    )
    paths = [segment.path for segment in prompt.segments]
    session.residence.reads(engine, Slot.KEYSTROKE, wanted.root, paths)
    return prompt


def budget_tokens(engine: EngineInfo, settings: Settings) -> int:
    """Tokens a prompt may have, see `lsp_server.budget`."""
    return budget(engine, settings).tokens


def _around(
    document: Document, place: Place, path: str, session: Session
) -> tuple[Snapshot, Spot] | None:
    """The repository around a place; None outside of any index."""
    indexed = session.indexing.of(document.path) if document.path is not None else None
    snapshot = indexed.snapshot() if indexed is not None else None
    if snapshot is None:
        return None
    return snapshot, Spot(path, document.lines, place.line + 1, place.index + 1)


def _window_start(document: Document, place: Place, window_chars: int) -> int:
    """The first line to look at: a window back, then down to a line number that is round.

    Round numbers make the start move in steps of a quarter to half a window, not with each line.
    """
    start, size = place.line, 0
    while start and size < window_chars:
        start -= 1
        size += len(document.lines[start])
    step = 1 << max(0, ((place.line - start) // 2).bit_length() - 1)
    return -(-start // step) * step
