# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium for tests: the system's own, driven by Playwright.

In: nothing but the environment. Out: the path of a Chromium, and pages in it with a profile of
their own. The browser that Playwright would fetch is never used. Playwright's synchronous
interface: for tests that are no coroutines.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")  # Debian's; without a font there is no text to see
INSTALL_TIMEOUT_S = 600  # some hundred megabytes over a slow line
FLAGS = (
    "--no-sandbox",  # it refuses to start as root with one; pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowser(Exception):
    """There is no Chromium, and none can be had; one line says what to do."""


def chromium() -> Path:
    """The browser on PATH, else Debian's package where we may install it. Raises NoBrowser."""
    found = _found()
    if found is None:
        with FileLock(Path(tempfile.gettempdir()) / "ghostwright-chromium.lock"):
            found = _found() or _installed()
    return found


@contextmanager
def opened(profile: Path, size: tuple[int, int] = (1280, 800)) -> Iterator[Page]:
    """A page of `size` pixels in a browser of its own, closed at the end.

    `page.context` is its context; what a page asks for there can be routed or listened to.
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            args=list(FLAGS),
            headless=True,
            viewport={"width": size[0], "height": size[1]},
        )
        try:
            yield context.pages[0] if context.pages else context.new_page()
        finally:
            context.close()


def _found() -> Path | None:
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def _installed() -> Path:
    """Debian's package, by apt-get."""
    advice = f"no Chromium on PATH; on Debian: apt-get install {' '.join(PACKAGES)}"
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise NoBrowser(advice)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    try:
        for command in (["apt-get", "update", "--quiet"], install):
            subprocess.run(
                command, check=True, env=quiet, timeout=INSTALL_TIMEOUT_S, capture_output=True
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoBrowser(f"{advice} (tried: {error})") from error
    found = _found()
    if found is None:
        raise NoBrowser(advice)
    return found
