# SPDX-License-Identifier: Apache-2.0
"""What code can do beyond computing: start processes, speak to the network, change files, run text.

In: a language, code. Out: the names of its powers. New code that a model writes may have those of
the code that it is written for, and no others: then text in a repository cannot talk a model into a
test or a translation that does harm when it is run. It knows no action.
"""

from __future__ import annotations

import re

from indexer import masks
from indexer.parse import extract

_MODULES = {
    "processes": re.compile(
        r"(?:subprocess|pty|child_process|os/exec|std::process|multiprocessing|commands)\b"
        r"|java\.lang\.Process\w*|syscall|worker_threads"
    ),
    "network": re.compile(
        r"(?:socket|urllib\d?|requests|httpx?|aiohttp|ftplib|smtplib|telnetlib|paramiko|axios|got"
        r"|https|net|dgram|undici|node-fetch|net/http|reqwest|hyper|ureq|tokio::net|std::net)\b"
        r"|java\.net|java\.nio\.channels|webbrowser|xmlrpc|websockets?|dns"
    ),
    "files": re.compile(
        r"(?:shutil|fs|fs/promises|tempfile|glob|io/ioutil|std::fs|tokio::fs|fs-extra)\b"
        r"|java\.nio\.file|java\.io\.File\w*"
    ),
    "code": re.compile(
        r"(?:ctypes|cffi|importlib|runpy|code|vm|pickle|marshal|plugin|libloading)\b"
    ),
}
_WORDS = {
    "processes": re.compile(
        r"\bos\s*\.\s*(?:system|popen|exec\w*|spawn\w*|fork|kill)\b|\bCommand\s*::\s*new\b"
        r"|\bexec\s*\.\s*Command|\bProcessBuilder\b|\bgetRuntime\b|\bprocess\s*\.\s*(?:kill|exit)\b"
    ),
    "network": re.compile(
        r"\bfetch\s*\(|\bXMLHttpRequest\b|\bWebSocket\b|\bTcpStream\b|\bUdpSocket\b|\bnew\s+URL\s*\("
        r"[^)]*\)\s*\.\s*open|\bHttpClient\b|\bhttp\s*\.\s*(?:Get|Post|get|request)\b"
    ),
    "files": re.compile(
        r"(?<![\w.])open\s*\(|\.\s*(?:write_text|write_bytes|unlink|rmtree|rmdir|writeFile\w*"
        r"|unlinkSync|rmSync)\s*\(|\bos\s*\.\s*(?:remove|unlink|rename|rmdir|Remove\w*|WriteFile|Create"
        r"|OpenFile|chmod|makedirs)\b|\bfs\s*::|\bFiles\s*\.\s*(?:write|delete)|\bFileWriter\b"
        r"|\bFile\s*::\s*create"
    ),
    "code": re.compile(
        r"(?<![\w.])(?:eval|exec|compile|__import__)\s*\(|\bnew\s+Function\b|\bglobals\s*\(\s*\)"
        r"|__builtins__|__subclasses__|\bgetattr\s*\(\s*__"
    ),
    "environment": re.compile(r"\bos\s*\.\s*(?:environ|getenv|Getenv)\b|\bprocess\s*\.\s*env\b"),
}


def powers(language: str, code: str) -> frozenset[str]:
    """What a piece of code can do, by its imports and by what it calls."""
    data = code.encode("utf-8", "replace")
    text = masks.code_of(language, data).decode("utf-8", "replace")
    modules = [row.module.removeprefix("node:") for row in extract(language, data).imports]
    modules += re.findall(r"require\(\s*['\"](?:node:)?([^'\"]+)", code)
    found = {
        name
        for name, pattern in _MODULES.items()
        if any(pattern.match(module) for module in modules)
    }
    found |= {name for name, pattern in _WORDS.items() if pattern.search(text)}
    return frozenset(found)


def excess(language: str, code: str, *, of: str, written_in: str) -> str:
    """What new code can do and the code `of` which it is cannot, in words; "" where nothing."""
    more = powers(language, code) - powers(written_in, of)
    return ", ".join(sorted(more))
