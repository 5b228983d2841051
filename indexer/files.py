# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH118  strings: Path objects take ten times as long, 50,000 times
"""Which files may be read, and how their bytes become text.

In: a root folder, a `Policy`. Out: relative paths; a `Source` as UTF-8, or `Skipped` with a reason.
What a file says is never run. It does not know languages, parsers or what is done with the text.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from indexer.listing import list_files
from indexer.policy import Refused, open_decided, read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.policy import Decision, Opened, Policy

MAX_FILE_BYTES = 1_048_576  # larger ones are data; the largest source files of large projects fit
HEAD_BYTES = 8_192  # what is read before a file is judged
MAX_CONTROL_SHARE = 0.05  # of the head; text has next to none, compressed data a tenth
MAX_LINE_CHARS = 5_000  # in the head; no one writes such a line, and no parser enjoys it
MAX_MEAN_LINE_CHARS = 300  # of the head, where it has at least a kilobyte
MIN_JUDGED_CHARS = 1_024
MAX_DETECTED_BYTES = 65_536  # of the lines that are not ASCII; more adds time, no certainty

# fmt: off
_LOCK_FILES = frozenset({
    "bun.lock", "cargo.lock", "cartfile.resolved", "composer.lock", "conda-lock.yml",
    "deno.lock", "flake.lock", "gemfile.lock", "go.sum", "gradle.lockfile", "mix.lock",
    "npm-shrinkwrap.json", "package-lock.json", "package.resolved", "packages.lock.json",
    "pdm.lock", "pipfile.lock", "pixi.lock", "pnpm-lock.yaml", "podfile.lock",
    "poetry.lock", "pubspec.lock", "uv.lock", "yarn.lock",
})
# fmt: on
_MINIFIED_NAME = re.compile(r"[.-]min\.(?:js|mjs|cjs|css)$")
_GENERATED_NAME = re.compile(r"\.(?:js|mjs|cjs|css|d\.ts)\.map$")
# Markers count in comments only: a program that writes them has them in its strings.
_GENERATED_MARK = re.compile(
    rb"^[ \t]*(?://|#|/?\*|;|--|<!--|%|\(\*|\{-)[^\n]*?(?:@generated\b|<auto-?generated"
    rb"|(?:auto(?:matically)?[- ]?|code |file (?:is|was) )generated\b[^\n]*(?:do not|don't) "
    rb"(?:edit|modify)|(?:do not|don't) (?:edit|modify)[^\n]*\bgenerated\b"
    rb"|this file (?:is|was|has been) auto(?:matically)?[- ]?generated)",
    re.IGNORECASE | re.MULTILINE,
)
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"
_BOMS = (  # the longer first: UTF-32's starts with UTF-16's
    ("utf-8", codecs.BOM_UTF8),
    ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
)
# Detection is good at these and poor at telling Latin code pages from one another.
_DETECTED_WELL = re.compile(
    r"big5|cp9\d\d|euc|gb|johab|shift_jis|koi8|iso8859_[5678]$|cp125[13567]$|cp86[26]$"
)

# A Mac wrote these until 2001; today they are only mistaken for cp1251 and its like.
_BYGONE_ENCODINGS = [f"mac_{name}" for name in ("cyrillic", "greek", "iceland", "latin2", "roman")]
_DECLARATION = re.compile(rb"(?:[^\n]*\n)?[^\n]*?coding[:=][ \t]*([-.\w]+)")
_CHARSET_NAME = re.compile(r"iso8859|cp\d|koi8|euc|shift_jis|gb|big5|mac|johab|hp_roman|tis")


@dataclass(frozen=True, slots=True)
class Source:
    """A text file, read once."""

    path: str  # relative to its root, forward slashes
    root: str
    data: bytes  # the text as UTF-8 without BOM, line ends as in the file
    encoding: str  # of the file, as `encode` takes it
    bom: bool
    newline: str  # "\n", "\r\n", "\r" or "mixed"; "\n" where there is none
    content_hash: str  # of the bytes as they are on the disk
    mtime_ns: int  # from before the bytes were read
    size: int  # bytes on the disk


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no source. reason: one of the policy's, or huge, binary, minified, generated,
    empty, unreadable, vanished.
    """

    path: str  # relative; "" where it is outside every root
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a root that may be read, and how many may not, for which reason."""

    allowed: tuple[Decision, ...]  # in the order of their paths; what a link points to comes once
    skipped: dict[str, int]


class Decoded(NamedTuple):
    """Text, and what `encode` needs to make the same bytes of it."""

    text: str
    encoding: str
    bom: bool


def list_allowed(policy: Policy, root: str) -> Listing:
    """What to index below `root`, which is one of the policy's roots."""
    real = os.path.realpath(root)
    skipped: Counter[str] = Counter()
    allowed = []
    for decision in policy.decide_all(os.path.join(real, name) for name in list_files(real)):
        if decision.allowed and not decision.via_link:
            allowed.append(decision)
        else:
            skipped[decision.reason or "symlink"] += 1
    return Listing(tuple(allowed), dict(skipped))


# --- how bytes become text ---


def read_source(policy: Policy, path: str) -> Source | Skipped:
    """Read a file by its absolute path; of one that is no source at most 8 KiB. Never raises."""
    return read_decided(policy.decide(path))


def read_decided(decision: Decision) -> Source | Skipped:
    """The same for a path that was decided on, as in a listing. Never raises."""
    try:
        with open_decided(decision) as opened:
            return _read_opened(opened)
    except Refused as refused:
        reason = refused.decision.reason
    except FileNotFoundError:
        reason = "vanished"
    except OSError:
        reason = "unreadable"
    return Skipped(decision.relative, reason)


def _read_opened(opened: Opened) -> Source | Skipped:
    path = opened.decision.relative
    size = opened.stat.st_size
    reason = _reason_by_name(path) or ("huge" if size > MAX_FILE_BYTES else "")
    if reason:
        return Skipped(path, reason)
    head = read_up_to(opened.file, HEAD_BYTES)
    if reason := reason_by_head(head):
        return Skipped(path, reason)
    raw = head + read_up_to(opened.file, MAX_FILE_BYTES + 1 - len(head))
    if len(raw) > MAX_FILE_BYTES:  # it grew while it was read
        return Skipped(path, "huge")
    decoded = decode(raw)
    data = decoded.text.encode("utf-8")
    if not data or b"\0" in data:
        return Skipped(path, "binary" if data else "empty")
    return Source(
        path=path,
        root=opened.decision.root,
        data=data,
        encoding=decoded.encoding,
        bom=decoded.bom,
        newline=newline_of(data),
        content_hash=hashlib.blake2b(raw, digest_size=16).hexdigest(),
        mtime_ns=opened.stat.st_mtime_ns,
        size=len(raw),
    )


def _reason_by_name(path: str) -> str:
    name = path.rpartition("/")[2].casefold()
    if name in _LOCK_FILES or _GENERATED_NAME.search(name):
        return "generated"
    return "minified" if _MINIFIED_NAME.search(name) else ""


def reason_by_head(head: bytes) -> str:
    """Why a file that begins so is no source: empty, binary, minified, generated; else ""."""
    if not head:
        return "empty"
    encoding, mark = next((row for row in _BOMS if head.startswith(row[1])), ("utf-8", b""))
    text = head[len(mark) :].decode(encoding, "ignore" if mark else "replace")
    plain = text.encode() if mark else head
    controls = len(plain) - len(plain.translate(None, _CONTROL_BYTES))
    if b"\0" in plain or controls > MAX_CONTROL_SHARE * len(plain):
        return "binary"
    lines = text.splitlines() or [""]
    longest = max(map(len, lines))
    dense = len(text) >= MIN_JUDGED_CHARS and len(text) > MAX_MEAN_LINE_CHARS * len(lines)
    if longest > MAX_LINE_CHARS or dense:
        return "minified"
    marked = b"generated" in plain.lower() and _GENERATED_MARK.search(plain)  # the cheap test first
    return "generated" if marked else ""


def decode(data: bytes) -> Decoded:
    """Text of any bytes: `encode(*decode(data)) == data`, always. Never raises."""
    for encoding, mark in _BOMS:
        if data.startswith(mark) and (text := _exact(data[len(mark) :], encoding)) is not None:
            return Decoded(text, encoding, bom=True)
    for encoding in _candidates(data):
        if (text := _exact(data, encoding)) is not None:
            return Decoded(text, encoding, bom=False)
    return Decoded(data.decode("latin-1"), "latin-1", bom=False)


def encode(text: str, encoding: str, bom: bool) -> bytes:
    """Bytes of a text, in the encoding it was read in. Raises UnicodeEncodeError where that has no
    such character: then the edit cannot be made without changing the file's encoding.
    """
    mark = dict(_BOMS)[encoding] if bom else b""
    return mark + text.encode(encoding)


def _candidates(data: bytes) -> Iterator[str]:
    """Encodings to try in turn, the dear one (detection) only when the bytes are not UTF-8."""
    yield "utf-8"
    if b"\0" in data:
        return  # no text in any encoding without a BOM
    if declared := _declared_encoding(data):
        yield declared
    telling = b"\n".join(line for line in data.split(b"\n") if not line.isascii())
    sample = telling[:MAX_DETECTED_BYTES]
    import charset_normalizer  # noqa: PLC0415  15 ms that a first answer has no use for

    best = charset_normalizer.from_bytes(sample, cp_exclusion=_BYGONE_ENCODINGS).best()
    detected = best.encoding if best else "latin-1"
    if _DETECTED_WELL.match(detected):
        yield detected
    if not re.search(rb"[\x80-\x9f]", data):
        yield "latin-1"
    yield "cp1252"
    yield detected


def _declared_encoding(data: bytes) -> str:
    """What the first two lines say to an editor or to Python; "" where that is no known charset."""
    found = _DECLARATION.match(data)
    try:
        name = codecs.lookup(found[1].decode("ascii")).name if found else ""
    except LookupError:
        return ""
    return name if _CHARSET_NAME.match(name) else ""


def _exact(data: bytes, encoding: str) -> str | None:
    """The text, if these bytes are valid in the encoding and come back from it unchanged."""
    try:
        text = data.decode(encoding)
        return text if encoding == "utf-8" or text.encode(encoding) == data else None
    except UnicodeError:
        return None


def newline_of(data: bytes) -> str:
    """The line end of a text: LF, CRLF, CR or the word mixed; LF where there is none."""
    if b"\r" not in data:
        return "\n"
    pairs = data.count(b"\r\n")
    counts = {
        "\r\n": pairs,
        "\n": data.count(b"\n") - pairs,
        "\r": data.count(b"\r") - pairs,
    }
    used = [newline for newline, count in counts.items() if count]
    return "mixed" if len(used) > 1 else used[0]
