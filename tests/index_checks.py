# SPDX-License-Identifier: Apache-2.0
"""What an index says, in a form to compare; as a program: the same from another process.

python index_checks.py ROOT CACHE SECONDS    refreshes for so long, prints what it says
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from indexer.index import Index

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["order", "Cart", "getPrice", "ship_to", "TaxRate", "load", "parseHTTPHeader", "total"]

SHOP = {
    "shop/__init__.py": "from shop.cart import Cart\n",
    "shop/cart.py": "class Cart:\n    def getPrice(self):\n        return total_of(self)\n",
    "shop/tax.py": (
        "from .cart import Cart\n\n\ndef tax_rate(cart: Cart):\n    return cart.getPrice()\n"
    ),
    "web/app.js": "import { load } from './load'\nexport function main() { load('x') }\n",
}


def write(root: Path, files: dict[str, str]) -> list[str]:
    """Put files there, by relative path; returns the paths."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)


def answers(index: Index, names: list[str] = WORDS) -> dict[str, object]:
    """Everything an index says, in a form that does not depend on how it came to know it."""
    snapshot = index.snapshot()
    paths = snapshot.paths()
    windows = {
        name: sorted(
            (hit.path, hit.start_line, hit.end_line) for hit in snapshot.search([(name, 1)], 10_000)
        )
        for name in names
    }
    return {
        "records": {path: snapshot.record(path) for path in paths},
        "symbols": {name: sorted(snapshot.symbols(name, 10_000)) for name in names},
        "references": {name: sorted(snapshot.references(name, 10_000)) for name in names},
        "windows": windows,
        "totals": index.snapshot()._library.store.totals(),
    }


def from_scratch(root: Path, tmp_path: Path) -> dict[str, object]:
    cache = tmp_path / "other-cache"
    with Index(root, cache, workers=1) as other:
        other.refresh()
        found = answers(other)
    shutil.rmtree(cache)
    return found


def fingerprint(index: Index) -> str:
    """`answers` in one line, the same in every process that says the same."""
    return hashlib.sha256(repr(answers(index)).encode()).hexdigest()


def main() -> None:
    root, cache, seconds = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    with Index(root, cache, workers=1) as index:
        print("ready", flush=True)
        index.refresh()
        while time.monotonic() < until:
            index.refresh()
        print(fingerprint(index), os.fspath(index.snapshot()._library.path or "memory"), flush=True)


if __name__ == "__main__":
    main()
