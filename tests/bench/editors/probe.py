# SPDX-License-Identifier: Apache-2.0
"""What a bench looks through: into the page of VS Code, and into its extension host.

In: a page, a folder. Out: long tasks, frames and the time from a key to its text, in milliseconds;
and how late timers of the extension host were. The extension host is looked into by an extension of
a few lines that does nothing else: all extensions share its event loop. Knows no server.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

TICK_MS = 20
LONG_MS = 100.0  # a task of the page that a person notices

# From the key to the frame after the text has changed. Keys that wait together share the frame.
PAGE = """() => {
    const seen = window.__seen = {tasks: [], frames: [], keys: []};
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
    }).observe({type: "longtask"});
    let last = performance.now(), pending = [];
    const frame = now => {
        seen.frames.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    addEventListener("keydown", event => {
        if (event.key.length === 1) pending.push(performance.now());
    }, true);
    new MutationObserver(records => {
        if (!pending.length || !records.some(record => {
            const node = record.target.nodeType === 1 ? record.target : record.target.parentElement;
            return node && node.closest(".view-lines");
        })) return;
        const waiting = pending;
        pending = [];
        requestAnimationFrame(() => {
            for (const since of waiting) seen.keys.push(performance.now() - since);
        });
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
HOST = """
const fs = require("fs");
exports.activate = () => {
    let last = performance.now();
    setInterval(() => {
        const now = performance.now();
        fs.appendFile(FILE, Math.max(0, now - last - TICK).toFixed(1) + "\\n", () => {});
        last = now;
    }, TICK);
};
"""
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
<Metadata><Identity Language="en-US" Id="probe" Version="0.0.1" Publisher="bench"/>
<DisplayName>probe</DisplayName><Description>timers</Description></Metadata>
<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
<Dependencies/><Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest"
Path="extension/package.json" Addressable="true"/></Assets></PackageManifest>
"""
TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension=".json" ContentType="application/json"/>
<Default Extension=".js" ContentType="application/javascript"/>
<Default Extension=".vsixmanifest" ContentType="text/xml"/></Types>
"""


@dataclass(frozen=True, slots=True)
class Felt:
    """Milliseconds, each list in the order of time."""

    tasks: list[float]  # of the page, above 50 ms: shorter ones are not told
    frames: list[float]  # from one to the next
    keys: list[float]  # from a key to its text on the screen
    late: list[float]  # timers of the extension host

    @property
    def long_tasks(self) -> list[float]:
        return [took for took in self.tasks if took > LONG_MS]


def extension(folder: Path) -> tuple[Path, Path]:
    """A vsix that watches the extension host, and the file that it writes into."""
    package, file = folder / "probe.vsix", folder / "late.txt"
    described = {
        "name": "probe",
        "publisher": "bench",
        "version": "0.0.1",
        "engines": {"vscode": "^1.90.0"},
        "main": "main.js",
        "activationEvents": ["*"],
        "extensionKind": ["workspace"],
        "capabilities": {"untrustedWorkspaces": {"supported": True}},
    }
    script = HOST.replace("FILE", json.dumps(str(file))).replace("TICK", str(TICK_MS))
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("extension.vsixmanifest", MANIFEST)
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("extension/package.json", json.dumps(described))
        archive.writestr("extension/main.js", script)
    return package, file


def begin(page: Page, file: Path) -> int:
    """Look from now on; how much of the extension host's file is of before."""
    page.evaluate(PAGE)
    return file.stat().st_size if file.exists() else 0


def felt(page: Page, file: Path, skip: int) -> Felt:
    """What there was since `begin`."""
    seen = page.evaluate("() => window.__seen")
    lines = file.read_bytes()[skip:].decode().splitlines() if file.exists() else []
    return Felt(seen["tasks"], seen["frames"], seen["keys"], [float(line) for line in lines])
