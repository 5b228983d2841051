# SPDX-License-Identifier: Apache-2.0
"""A repository of any size that looks like one: packages, imports, classes, calls, docs.

In: a folder, a number of files, a seed. Out: the files on the disk; the same for the same seed.
Names follow the long tail that names have: a few are everywhere, most are in one file.

    python synthetic.py FOLDER FILES
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

FILES_A_FOLDER = 10
OLD_NS = 1_700_000_000_000_000_000  # long ago: no file is too young to be trusted
_VERBS = ("get", "set", "load", "save", "parse", "render", "merge", "check", "build", "send")
_NOUNS = ("order", "cart", "user", "price", "token", "page", "query", "field", "route", "event")


def module_path(number: int) -> str:
    """Where the n-th module is: three levels of packages."""
    folder = number // FILES_A_FOLDER
    return f"pkg{folder // 100:02}/part{folder % 100:02}/mod{number:05}.py"


def name_of(number: int, noun: int) -> str:
    return f"{_VERBS[noun % 10]}_{_NOUNS[(noun // 10) % 10]}_{number}"


def class_of(number: int) -> str:
    return f"{_NOUNS[number % 10].title()}{_VERBS[(number // 10) % 10].title()}{number}"


def module_text(number: int, total: int, chance: random.Random) -> str:
    """A module of some 40 lines: imports of earlier modules, a class, functions that call."""
    others = [int(total * chance.random() ** 3) for _ in range(3)]
    lines = [f'"""Module {number}: {_NOUNS[number % 10]} handling."""', ""]
    for other in others:
        module = module_path(other)[:-3].replace("/", ".")
        lines.append(f"from {module} import {class_of(other)}, {name_of(other, other)}")
    lines += ["", "", f"class {class_of(number)}({class_of(others[0])}):"]
    for at in range(3):
        method = f"{_VERBS[(number + at) % 10]}{_NOUNS[at].title()}"
        lines += [
            f"    def {method}(self, item: {class_of(others[1])}, count: int = {at}):",
            f"        value = item.{_VERBS[at]}{_NOUNS[at].title()}(count)",
            f"        return self.{_NOUNS[at]}_cache[value] or {name_of(*others[2:] * 2)}(item)",
            "",
        ]
    for at in range(2):
        lines += [
            "",
            f"def {name_of(number, number + at)}(left, right={chance.randrange(99)}):",
            f"    first = {class_of(others[at])}(left)",
            f"    if first.{_NOUNS[chance.randrange(10)]} > right:",
            f"        return {name_of(others[at], others[at])}(first)",
            "    return first",
            "",
        ]
    return "\n".join(lines)


def make(folder: Path, files: int, seed: int = 1) -> None:
    """Write the repository, unless it is there already."""
    done = folder / f".made-{files}-{seed}"
    if done.exists():
        return
    chance = random.Random(seed)
    for number in range(files):
        path = folder / module_path(number)
        if number % FILES_A_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module_text(number, files, chance), "utf-8")
        os.utime(path, ns=(OLD_NS, OLD_NS))
    done.write_text("")


def main() -> None:
    make(Path(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    main()
