# SPDX-License-Identifier: Apache-2.0
"""The Neovim README, followed to the letter: install, open, see a suggestion.

Its code blocks are taken from the file; only the repository's path is put in. The home folder that
the first steps fill is kept beside the editors, since they install some 300 MB: they are run again
when the README, the dependencies or a source of the package has changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import neovim_editor
import pytest
from filelock import FileLock
from kept import TOOLS

pytestmark = [
    pytest.mark.editor,
    pytest.mark.model,
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="its commands are those of a Unix shell"),
]

ROOT = Path(__file__).parents[2]
README = neovim_editor.PLUGIN / "README.md"
PLACEHOLDER = "/path/to/this/repository"
SOURCES = ("lsp_server", "indexer", "engine")
INSTALL_S = 280
FOLLOW_S = 120
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """(language, text) of the README's steps, with the path of this repository."""
    text = README.read_text(encoding="utf-8")
    steps = text[text.index("## From nothing to a suggestion") : text.index("## Keys")]
    filled = steps.replace(PLACEHOLDER, str(ROOT))
    return [(name, textwrap.dedent(block)) for name, block in BLOCK.findall(filled)]


def of(language: str) -> list[str]:
    return [text for name, text in blocks() if name == language]


@pytest.fixture(scope="session")
def home(starter_model: Path) -> Path:
    """The home folder of somebody who has done the steps that are written for a shell."""
    wanted = _hash([ROOT / "requirements.lock"]), _hash(_sources())
    folder = TOOLS / f"newcomer-{wanted[0]}"
    done = folder / "done"
    TOOLS.mkdir(parents=True, exist_ok=True)
    with FileLock(TOOLS / "newcomer.lock", timeout=INSTALL_S):
        if not done.exists() or done.read_text() != wanted[1]:
            for old in TOOLS.glob("newcomer-*"):
                if old != folder:
                    shutil.rmtree(old)
            _prepare(folder, starter_model.parent)
            for commands in of("sh"):
                _in_a_terminal(commands, _environment(folder))
            done.write_text(wanted[1])
    return folder


def test_readme_leads_to_a_suggestion(home: Path, tmp_path: Path):
    """The same keys in a Neovim with nothing but the README's init.lua."""
    project = tmp_path / "project"
    project.mkdir()
    init = home / ".config" / "nvim" / "init.lua"
    init.parent.mkdir(parents=True, exist_ok=True)
    init.write_text(of("lua")[0], encoding="utf-8")
    (typed,) = of("vim")
    nvim = neovim_editor.neovim()
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environment = {**_environment(home), "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": ""}
    keys = typed.splitlines()
    done = neovim_editor.run("newcomer", nvim, project, environment, FOLLOW_S, typed=keys)
    assert done.returncode == 0, done.stdout


def _sources() -> list[Path]:
    files = (path for name in SOURCES for path in (ROOT / name).rglob("*") if path.is_file())
    kept = [path for path in files if "__pycache__" not in path.parts]
    return [README, ROOT / "pyproject.toml", *sorted(kept)]


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _prepare(folder: Path, models: Path) -> None:
    """A home where nothing is but a model that need not be fetched once more."""
    (folder / "done").unlink(missing_ok=True)
    (folder / ".local" / "bin" / "ghostwright").unlink(missing_ok=True)  # `ln` would not
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "models").unlink(missing_ok=True)
    (cache / "models").symlink_to(models, target_is_directory=True)


def _environment(home: Path) -> dict[str, str]:
    """What differs from the environment of the tests."""
    pip_cache = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join((str(home / ".local" / "bin"), os.environ["PATH"])),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "GHOSTWRIGHT_CACHE": str(home / "cache"),
        "PIP_CACHE_DIR": pip_cache,
    }


def _in_a_terminal(commands: str, environment: dict[str, str]) -> None:
    """Run them as typed: they may ask, and get an empty answer, which is yes."""
    import pty  # noqa: PLC0415  not on Windows

    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"\n" * 8)
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            env={**os.environ, **environment},
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
