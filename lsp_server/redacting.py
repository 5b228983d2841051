# SPDX-License-Identifier: Apache-2.0
"""Keys and passwords in ordinary source, taken out of what is shown of other files (S2).

In: text. Out: the text with each value that looks like a secret replaced, its quotes and its line
kept. Known forms of keys by pattern; values of names such as `password`, and long strings without
any order in them, by their entropy. Names, numbers, paths and prose stay. It knows no file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

GONE = "<redacted>"
MIN_CHARS = 20  # of a string that is only suspicious because it has no order
NAMED_MIN_CHARS = 6  # of the value of a name that says it is secret
BITS_A_CHAR = 4.0  # hexadecimal digests have at most 4, base64 up to 6, words and paths below
HEX_MIN_CHARS = 32
HEX_BITS = 3.0  # of their four: `0000` is none
KINDS = 3  # of letters and digits that a key is mixed of
# How the keys of well-known services begin, and the blocks of private keys.
_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|npm_[A-Za-z0-9]{30,})"
    r"|\bpypi-[\w-]{40,}|\bxox[abeoprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}"
    r"|\b(?:sk|pk|rk)[-_](?:live|test|ant|proj|or)[-_][\w-]{12,}|\bsk-[A-Za-z0-9]{32,}"
    r"|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bhf_[A-Za-z0-9]{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*",
    re.DOTALL,
)
_PASSWORD_IN_ADDRESS = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,15}://[^\s:/@'\"`]*:)([^\s@'\"`{}$]+)(?=@)"
)
_NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|private_?key|auth_?key"
    r"|credentials?|client_?secret|signing_?key)[\w-]*['\"]?\]?\s*(?::\s*[\w&.<>' ]+)?"
    r"(?:=>|:=|[:=])"
    r"\s*[rbuf]{0,2})(['\"`])((?:(?!\2)[^\\\n]|\\.)*)\2",
    re.IGNORECASE,
)
_STRING = re.compile(rf"(['\"`])([A-Za-z0-9+/=_.~-]{{{MIN_CHARS},}})\1")
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_PLACEHOLDER = re.compile(
    r"(?:your|my|the|some|change|example|dummy|fake|test|placeholder|xxx|todo|none|null|redacted"
    r"|\*{3}|\.{3}|<|\$|\{|%)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z]?[a-z]{3,}|[A-Z]{3,}")


@lru_cache(maxsize=1024)  # the pieces of a prompt are the same from key to key
def redacted(text: str) -> str:
    """Text without what looks like a key or a password. It has as many lines."""
    text = _KEYS.sub(lambda match: GONE + "\n" * match[0].count("\n"), text)
    text = _PASSWORD_IN_ADDRESS.sub(rf"\g<1>{GONE}", text)
    text = _NAMED.sub(_named, text)
    return _STRING.sub(_unordered, text)


def _named(match: re.Match[str]) -> str:
    value = match[3]
    plain = re.fullmatch(r"[a-z]+(?:[ _./-][a-z]+)*|[A-Z_]+|[A-Z]?[a-z ]+", value)
    if (
        len(value) < NAMED_MIN_CHARS
        or plain
        or " " in value
        or "{" in value
        or _PLACEHOLDER.match(value)
    ):
        return match[0]  # the name of a field, of a variable of the environment, a message
    return f"{match[1]}{match[2]}{GONE}{match[2]}"


def _unordered(match: re.Match[str]) -> str:
    quote, value = match[1], match[2]
    return f"{quote}{GONE}{quote}" if is_unordered(value) else match[0]


def is_unordered(value: str) -> bool:
    """Whether a string is long and has no words in it: a digest, a key."""
    if _HEX.match(value):
        return len(value) >= HEX_MIN_CHARS and not value.isdigit() and _entropy(value) > HEX_BITS
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    spelled = sum(map(len, _WORDS.findall(value)))
    return kinds == KINDS and spelled < len(value) * 0.6 and _entropy(value) >= BITS_A_CHAR


def _entropy(value: str) -> float:
    """Bits a character, by how often each one is in it."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
