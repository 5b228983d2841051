# SPDX-License-Identifier: Apache-2.0
"""VS Code for tests: code-server from the package registry, made once outside the tree.

In: nothing but the environment (node, npm, a C++ compiler). Out: the path of a complete
code-server, and of a vsix made from the sources in `editors/vscode`. The folder's name carries the
version and a hash of the recipe; it is made under another name and renamed as the last step, so
what has the name is complete. Knows nothing of what the tests do with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil
from filelock import FileLock
from kept import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VERSION = "4.100.3"  # VS Code 1.100
SETUP_TIMEOUT_S = 1500  # 5 minutes on a machine that does nothing else
STEP_TIMEOUT_S = 900
START_TIMEOUT_S = 60
END_TIMEOUT_S = 5
BUILT = frozenset({"node_modules", "dist", "out"})  # of the extension: made, not written
PRIVATE = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
NOWHERE = '{"serviceUrl": "http://127.0.0.1:9/", "itemUrl": "http://127.0.0.1:9/"}'
PLAIN = {
    "files.autoSave": "off",  # as on a desktop: the browser's VS Code saves by itself
    "workbench.startupEditor": "none",
    "security.workspace.trust.startupPrompt": "always",
}
PROGRAMS = ("serve", "indexer.worker", "engine.shared")  # words of their command lines
SERVE = (
    *("--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-telemetry"),
    *("--disable-update-check", "--disable-getting-started-override"),
)

HERE = Path(__file__).parent
EXTENSION = HERE.parents[1] / "editors" / "vscode"

# (folder inside the tree, command, whether its exit code counts). A plain install fails: kerberos
# wants headers, ripgrep's script downloads from another host. node-pty's script fails after it has
# built the module. What matters is looked at afterwards, in _check.
TOP = "node_modules/code-server"
CODE = f"{TOP}/lib/vscode"
QUIET = ("--no-audit", "--no-fund", "--loglevel=error")
RECIPE: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("", ("npm", "install", "--ignore-scripts", *QUIET, f"code-server@{VERSION}"), True),
    (CODE, ("npm", "install", "--omit=dev", "--ignore-scripts", *QUIET), True),
    (CODE, ("npm", "rebuild", "@vscode/spdlog", "native-watchdog", "node-pty"), False),
    (f"{CODE}/extensions", ("npm", "install", "--omit=dev", "--ignore-scripts", *QUIET), True),
    ("", ("npm", "rebuild", "argon2", "--build-from-source"), True),
)


def code_server() -> Path:
    """code-server's entry for node, set up if need be. Raises OSError."""
    key = hashlib.sha256(repr(RECIPE).encode()).hexdigest()[:12]
    home = made(TOOLS / f"code-server-{VERSION}-{key}", _install)
    return home / TOP / "out" / "node" / "entry.js"


def made(home: Path, make: Callable[[Path], None]) -> Path:
    """`home`, made by `make` in a scratch folder and renamed when complete, by one process."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.parent / f"{home.name}.lock", timeout=SETUP_TIMEOUT_S):
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as scratch:
                tree = Path(scratch) / "tree"
                tree.mkdir()
                make(tree)
                tree.rename(home)
    return home


def _install(tree: Path) -> None:
    (tree / "package.json").write_text('{"private": true}', encoding="utf-8")
    for folder, command, counts in RECIPE:
        run(command, tree / folder, counts=counts)
    (tree / CODE / "node_modules.asar").symlink_to("node_modules", target_is_directory=True)
    _check(tree)


def _check(tree: Path) -> None:
    """What a failed build would lack, and the version that it says of itself."""
    modules = ("@vscode/spdlog", "node-pty", "native-watchdog")
    for name in modules:
        built = list((tree / CODE / "node_modules" / name / "build" / "Release").glob("*.node"))
        assert built, f"{name} was not built"
    entry = tree / TOP / "out" / "node" / "entry.js"
    shown = run(("node", str(entry), "--version"), tree)
    assert VERSION in shown, shown


def run(
    command: tuple[str, ...],
    folder: Path,
    *,
    counts: bool = True,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run one step. Returns what it printed. Raises OSError with the end of it."""
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(f"{command[0]} is needed to set up VS Code for tests")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=STEP_TIMEOUT_S,
        check=False,
    )
    if counts and done.returncode:
        raise OSError(f"{' '.join(command)} failed in {folder}:\n{done.stdout[-2000:]}")
    return done.stdout


def vsix() -> Path:
    """The extension, packaged from its sources as they are now; the same sources once."""
    sources = sorted(
        path
        for path in EXTENSION.rglob("*")
        if path.is_file() and not BUILT.intersection(path.relative_to(EXTENSION).parts)
    )
    digest = hashlib.sha256()
    for path in sources:
        if path.suffix != ".vsix":
            digest.update(path.relative_to(EXTENSION).as_posix().encode() + path.read_bytes())
    home = made(TOOLS / f"vsix-{digest.hexdigest()[:12]}", _package)
    return next(home.glob("*.vsix"))


def _modules(tree: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(EXTENSION / name, tree)
    run(("npm", "ci", "--ignore-scripts", *QUIET), tree)


def _package(tree: Path) -> None:
    """Build in a copy: nothing is written into the sources."""
    lock = hashlib.sha256((EXTENSION / "package-lock.json").read_bytes()).hexdigest()[:12]
    modules = made(TOOLS / f"vscode-modules-{lock}", _modules)
    copy = tree / "sources"
    shutil.copytree(EXTENSION, copy, ignore=shutil.ignore_patterns(*BUILT, "*.vsix"))
    (copy / "node_modules").symlink_to(modules / "node_modules", target_is_directory=True)
    said = run(("npm", "run", "package"), copy)
    built = [*copy.glob("*.vsix"), *copy.glob("dist/*.vsix")]
    assert len(built) == 1, said
    shutil.move(built[0], tree)
    shutil.rmtree(copy)


@dataclass(frozen=True, slots=True)
class Served:
    """A running code-server. Everything of it is below `home`."""

    url: str
    pid: int
    home: Path

    def window(self, folder: Path) -> str:
        """The address of a window with this folder open."""
        return f"{self.url}/?folder={quote(folder.as_posix())}"

    def servers(self) -> list[psutil.Process]:
        """Our own server processes, of all windows, not their parsing workers."""
        found = []
        for child in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "serve" in child.cmdline() and "--stdio" in child.cmdline():
                    found.append(child)
        return found


@contextlib.contextmanager
def serving(
    entry: Path,
    home: Path,
    extensions: tuple[Path, ...],
    settings: Mapping[str, object],
    environment: Mapping[str, str],
) -> Iterator[Served]:
    """code-server with a home of its own; one that is there is the same user, back again.

    The whole process group is ended afterwards.
    """
    # In a browser VS Code keeps what is set for the machine apart; on a desktop it is one file.
    ours = {name: value for name, value in settings.items() if name.startswith("ghostwright.")}
    for name, chosen in (("User", {**PLAIN}), ("Machine", ours)):
        place = home / "data" / name
        if not place.exists():
            place.mkdir(parents=True)
            (place / "settings.json").write_text(json.dumps(chosen), encoding="utf-8")
    folders = ("--user-data-dir", str(home / "data"), "--extensions-dir", str(home / "ext"))
    command = ("node", str(entry), "--config", os.devnull, *folders)
    private = {name: str(home / name.lower()) for name in PRIVATE}
    for folder in private.values():
        Path(folder).mkdir(mode=0o700, exist_ok=True)
    everything = {**os.environ, **private, "EXTENSIONS_GALLERY": NOWHERE, **environment}
    for each in extensions:
        run((*command, "--install-extension", str(each)), home, environment=everything)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *SERVE],
            env=everything,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Served(_address(process, home / "log"), process.pid, home)
        finally:
            end(process)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listening on (http://\S+?)/?\s", log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise OSError(f"code-server did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End code-server, its extension hosts and their servers."""
    started = [process.pid, *(each.pid for each in _children(process.pid))]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_TIMEOUT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pid in started[1:]:  # a terminal or a server may have a session of its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def processes(cache: Path) -> list[psutil.Process]:
    """Our own processes that keep their things in `cache`: servers, workers, the engine's host."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = each.cmdline()
            ours = any(word in words for word in PROGRAMS)
            if ours and each.environ().get("GHOSTWRIGHT_CACHE") == str(cache):
                found.append(each)
    return found


def program() -> Path:
    """The `ghostwright` of the environment that runs the tests."""
    found = shutil.which("ghostwright", path=str(Path(sys.executable).parent))
    if found is None:
        raise FileNotFoundError("no ghostwright beside the Python that runs the tests")
    return Path(found)


@contextlib.contextmanager
def here(
    home: Path,
    models: Path | None,
    extensions: tuple[Path, ...],
    *,
    named: bool = True,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[Served]:
    """VS Code for a user with these models, and our server named in a setting or only on PATH."""
    cache = home / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    if models is not None and not (cache / "models").exists():
        (cache / "models").symlink_to(models, target_is_directory=True)
    environment = {"GHOSTWRIGHT_CACHE": str(cache)}
    settings = dict(more)
    if named:
        settings["ghostwright.serverPath"] = str(program())
    else:
        # VS Code asks the user's login shell for PATH, so that is where it must be.
        (home / "home").mkdir(mode=0o700, exist_ok=True)
        line = f'export PATH="{program().parent}:$PATH"\n'
        (home / "home" / ".profile").write_text(line, encoding="utf-8")
    with serving(code_server(), home, extensions, settings, environment) as it:
        yield it
