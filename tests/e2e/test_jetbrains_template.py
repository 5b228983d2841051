# SPDX-License-Identifier: Apache-2.0
"""The folder for LSP4IJ: every key is one that LSP4IJ reads, every setting is one of ours.

What LSP4IJ reads is in `lsp4ij_format.json`, with its source. Danger: LSP4IJ ignores what it does
not know, so that a wrong key is a feature that nobody gets, and no message says so.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from indexer import languages
from lsp_server.settings import RANGES, WORDS, Settings

FOLDER = Path(__file__).parents[2] / "editors" / "jetbrains"
FORMAT = json.loads(Path(__file__).with_name("lsp4ij_format.json").read_text("utf-8"))
FILES = {
    "template.json",
    "settings.json",
    "settings.schema.json",
    "initializationOptions.json",
    "clientSettings.json",
    "installer.json",
    "README.md",
}
MACROS = {"$USER_HOME$"}  # of the IDE, and known without a project


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def checker(definition: str) -> Any:
    return fastjsonschema.compile({**FORMAT, "$ref": f"#/definitions/{definition}"})


def plain(value: Any) -> Any:
    """Settings as JSON has them."""
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def task(chain: Any, *names: str) -> Any:
    """Follow a chain of the installer's tasks that succeed."""
    for at, name in enumerate(names):
        chain = chain[name] if at == 0 else chain["onSuccess"][name]
    return chain


def test_the_folder_has_the_files_that_lsp4ij_looks_for_and_no_others():
    assert {path.name for path in FOLDER.iterdir()} == FILES


@pytest.mark.parametrize("name", ["template", "installer", "clientSettings"])
def test_every_key_is_one_that_lsp4ij_reads(name: str):
    checker(name)(read(f"{name}.json"))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("template", {"programArguments": {"default": "x"}}),
        ("template", {"fileTypeMappings": [{"pattern": "*.py"}]}),
        ("installer", {"run": {"fileSystem": {"path": "x"}}}),
        ("installer", {"check": {"exec": {"name": "x", "command": "y", "cwd": "z"}}}),
        ("clientSettings", {"editor": {"inlineCompletion": True}}),
    ],
)
def test_the_check_can_fail(name: str, broken: dict[str, Any]):
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        checker(name)({**read(f"{name}.json"), **broken})


def test_settings_are_ours_with_their_defaults_and_no_others():
    settings, schema = read("settings.json"), read("settings.schema.json")
    assert settings == {"ghostwright": plain(Settings())}
    fastjsonschema.compile(schema)(settings)
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        fastjsonschema.compile(schema)({"ghostwright": {"modell": "x"}})


def test_the_schema_says_of_each_setting_what_the_server_says():
    def compare(schema: Any, default: Any, path: str) -> None:
        known = {one.name: getattr(default, one.name) for one in dataclasses.fields(default)}
        assert set(schema["properties"]) == set(known), path
        assert schema["additionalProperties"] is False
        for name, value in known.items():
            one = schema["properties"][name]
            assert one["description"].endswith("."), f"{path}{name} needs a sentence"
            assert one["default"] == plain(value), f"{path}{name}"
            limits = RANGES.get(name)
            assert (one.get("minimum"), one.get("maximum")) == (limits or (None, None)), name
            assert tuple(one.get("enum", ())) == WORDS.get(name, ()), name
            if dataclasses.is_dataclass(value):
                compare(one, value, f"{name}.")

    compare(read("settings.schema.json")["properties"]["ghostwright"], Settings(), "")


def test_initialization_options_do_not_stand_against_settings():
    """Both are sent at the start: a setting must not have two places."""
    assert read("initializationOptions.json") == {}


def test_every_language_that_is_read_in_full_is_mapped_once():
    mappings = read("template.json")["fileTypeMappings"]
    patterns = [pattern for one in mappings for pattern in one["fileType"]["patterns"]]
    assert len(patterns) == len(set(patterns))
    full = [one for one in languages.table().values() if one.tier == "A"]
    wanted = {f"*.{extension}" for one in full for extension in one.extensions}
    assert set(patterns) == wanted
    assert len({one["languageId"] for one in mappings}) == len(mappings)


def test_commands_are_the_same_everywhere():
    """What the installer makes is what is started, and what the page tells a person to make."""
    template, installer = read("template.json"), read("installer.json")
    chain = installer["run"]
    assert task(chain, "exec", "exec", "configureServer")["command"] == template["programArgs"]
    venv = task(chain, "exec")["command"]["default"]
    pip = task(chain, "exec", "exec")["command"]["default"]
    page = (FOLDER / "README.md").read_text("utf-8")
    assert " ".join(venv).replace("$USER_HOME$", "~") in page
    program = pip[0].removesuffix("/python").replace("$USER_HOME$", "~")
    assert f"{program}/pip install ~/ghostwright" in page
    assert installer["properties"]["clone"] == "$USER_HOME$/ghostwright"
    assert (
        f'"{program}/ghostwright" serve'.replace("~", "$USER_HOME$")
        in (template["programArgs"]["default"])
    )


def test_macros_are_the_ides_and_properties_are_declared():
    """`exec` replaces our properties in its folder only, never in its command."""
    template, installer = read("template.json"), read("installer.json")
    for text in strings([template["programArgs"], installer]):
        assert set(re.findall(r"\$[A-Z_]+\$", text)) <= MACROS
    known = {"server.command", *installer["properties"]}
    assert set(re.findall(r"\$\{([^}]+)\}", json.dumps(installer))) <= known
    commands = [task(installer["run"], "exec")["command"]]
    commands.append(task(installer["run"], "exec", "exec")["command"])
    assert "${" not in json.dumps(commands)


def test_the_page_names_each_file_and_what_was_run():
    page = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in FILES - {"README.md"})
    assert "no JetBrains IDE" in page
