# SPDX-License-Identifier: Apache-2.0
"""The dashboard as a person sees it: real command, real server and model, Chromium.

Screenshots go to the artefacts' folder.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from checks import ask_at, fake_session
from e2e import browser
from e2e.editor import Editor
from e2e.test_first_light import SAMPLE, begin, indexed
from kept import artefacts
from playwright.sync_api import expect

from lsp_server.explain import record

pytestmark = [pytest.mark.editor, pytest.mark.model]
DASHBOARD = (sys.executable, "-m", "lsp_server", "dashboard", "--json")
EVIL = "<script>window.taken = 1</script><img src=x onerror='window.taken = 2'>"
OPTIONS = {"contextTokens": 256, "maxSuggestionTokens": 16}  # seconds on a busy machine
# What is typed, and whether the text is asked for: that waits for the model, the rest is instant.
KEYS = (("la", False), ("m", False), ("b", False), ("da", True), (" entry", True))


@contextmanager
def dashboard():
    """The command, ended by Ctrl+C as people do; it must end in order."""
    process = subprocess.Popen(
        DASHBOARD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield json.loads(process.stdout.readline())["url"], process
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


@contextmanager
def background():
    """A loop in a thread, for the editor: Playwright's synchronous part wants this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def typing(it: Editor, sample: Path) -> list[dict]:
    """Some keys of a person, one after the other; the records of what was answered with a text."""
    uri, line, column = begin(it, sample)
    await indexed(it)
    found = []
    for typed, manual in KEYS:
        it.type(uri, line, column, typed)
        column += len(typed)
        await it.suggest(uri, line, column, manual=manual)
        found.append(await it.explain())
    return [each for each in found if each["text"]]


def status_of(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def amounts(bar) -> int:
    return sum(int(part.get_attribute("data-amount")) for part in bar.locator("i").all())


def check_bars(page, answers: list[dict]) -> None:
    """Each bar adds up to its prompt, and its second line to what was cached and evaluated."""
    cards = page.locator(".answer").all()  # newest first
    assert len(cards) == len(answers)
    for card, answer in zip(cards, reversed(answers), strict=True):
        assert card.locator("pre").text_content() == answer["text"]
        bars = card.locator(".bar").all()
        total = answer["prompt_tokens"]
        assert [amounts(bar) for bar in bars] == ([total, total] if total else [])
        widths = [bar.bounding_box()["width"] for bar in bars]
        assert not widths or widths[0] == pytest.approx(widths[1], abs=1)


def check_histogram(page, answers: list[dict]) -> None:
    counts = [int(c.get_attribute("data-count")) for c in page.locator(".columns > div").all()]
    assert sum(counts) == len(answers)
    took = [answer["answer_ms"] for answer in answers]
    assert sum(counts[:2]) == sum(ms <= 100 for ms in took)
    assert sum(counts[:4]) == sum(ms <= 300 for ms in took)


def shoot(page, name: str) -> None:
    page.screenshot(path=artefacts() / f"dashboard-{name}.png", full_page=True)


def shoot_all(page) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        shoot(page, scheme)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 800, "height": 900})
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wider) == 0
    shoot(page, "800")
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


@pytest.fixture
def seen(tmp_path):
    """A page, and what went wrong or elsewhere in it: must stay empty while the server lives."""
    with browser.opened(tmp_path / "profile") as page:
        page.problems = []
        page.asked = set()
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        bad = {"error", "warning"}
        page.on("console", lambda said: said.type in bad and page.problems.append(said.text))
        page.context.on("request", lambda r: page.asked.add(urlsplit(r.url).hostname))
        page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        yield page


def test_the_page_shows_what_a_real_server_did(starter_cache, sample, seen):
    place = starter_cache / "dashboard"
    with background() as run, dashboard() as (url, process):
        seen.goto(url)
        expect(seen.locator("#none h2")).to_have_text("No server is running")
        shoot(seen, "empty")
        it = Editor(sample)
        run(it.start(OPTIONS))
        run(it.settled())
        expect(seen.locator("#servers .badge")).to_have_text("ready")
        expect(seen.locator("#none")).to_be_hidden()
        time.sleep(1.0)  # the server knows by now that somebody looks
        answers = run(typing(it, sample))
        assert len(answers) >= 2
        assert any(answer["prompt_tokens"] for answer in answers)
        expect(seen.locator(".answer")).to_have_count(len(answers))
        check_bars(seen, answers)
        check_histogram(seen, answers)
        expect(seen.locator("#servers")).to_contain_text("files are indexed")
        expect(seen.locator("#servers .languages")).to_contain_text("python")
        expect(seen.locator("#acceptance [data-language=python]")).to_be_visible()
        resident = run(it.command("ghostwright.status"))["resident_tokens"]
        expect(seen.locator("#resident .languages")).to_contain_text(f"{resident:,} now")
        seen.locator("#hold").focus()
        seen.keyboard.press("Tab")  # the list, then what is folded: all without a mouse
        seen.locator("summary").first.focus()
        seen.keyboard.press("Enter")
        expect(seen.locator(".answer details[open] tbody tr").first).to_be_visible()
        shoot_all(seen)
        files = [path for path in place.iterdir() if path.suffix == ".json"]
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600]
        began = time.monotonic()
        (sample / ".ghostwrightignore").write_text("report.py\n")
        expect(seen.locator(".answer")).to_have_count(0)
        print(f"gone from the page {time.monotonic() - began:.2f} s after the rule was written")
        assert run(it.stop()) == 0
        expect(seen.locator("#none")).to_be_visible()
        assert not list(place.glob("*.json")), "a server takes its texts along"
        assert seen.problems == []
        assert seen.asked == {"127.0.0.1"}
        process.send_signal(signal.SIGINT)
        expect(seen.locator("#live")).to_contain_text("closed")
    assert list(place.iterdir()) == []


def test_text_of_files_is_text_and_servers_are_told_apart(starter_cache, seen):
    """S6: a suggestion is written by a model from what files say; it must not become the page."""
    sessions = [fake_session([EVIL]), fake_session(["second = 2"])]

    async def answer():
        for session in sessions:
            session.last.set(record(await ask_at(session, "<p>\n$0\n", manual=True)))

    async def stop():
        for session in sessions:
            session.warming.stop()
        await asyncio.sleep(0)

    with background() as run:
        for session in sessions:
            session.last.begin()
        with dashboard() as (url, _):
            seen.goto(url)
            expect(seen.locator(".server")).to_have_count(2)
            time.sleep(1.0)
            run(answer())
            expect(seen.locator(".answer")).to_have_count(2)
            texts = seen.locator(".answer pre").all_text_contents()
            assert sorted(texts) == sorted([EVIL, "second = 2"])
            assert seen.evaluate("window.taken") is None
            assert seen.locator(".answer script, .answer img").count() == 0
            assert seen.problems == []
        run(stop())
        for session in sessions:
            session.close()


def test_nobody_else_gets_in(starter_cache, seen):
    with dashboard() as (url, _):
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        for wrong in ("/", "/state.json", "/x/state.json", parts.path.rstrip("/"), "//state.json"):
            assert status_of(base + wrong) == 403, wrong
        assert status_of(url + "state.json") == 200
        assert status_of(url + "state.json", Host=f"evil.example:{parts.port}") == 403
        page = seen.goto(base + "/wrong/")
        assert page.status == 403
        seen.goto("about:blank")  # a page from elsewhere that knows the address cannot read it
        answer = seen.evaluate(f"fetch('{url}state.json').then(() => 'read', () => 'refused')")
        assert answer == "refused"
        assert seen.asked == {"127.0.0.1"}
