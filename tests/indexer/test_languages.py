# SPDX-License-Identifier: Apache-2.0
"""Which language a file is, and that every tier holds what its letter promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tree_sitter_language_pack import get_language

from indexer import languages
from indexer.parse import extract

TIERS = {"A": 22, "B": 51, "C": 99}


def test_tiers_are_counted(capsys):
    """README and doctor state these numbers; this is where they come from."""
    counts = languages.tiers()
    with capsys.disabled():
        print(f"\ntiers: {counts}, {sum(counts.values())} grammars")
    assert counts == TIERS


def test_a_row_read_alone_is_the_row_of_the_table():
    assert {name: languages.language(name) for name in languages.table()} == languages.table()
    assert languages.language("text") is None


def test_reading_plain_python_loads_no_grammar():
    """A cold index begins when its workers can read: each slow import is awaited there."""
    code = (
        "import sys; known = set(sys.modules); import indexer.worker; "
        "from indexer.parse import read_parts; read_parts('python', b'import os'); "
        "slow = {'tree_sitter_language_pack', 'pathlib', '_hashlib'}; "
        "print(*(slow & (set(sys.modules) - known)))"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        cwd=Path(languages.__file__).parents[1],
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", [n for n, row in languages.table().items() if row.tier == "A"])
def test_tier_a_has_its_own_query(name):
    grammar = languages.grammar(name)
    purposes = set(grammar.actions)
    assert {"skip", "import"} <= purposes or name == "sql"
    assert any(purpose.startswith("def.") for purpose in purposes)


def check_tiers(names):
    """A grammar is in tier B exactly if its node kinds name definitions, and all grammars parse."""
    for name in names:
        tier = languages.table()[name].tier
        if tier == "B":
            assert languages.grammar(name).query is not None, name
        elif tier == "C":
            assert not languages.generic_query(get_language(name)), name
        assert extract(name, b"a b c\n").language == name


def test_tiers_b_and_c_are_what_the_generic_query_gives():
    check_tiers(sorted(languages.table())[::6])


@pytest.mark.slow
def test_tiers_b_and_c_are_what_the_generic_query_gives_to_all():
    check_tiers(languages.table())


def test_tier_b_finds_definitions():
    text = b"def f(x):\n    return x\n\ng = 1\n"
    assert [s.name for s in extract("starlark", text).symbols] == ["f"]
    text = b"class Shop {\n  int find(String id) { return 1; }\n}\n"
    assert "Shop" in [s.name for s in extract("dart", text).symbols]


def test_cobol_is_left_out():
    """Its grammar never returns from three words."""
    assert "cobol" not in languages.table()


def test_no_extension_has_two_languages():
    for part in ("extensions", "filenames", "shebangs"):
        names = [n for row in languages.table().values() for n in getattr(row, part)]
        assert len(names) == len(set(names)), part


DETECTED = """
src/shop.py         |                                    | python
SHOP.PY             |                                    | python
a/Makefile          |                                    | make
Dockerfile          |                                    | dockerfile
x.tsx               |                                    | tsx
bin/run             | #!/usr/bin/env python3             | python
bin/run             | #!/usr/bin/python3.11              | python
bin/run             | #!/usr/bin/env -S node --harmony   | javascript
bin/run             | #! /bin/bash -e                    | bash
bin/run             | #!                                 | text
notes               |                                    | text
archive.unknown     | #!/bin/sh                          | bash
"""


@pytest.mark.parametrize("row", [r for r in DETECTED.splitlines() if r], ids=str.strip)
def test_detect(row):
    path, head, expected = re.split(r"\s*\|\s*", row.strip())
    assert languages.detect(path, head.encode()) == expected
