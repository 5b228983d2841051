# SPDX-License-Identifier: Apache-2.0
"""The extension's manifest against the server, its sources and its files.

What the editor offers and the server does not know, or the other way round, is found here and not
by a user. No editor runs: that is `test_vscode.py`.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import asdict
from pathlib import Path

import pytest

from lsp_server.protocol import actions
from lsp_server.protocol.server import COMMANDS
from lsp_server.settings import RANGES, WORDS, Settings

EXTENSION = Path(__file__).parents[2] / "editors" / "vscode"
MANIFEST = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
LOCK = (EXTENSION / "package-lock.json").read_text(encoding="utf-8")
CONTRIBUTED = MANIFEST["contributes"]
SOURCE = "\n".join(path.read_text("utf-8") for path in sorted((EXTENSION / "src").glob("*.ts")))
DECLARED = {
    name.removeprefix("ghostwright."): entry
    for name, entry in CONTRIBUTED["configuration"]["properties"].items()
}
OWN = {"serverPath", "serverPackage"}  # of the extension; the server would not know them
# A folder of somebody else must not say what is started, loaded, read, sent, or how much is used.
GUARDED = OWN | {
    *("model", "modelPath", "lora", "shared", "exclude", "logLevel"),
    *("remote.url", "remote.model", "remote.apiKeyEnv", "remote.standIn"),
    *("verify.testCommand", "verify.timeoutS"),
    *("threads", "gpuLayers", "kvType", "stateDiskMb", "contextTokens"),
}
# Of VS Code's own inline suggestions and refactors, which we leave to it.
TAKEN = {"tab", "escape", "ctrl+right", "alt+]", "alt+[", "ctrl+shift+r", "ctrl+i", "ctrl+space"}


def flat(settings: Settings) -> dict[str, object]:
    """The server's settings with their defaults, groups by dots, as JSON has them."""
    found: dict[str, object] = {}
    for name, value in asdict(settings).items():
        if name in ("remote", "verify"):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def registered() -> set[str]:
    """Commands that the sources give to VS Code."""
    table = SOURCE.split("const commands: Record", 1)[1].split("};", 1)[0]
    return set(re.findall(r"'(ghostwright\.\w+)':", table))


def test_every_setting_of_the_server_is_offered_with_its_default():
    offered = {name: entry["default"] for name, entry in DECLARED.items() if name not in OWN}
    assert offered == flat(Settings())


@pytest.mark.parametrize(("name", "entry"), DECLARED.items(), ids=DECLARED)
def test_a_setting_says_what_the_server_takes(name, entry):
    words = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}
    assert entry["type"] == words[type(entry["default"])]
    assert entry["markdownDescription"].rstrip("*").endswith(".")
    last = name.rpartition(".")[2]
    assert (entry.get("minimum"), entry.get("maximum")) == RANGES.get(last, (None, None))
    assert tuple(entry.get("enum", ())) == WORDS.get(last, ())


def test_S8_a_folder_that_is_not_trusted_decides_nothing_that_matters():
    trust = MANIFEST["capabilities"]["untrustedWorkspaces"]
    assert trust["supported"] == "limited"
    assert set(trust["restrictedConfigurations"]) == {f"ghostwright.{name}" for name in GUARDED}
    assert set(DECLARED) >= GUARDED


def test_S8_where_the_server_is_never_comes_from_a_folder():
    assert {DECLARED[name]["scope"] for name in OWN} == {"machine"}


def test_every_command_is_declared_and_registered():
    declared = {command["command"] for command in CONTRIBUTED["commands"]}
    assert registered() == declared | {actions.INSTRUCT}


def test_no_command_has_the_name_of_one_of_the_server():
    """The client registers those of the server itself; a second one of that name throws."""
    assert registered() & set(COMMANDS) == set()


def test_the_server_has_every_command_that_is_asked_of_it():
    asked = set(re.findall(r"\.ask(?:<\w+(?:<\w+>)?>)?\('([^']+)'", SOURCE))
    assert len(asked) > 5
    assert asked - set(COMMANDS) == set()


@pytest.mark.parametrize("part", ["keybindings", "menus", "walkthroughs"])
def test_what_is_offered_names_declared_commands(part):
    declared = {command["command"] for command in CONTRIBUTED["commands"]}
    text = json.dumps(CONTRIBUTED[part])
    named = set(re.findall(r'"command": "(ghostwright\.\w+)"', text))
    named |= set(re.findall(r"(?:command|onCommand):(ghostwright\.\w+)", text))
    assert named
    assert named <= declared


def test_keys_are_free_and_only_where_they_mean_something():
    for binding in CONTRIBUTED["keybindings"]:
        assert binding["key"] not in TAKEN
        assert "ghostwright.running" in binding["when"]
    keys = [binding["key"] for binding in CONTRIBUTED["keybindings"]]
    assert len(keys) == len(set(keys))


def test_a_context_that_is_waited_for_is_set_somewhere():
    waited = set(re.findall(r"(?:onContext:|[&\s\"])ghostwright\.(\w+)\"", json.dumps(CONTRIBUTED)))
    waited |= set(re.findall(r"&& ghostwright\.(\w+)", json.dumps(CONTRIBUTED)))
    set_ = set(re.findall(r"setContext\('(\w+)'", SOURCE))
    contexts = waited - {name.removeprefix("ghostwright.") for name in registered()} - set(DECLARED)
    assert contexts
    assert contexts <= set_


def test_every_file_that_is_named_is_there_and_goes_into_the_package():
    media = [
        step["media"]["markdown"] for each in CONTRIBUTED["walkthroughs"] for step in each["steps"]
    ]
    readme = (EXTENSION / "README.md").read_text(encoding="utf-8")
    named = [MANIFEST["icon"], *media, *re.findall(r"!\[[^]]*\]\(([^)]+)\)", readme)]
    named += ["README.md", "CHANGELOG.md", "LICENSE"]
    assert [name for name in named if not (EXTENSION / name).is_file()] == []
    packed = (EXTENSION / ".vscodeignore").read_text(encoding="utf-8").split()
    assert [n for n in named if f"!{n}" not in packed and not n.startswith("media/")] == []
    assert "!media/**" in packed


def test_the_icon_is_128_pixels_square():
    head = (EXTENSION / MANIFEST["icon"]).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (128, 128)


def test_L1_the_lock_pins_everything_with_a_hash_and_names_no_host():
    packages = json.loads(LOCK)["packages"]
    assert [word for word in ('"resolved"', "registry", ".tgz") if word in LOCK] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []
    wanted = {**MANIFEST["dependencies"], **MANIFEST["devDependencies"]}
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_L5_what_is_bundled_may_be_given_on_and_its_licences_go_along():
    packages = json.loads(LOCK)["packages"]
    bundled = {name: e["license"] for name, e in packages.items() if name and not e.get("dev")}
    assert set(bundled.values()) <= {"MIT", "ISC", "BlueOak-1.0.0"}
    packed = (EXTENSION / ".vscodeignore").read_text(encoding="utf-8").split()
    assert "!dist/LICENSES.txt" in packed


def test_it_has_the_server_s_version_and_licence():
    text = (EXTENSION.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{MANIFEST["version"]}"' in text
    assert f"ghostwright-{MANIFEST['version']}.vsix" in MANIFEST["scripts"]["package"]
    assert f"## {MANIFEST['version']}" in (EXTENSION / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (EXTENSION / "LICENSE").read_bytes() == (EXTENSION.parents[1] / "LICENSE").read_bytes()


def test_no_shell_is_asked():
    assert "shell: true" not in SOURCE
    assert not re.search(r"\bexec(?:Sync|File)?\(", SOURCE)
