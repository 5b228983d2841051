# SPDX-License-Identifier: Apache-2.0
"""From opening Neovim to the first suggestion, and what the server holds in memory then.

    python -m tests.bench.editors.bench_neovim [--quick]

A real Neovim, the real server, the 0.5B model, a file of 60 bytes. Cold: a cache folder with the
model and nothing else, so that the repository is indexed and the prompt is read; warm: the next
start with what the first has kept. The file of the model is in the system's cache both times.
ROUNDS times, medians. Keys to accept are counted in the plug-in's own configuration.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from pathlib import Path

from engine import catalogue, fetch
from tests.bench.report import Figure, say
from tests.e2e import neovim_editor

ROUNDS, QUICK_ROUNDS = 5, 1
DEADLINE_S = 120
MODEL = "qwen2.5-coder-0.5b"
CODE = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n"
WHAT = {
    "first_ms": "opening Neovim to the first suggestion",
    "next_ms": "first key of the next two lines to the next suggestion",
    "rss_bytes": "the server's memory then, the model's file included",
}


def one(nvim: Path, models: Path, scratch: Path) -> dict[str, dict[str, float]]:
    """One cold and one warm start: {cold: {...}, warm: {...}}."""
    project, cache = scratch / "project", scratch / "cache"
    (project / ".git").mkdir(parents=True)
    cache.mkdir()
    (cache / "models").symlink_to(models, target_is_directory=True)
    found = {}
    for state in ("cold", "warm"):
        (project / "calc.py").write_text(CODE, encoding="utf-8")
        folder = scratch / state
        folder.mkdir()
        environment = {**neovim_editor.homes(folder), "GHOSTWRIGHT_CACHE": str(cache)}
        done = neovim_editor.run("first", nvim, project, environment, DEADLINE_S)
        if done.returncode:
            raise SystemExit(done.stdout)
        found[state] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def figures(rounds: list[dict[str, dict[str, float]]]) -> list[Figure]:
    made = []
    for state in ("cold", "warm"):
        for name, what in WHAT.items():
            values = [each[state][name] for each in rounds]
            scale, unit = (1e6, "MB") if name == "rss_bytes" else (1e3, "s")
            middle = statistics.median(values) / scale
            note = f"median of {len(values)}: {min(values) / scale:.2f}-{max(values) / scale:.2f}"
            made.append(Figure(what, f"Neovim, {state}", middle, unit, note=note))
    config = (neovim_editor.PLUGIN / "lua/ghostwright/config.lua").read_text(encoding="utf-8")
    key = re.search(r'^    accept = "(<[^"]+>)"', config, re.MULTILINE)
    assert key is not None
    made.append(Figure("keys to accept", "Neovim", 1.0, "key", note=key[1]))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Neovim: time to the first suggestion, memory")
    parser.add_argument("--quick", action="store_true", help="one round")
    rounds = QUICK_ROUNDS if parser.parse_args().quick else ROUNDS
    model = fetch.locate(catalogue.find(MODEL))
    if model is None:
        note = f"no model; run: ghostwright models pull {MODEL}"
        say(Figure(WHAT["first_ms"], "Neovim", None, note=note))
        return
    nvim, found = neovim_editor.neovim(), []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="ghostwright-") as scratch:
            found.append(one(nvim, model.parent, Path(scratch)))
    for each in figures(found):
        say(each)


if __name__ == "__main__":
    main()
