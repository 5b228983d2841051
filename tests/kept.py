# SPDX-License-Identifier: Apache-2.0
"""Folders outside the tree that tests keep: editors and tools once installed, pictures of screens.

Read when a test file is collected: tests have a cache folder of their own later, and what took
minutes to install is kept in the user's.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.places import cache_dir

_CHOSEN, _PICTURES = (
    os.environ.get(name) for name in ("GHOSTWRIGHT_TEST_CACHE", "GHOSTWRIGHT_ARTEFACTS")
)
TOOLS = Path(_CHOSEN) if _CHOSEN else cache_dir() / "editors"
_ARTEFACTS = Path(_PICTURES) if _PICTURES else TOOLS / "artefacts"


def artefacts() -> Path:
    """Where pictures of screens are kept."""
    _ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return _ARTEFACTS
