# SPDX-License-Identifier: Apache-2.0
"""The ladder with the formatters and type checkers themselves, as a project has them installed.

What the package indexes have is installed once into a folder outside the tree. gofmt and rustfmt
come with their languages: without them their rows are skipped, and pytest says so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import kept
import pytest
from climbing import climbing, failed
from filelock import FileLock

from lsp_server.actions import verify
from lsp_server.settings import Settings, Verify

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PYTHON_TOOLS = ("black==26.10.1", "mypy==2.4.1")
NODE_TOOLS = ("prettier@3.10.1", "typescript@7.0.2", "pyright@1.1.414")
INSTALL_TIMEOUT_S = 300
TOOLS = kept.TOOLS / "linters"
TRUSTED = Settings(debounceMs=0, verify=Verify(testCommand="true"))

# The project's settings, a file, what is written, what must stand there then.
FORMATTED = {
    "black": (
        """
        //- pyproject.toml
        [tool.black]
        line-length = 60
        //- a.py
        def f(a):
            return $0a
        """,
        ("return a", "return {'a':a}"),
        '    return {"a": a}\n',
    ),
    "prettier": (
        """
        //- .prettierrc
        {"singleQuote": true}
        //- a.ts
        export function f(a: number): string {
          return $0'';
        }
        """,
        ("return ''", 'return   "a"+a'),
        "  return 'a' + a;\n",
    ),
    "gofmt": (
        "//- a.go\npackage a\n\nfunc f(a int) int {\n\treturn $0a\n}\n",
        ("return a", "return (a+1)*  2"),
        "\treturn (a + 1) * 2\n",
    ),
    "rustfmt": (
        "//- a.rs\nfn f(a: i32) -> i32 {\n    $0a\n}\n",
        ("    a\n", "    a+ 1\n"),
        "    a + 1\n",
    ),
}
PYTHON = """
    //- a.py
    old: str = 1


    def g(a: int) -> int:
        return a


    def f(a: int) -> int:
        return g($0a)
    """
# The project's settings and a file, a good edit, a wrong one, a word of the message.
CHECKED = {
    "mypy": (
        "//- mypy.ini\n[mypy]\nstrict = true\n",
        PYTHON,
        ("a.py", "g(a)", "g(a + 1)"),
        ("a.py", "g(a)", "g(str(a))"),
        "arg-type",
    ),
    "pyright": (
        "//- pyrightconfig.json\n{}\n",
        PYTHON,
        ("a.py", "g(a)", "g(a + 1)"),
        ("a.py", "g(a)", "g(str(a))"),
        'type "str" cannot be assigned to parameter "a"',
    ),
    "tsc": (
        '//- tsconfig.json\n{"compilerOptions": {"strict": true}}\n',
        """
    //- a.ts
    const old: string = 1;
    export function f(a: number): number {
      return $0a;
    }
    """,
        ("a.ts", "return a", "return a + 1"),
        ("a.ts", "return a", "return String(a)"),
        "TS2322",
    ),
}


@pytest.fixture(scope="session")
def tools() -> Path:
    """A folder with `bin` and `node_modules`; the programs know its path: it cannot be renamed."""
    home = TOOLS / "_".join((*PYTHON_TOOLS, *NODE_TOOLS)).replace("==", "-")
    complete = home / "complete"
    TOOLS.mkdir(parents=True, exist_ok=True)
    with FileLock(TOOLS / "lock", timeout=INSTALL_TIMEOUT_S):
        if not complete.exists():
            shutil.rmtree(home, ignore_errors=True)
            venv = (sys.executable, "-m", "venv", str(home))
            pip = (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *PYTHON_TOOLS)
            npm = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix")
            for command in (venv, pip, (*npm, str(home), *NODE_TOOLS)):
                subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S)
            complete.touch()
    return home


@pytest.fixture
def installed(tools, monkeypatch):
    """The tools on PATH, as a user has them."""
    places = (tools / "bin", tools / "node_modules" / ".bin", os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, places)))

    def has(it, name: str) -> None:
        if name in {"gofmt", "rustfmt"}:
            if not shutil.which(name):
                pytest.skip(f"no {name} on this machine")
            return
        modules = it.desk.root / "node_modules"
        shutil.copytree(tools / "node_modules", modules, symlinks=True, copy_function=_linked)

    return has


@pytest.mark.parametrize("name", FORMATTED)
def test_the_formatters_themselves_are_run_over_what_was_written(tmp_path, installed, name):
    text, (old, new), line = FORMATTED[name]
    with climbing(tmp_path, text, settings=TRUSTED) as it:
        installed(it, name)
        proposal = it.proposal({it.it.path: [(old, new)]})
        done = asyncio.run(verify.formatted(it.it, proposal, it.rules))
        assert line in done.changes[0].after
        checks = asyncio.run(verify.ladder(it.it, done, it.rules))
        assert failed(checks) == "", checks
        assert any(check.name == "format" and check.passed for check in checks), checks
        assert failed(it.checks({it.it.path: [(old, new)]})) == "format"


@pytest.mark.parametrize("name", CHECKED)
def test_the_type_checkers_themselves_are_asked(tmp_path, installed, name):
    """What they had said of the file before does not count."""
    config, text, good, wrong, word = CHECKED[name]
    with climbing(tmp_path, config + _dedented(text), settings=TRUSTED) as it:
        installed(it, name)
        passed = it.checks({good[0]: [good[1:]]})
        assert failed(passed) == "", passed
        assert any(check.name == "types" and check.passed for check in passed), passed
        refused = it.checks({wrong[0]: [wrong[1:]]})
        assert failed(refused) == "types", refused
        assert word in refused[-1].detail
        assert "ghostwright-check" not in refused[-1].detail


def _linked(source: str, place: str) -> None:
    """A second name of a file where the disk allows that: they are 100 MB."""
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


def _dedented(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line.removeprefix("    ") for line in lines).lstrip("\n")
