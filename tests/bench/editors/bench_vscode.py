# SPDX-License-Identifier: Apache-2.0
"""VS Code with the extension: time to the first suggestion, memory, and whether anything freezes.

    python -m tests.bench.editors.bench_vscode [FOLDER] [--files 50000] [--quick]

FOLDER holds the synthetic repository and is made where it is missing. Start: from opening the
window on tests/sample to ghost text, one line being typed as soon as there is an editor; cold is a
user's first time (no index, no saved state, no speed known), warm the same window opened again
after everything has ended. Freezing: keys are typed at a steady pace while the index of FOLDER is
built and the model loads, and for the same time without the extension. Real server, 0.5B model.
Needs what `make test-editors` needs.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine import catalogue, fetch
from tests.bench.editors import probe
from tests.bench.index import synthetic
from tests.bench.report import HEAD, Figure, number, percentile, row, say, spread

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]  # its modules find each other so
from tests.e2e import browser, vscode_editor
from tests.e2e.vscode_window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILES = 50_000
QUICK_FILES = 2_000
STARTER = "qwen2.5-coder-0.5b"
SAMPLE = Path(__file__).parents[2] / "sample"
AREA = 'def area(width, height):\n    """Area of a rectangle."""\n'
TYPED = "    return "
WORDS = "value of item "
PACE_MS = 120  # between two keys
FIRST_S = 240.0
INDEXED_S = 900.0
AIM_LONG_TASKS = 0.0


@contextlib.contextmanager
def opened(home: Path, vsixes: Sequence[Path]) -> Iterator[tuple[vscode_editor.Served, Window]]:
    """VS Code and a browser; the same folder again is the same user again."""
    models = models_folder()
    made = vscode_editor.here(home, models, tuple(vsixes))
    with made as served, browser.opened(home / "profile") as page:
        yield served, Window(page)


def models_folder() -> Path:
    found = fetch.locate(catalogue.find(STARTER))
    if found is None:
        raise SystemExit(f"no model: ghostwright models pull {STARTER}")
    return found.parent


def memory_mb(home: Path) -> dict[str, float]:
    """RSS of our processes whose cache is in `home`, by what they are."""
    sizes: dict[str, float] = {}
    for process in vscode_editor.processes(home / "cache"):
        kind = next(word for word in vscode_editor.PROGRAMS if word in process.cmdline())
        sizes[kind] = sizes.get(kind, 0.0) + process.memory_info().rss / 1e6
    return sizes


def first_suggestion(
    home: Path, project: Path, *, again: bool
) -> tuple[float, str, dict[str, float]]:
    """Seconds from opening to ghost text, the text, and the memory then."""
    (project / "area.py").write_text(AREA, encoding="utf-8")
    with opened(home, () if again else (vscode_editor.vsix(),)) as (served, window):
        started = time.perf_counter()
        window.open(served.window(project), trust=True)  # its address is new, so it asks
        window.edit(project / "area.py")
        window.end()
        window.type(TYPED)
        ghost = window.until("ghost text", window.ghost, FIRST_S)
        took = time.perf_counter() - started
        return took, ghost, memory_mb(home)


def typing(home: Path, root: Path, seconds: float | None) -> tuple[probe.Felt, float]:
    """Type until the index is there and the model loaded; or for some seconds, without us."""
    home.mkdir()
    package, file = probe.extension(home)
    extensions = (package,) if seconds is not None else (package, vscode_editor.vsix())
    with opened(home / "vscode", extensions) as (served, window):
        window.open(served.window(root), trust=True)
        window.edit(root / synthetic.module_path(0))
        window.end()
        skip, started = probe.begin(window.page, file), time.perf_counter()
        limit = seconds if seconds is not None else INDEXED_S
        while time.perf_counter() - started < limit:
            window.page.keyboard.type(WORDS, delay=PACE_MS)
            status = window.status() if seconds is None else ""
            if "ready" in status and "files indexed" in status and " of " not in status:
                break
        took = time.perf_counter() - started
        return probe.felt(window.page, file, skip), took


def start_figures(scratch: Path) -> Iterator[Figure]:
    project = scratch / "ledger"
    shutil.copytree(SAMPLE, project)
    for name in ("cold", "warm"):
        home = scratch / "start"
        took, ghost, sizes = first_suggestion(home, project, again=name == "warm")
        yield Figure("VS Code: opening to first suggestion", name, took, "s", note=f"{ghost!r}")
        parts = ", ".join(f"{kind} {number(size)}" for kind, size in sorted(sizes.items()))
        yield Figure("VS Code: memory of the server", name, sum(sizes.values()), "MB", note=parts)
        yield Figure("VS Code: characters a key", name, float(len(ghost)), note="one Tab takes it")


def freeze_figures(scratch: Path, root: Path, files: int) -> Iterator[Figure]:
    with_us, seconds = typing(scratch / "with", root, None)
    without, _ = typing(scratch / "without", root, seconds)
    for name, it in (("with", with_us), ("without", without)):
        data = f"{files:,} files, {name}, {len(it.keys)} keys in {seconds:.0f} s"
        long = it.long_tasks
        note = f"{number(max(it.tasks, default=0.0))} ms the longest, {number(sum(long))} ms in all"
        yield Figure("VS Code: long tasks over 100 ms", data, float(len(long)), "", note=note)
        for what, values in (
            ("a frame", it.frames),
            ("a key to its text", it.keys),
            ("extension host, a timer late by", it.late),
        ):
            p95 = percentile(values, 0.95) if values else None
            note = spread(values) if values else "nothing was seen"
            yield Figure(f"VS Code: {what}, p95", data, p95, "ms", note=note)


def main() -> None:
    parser = argparse.ArgumentParser(description="VS Code: first suggestion, memory, freezing")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FILES} files")
    parser.add_argument("--only", choices=("start", "freeze"))
    given = parser.parse_args()
    files = QUICK_FILES if given.quick else given.files
    vscode_editor.code_server()  # not while anything is measured
    vscode_editor.vsix()
    figures = []
    with tempfile.TemporaryDirectory(prefix="gw-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        if given.only != "freeze":
            for figure in start_figures(scratch):
                say(figure)
                figures.append(figure)
        if given.only != "start":
            root = (given.folder or scratch / "repository").resolve()
            root.mkdir(parents=True, exist_ok=True)
            synthetic.make(root, files)
            for figure in freeze_figures(scratch, root, files):
                say(figure)
                figures.append(figure)
    print("\n".join((HEAD, *map(row, figures))), file=sys.stderr)


if __name__ == "__main__":
    main()
