# SPDX-License-Identifier: Apache-2.0
"""Where files of the engine live on this machine.

In: one environment variable. Out: folders that exist and that only their owner may read.
This module does not know what is kept in them.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

OWNER_ONLY = 0o700  # prompts and saved state hold source code


def cache_dir() -> Path:
    """The cache folder, made if missing. GHOSTWRIGHT_CACHE overrides. Raises OSError."""
    chosen = os.environ.get("GHOSTWRIGHT_CACHE")
    return _made(Path(chosen) if chosen else platformdirs.user_cache_path("ghostwright", False))


def models_dir() -> Path:
    """Where fetched models are kept, made if missing. Raises OSError."""
    return _made(cache_dir() / "models")


def _made(folder: Path) -> Path:
    folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    return folder
