# SPDX-License-Identifier: Apache-2.0
"""A folder of its own with the repository as it was before the trace.

In: a trace, and the repository that it names. Out: a copy to work in, gone afterwards with the
index that was built of it. The repository itself is only read.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.places import cache_dir
from indexer.files import list_allowed
from indexer.library import wipe
from indexer.policy import Policy
from indexer.store import store_name
from lsp_server.indexing import FOLDER
from lsp_server.replaying import history
from lsp_server.replaying.trace import Trace, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_COPY_BYTES = 4 << 30  # sources; whoever has more names a folder of it


@contextmanager
def before(trace: Trace) -> Iterator[Path]:
    """The tree before the first key. Raises Unusable."""
    source = Path(trace.root).resolve()
    if not trace.root or not source.is_dir():
        raise Unusable("the trace's repository is not here; name it with --root")
    with tempfile.TemporaryDirectory(prefix="ghostwright-replay-") as folder:
        root = Path(folder).resolve() / source.name
        root.mkdir()
        try:
            _fill(trace, source, root)
            yield root
        finally:
            wipe(cache_dir() / FOLDER / store_name(root))


def _fill(trace: Trace, source: Path, root: Path) -> None:
    try:
        if trace.parent:
            history.write_tree(source, trace.parent, root)
        elif not trace.revision:
            _copy(source, root)
        for path, text in trace.files.items():
            place = root / path
            if not place.resolve().is_relative_to(root):
                raise Unusable(f"{path} leads out of the repository")
            place.unlink(missing_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                place.write_bytes(text.encode("utf-8"))
    except (OSError, shutil.Error) as error:
        raise Unusable(f"no copy of {source} could be made: {error}") from error


def _copy(source: Path, root: Path) -> None:
    """The files that may be read, as they are."""
    listing = list_allowed(Policy.load([source]), str(source))
    room = MAX_COPY_BYTES
    for decision in listing.allowed:
        file, place = source / decision.relative, root / decision.relative
        place.parent.mkdir(parents=True, exist_ok=True)
        room -= file.stat().st_size
        if room < 0:
            raise Unusable(f"{source} is larger than {MAX_COPY_BYTES >> 30} GB: name a part of it")
        shutil.copyfile(file, place)
