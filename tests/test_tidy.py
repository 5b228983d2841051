# SPDX-License-Identifier: Apache-2.0
"""Tidiness is a test: directions of imports, licences, and that the README is true (L1, L5)."""

from __future__ import annotations

import ast
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from lsp_server import cli
from lsp_server.settings import Settings

ROOT = Path(__file__).parents[1]
ROOMS = ("lsp_server", "indexer", "engine")
MAY_IMPORT = {
    "lsp_server": {"lsp_server", "indexer", "engine"},
    "indexer": {"indexer"},
    "engine": {"engine"},
}
PROTOCOL = {"pygls", "lsprotocol"}
PERMISSIVE = (
    "MIT",
    "BSD",
    "Apache",
    "ISC",
    "PSF",
    "Python Software Foundation",
    "MPL",
    "Unlicense",
)
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def imports(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    assert imports(path) & set(ROOMS) <= MAY_IMPORT[room]
    if "protocol" not in path.parts:
        assert not imports(path) & PROTOCOL, "LSP stops at the door"
    if path.name != "llama.py":
        assert "xllamacpp" not in imports(path), "only llama.py touches llama.cpp"


@pytest.mark.parametrize("path", ["engine/types.py", "indexer/types.py"])
def test_types_import_nothing_of_ours(path):
    if (ROOT / path).exists():
        assert not imports(ROOT / path) & set(ROOMS)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def test_every_source_names_its_licence():
    sample = ROOT / "tests" / "sample"
    bare = [
        path.relative_to(ROOT).as_posix()
        for path in tracked("*.py", "*.lua", "*.ts", "*.mjs", "*.el", "*.toml", "*.scm", "Makefile")
        if sample not in path.parents
        and "samples" not in path.parts
        and path.name != "pyproject.toml"
        and "SPDX-License-Identifier: Apache-2.0" not in path.read_text("utf-8").split("\n\n")[0]
    ]
    assert bare == []


def test_every_module_says_what_it_is():
    bare = [p.name for p in SOURCES if p.name != "__init__.py" and not ast.get_docstring(_tree(p))]
    assert bare == []


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def required() -> set[str]:
    """Names of the run-time dependencies in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]
    return {name.lower() for name in re.findall(r'^\s*"([A-Za-z0-9_-]+)', block, re.MULTILINE)}


def test_the_readme_gives_a_reason_for_each_dependency_and_for_no_other():
    table = README.split("## Dependencies", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == required()


def test_the_readme_lists_every_setting_with_its_default():
    table = README.split("## Settings", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([A-Za-z]+)", table, re.MULTILINE)
    assert rows == list(Settings.__dataclass_fields__)


def test_the_readme_names_every_command():
    assert [name for name in cli.COMMANDS if f"ghostwright {name}" not in README] == []


def test_every_package_is_installed():
    """An editable install has them all; a wheel only those that are named."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r'"([\w.]+)"', text.split("\npackages = [", 1)[1].split("]", 1)[0])
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    assert sorted(named) == sorted(".".join(folder.parts) for folder in folders)


def test_locks_pin_everything_with_hashes_and_name_no_host():
    for path in (ROOT / "requirements.lock", ROOT / "tests" / "requirements.lock"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert "==" in entry, entry
            assert "--hash=sha256:" in entry, entry
    locked = (ROOT / "requirements.lock").read_text("utf-8").lower().replace("_", "-")
    assert [n for n in required() if f"{n.replace('_', '-')}==" not in locked] == []


def test_licences_of_what_we_ship_with_are_permissive():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    unknown = []
    for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE):
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        stated = about.get("License-Expression") or about.get("License") or ""
        classified = " ".join(about.get_all("Classifier") or ())
        words = f"{stated[:80]} {classified}"
        if not any(licence in words for licence in PERMISSIVE) or "GPL" in stated[:80]:
            unknown.append(f"{name}: {stated[:40]}")
    assert unknown == []


def test_nothing_of_the_workplace_is_named():
    """Registry hosts, folders of a machine: users have neither."""
    forbidden = re.compile(r"pypi\.org|registry\.npmjs|files\.pythonhosted|(?<![\w.])/(work|farm)/")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if path != Path(__file__)
        and path.suffix in (".py", ".md", ".toml", ".lock", ".yml", ".lua", ".ts", ".json", "")
        and path.stat().st_size < 1 << 20
        and forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
