# SPDX-License-Identifier: Apache-2.0
"""Code actions and questions in the real Neovim, on the real server with a played model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import neovim_editor
import pytest

pytestmark = pytest.mark.editor

SERVER = Path(__file__).parents[1] / "lsp_server" / "actions" / "action_server.py"
CODE = """def is_on(x):
    if x:
        return True
    else:
        return False

def add(a, b):
    return a + b
"""
SIMPLER = "def is_on(x):\n    if x:\n        return True\n    return False\n"
SWAPPED = "def add(a, b):\n    return b + a\n"
DEADLINE_S = 120


@pytest.fixture(scope="session")
def nvim() -> Path:
    return neovim_editor.neovim()


def test_actions_and_questions(nvim: Path, tmp_path: Path):
    project = tmp_path / "project"
    project.mkdir()
    (project / ".git").mkdir()
    (project / "code.py").write_text(CODE, encoding="utf-8")
    script, log = tmp_path / "answers.json", tmp_path / "decodes"
    answered = [*[SIMPLER] * 3, *[SWAPPED] * 2, "`add` adds two numbers."]
    answers = [*answered, *[SWAPPED] * 8]  # several candidates where tests can tell them apart
    script.write_text(json.dumps(answers), encoding="utf-8")
    home = neovim_editor.homes(tmp_path)
    command = [sys.executable, str(SERVER), str(script), str(log), "1"]
    home["ACTION_SERVER"] = json.dumps(command)
    done = neovim_editor.run("actions", nvim, project, home, DEADLINE_S)
    assert done.returncode == 0, done.stdout
