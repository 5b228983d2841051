# SPDX-License-Identifier: Apache-2.0
"""The source trees that the index is measured on: real, large, pinned, fetched on first use.

In: nothing but the user's own registries. Out: folders of sources below the cache.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from indexer.languages import detect, grammar
from tests.bench.data import Archive, bench_dir, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tree(NamedTuple):
    """`part` is the folder within the archive that holds what people wrote, not what was built."""

    language: str
    archive: Archive
    part: str

    @property
    def name(self) -> str:
        return f"{self.archive.name} {self.archive.version}"

    def sources(self) -> Path:
        """Where its files are, fetched if need be. Raises Unavailable."""
        return unpacked(self.archive) / self.part


DJANGO = Tree(
    "Python",
    Archive(
        "pypi",
        "django",
        "5.2.8",
        "23254866a5bb9a2cfa6004e8b809ec6246eba4b58a7589bc2772f1bcc8456c7f",
    ),
    "django-5.2.8",
)
VIEM = Tree(
    "TypeScript",
    Archive(
        "npm",
        "viem",
        "2.38.0",
        "f4baf096df814e65d7e773f1a4b28938486b6baaf5b79b71231cd83b524d5cdb",
    ),
    "package",
)
Z3 = Tree(
    "C++",
    Archive(
        "pypi",
        "z3-solver",
        "4.15.3.0",
        "78f69aebda5519bfd8af146a129f36cf4721a3c2667e80d9fe35cc9bb4d214a6",
    ),
    "z3_solver-4.15.3.0/core/src",
)
TREES = (DJANGO, VIEM, Z3)
_BUILT = {"_cjs", "_esm", "_types"}  # viem's own sources, compiled


@contextmanager
def parsed_files(tree: Tree) -> Iterator[Path]:
    """A copy of a tree that has its files of full support only. Raises Unavailable.

    So a bare parse and an index read the same bytes.
    """
    source = tree.sources()
    with TemporaryDirectory(dir=bench_dir()) as folder:
        root = Path(folder).resolve()
        for path in sorted(source.rglob("*")):
            place = path.relative_to(source)
            if path.is_file() and _BUILT.isdisjoint(place.parts) and _supported(path):
                (root / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, root / place)
        yield root


def _supported(path: Path) -> bool:
    found = grammar(detect(path.name))
    return found is not None and found.language.tier == "A" and path.stat().st_size > 0
