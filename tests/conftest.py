# SPDX-License-Identifier: Apache-2.0
"""What every test may ask for. Model files come once into the user's cache and are shared."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from engine import catalogue, fetch, load

if TYPE_CHECKING:
    from pathlib import Path

# Noisy machines: a slow example is not a wrong one. CI tells whether a change broke something, so
# it takes the same examples each time; new ones are looked for at the developers' machines.
settings.register_profile(
    "quick",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="CI" in os.environ,
)
settings.load_profile("quick")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

USERS_CACHE = os.environ.get("GHOSTWRIGHT_CACHE")
STARTER = "qwen2.5-coder-0.5b"


@pytest.fixture(scope="session", autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory):
    """The settings, logs and crash records of whoever runs the tests stay out of it."""
    names = ("XDG_CONFIG_HOME", "APPDATA", "GHOSTWRIGHT_CACHE")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The 0.5B starter model, fetched into the user's cache if it is not there yet."""
    model = catalogue.find(STARTER)
    with pytest.MonkeyPatch.context() as patch:
        if USERS_CACHE is None:
            patch.delenv("GHOSTWRIGHT_CACHE", raising=False)
        else:
            patch.setenv("GHOSTWRIGHT_CACHE", USERS_CACHE)
        found = fetch.locate(model)
        if found:
            return found
        with closing(fetch.ProgressBar()) as bar:
            return fetch.fetch(model, progress=bar)


@pytest.fixture
def starter_cache(starter_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own that has the starter model."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "models").symlink_to(starter_model.parent, target_is_directory=True)
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def llama(starter_model: Path):
    """The starter model loaded in this process: one for all tests that need it."""
    choice = load.Choice(STARTER, starter_model, "qwen")
    engine = load.load(choice, gpu_layers=0, kv_type="f16")
    yield engine
    engine.close()
