# SPDX-License-Identifier: Apache-2.0
"""Token ids for an engine elsewhere: from its server's tokeniser, or bytes where it has none.

In: text. Out: ids in which no text has become a special token. Knows no prompt and no layout.

Hugging Face's tokenisers, which vLLM and SGLang run, make a special token of any text that is
written like one, and cannot be told not to. So text is cut within such a name: the halves are
plain. Which names the vocabulary has is asked once for each that is met, and remembered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from engine.remote_http import Declined
from engine.types import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.remote_http import Http

# How special tokens are written in the families that are known: <|im_end|>, <s>, [INST], ▁<PRE>.
NAMES = re.compile(r"▁?<[^<>\s]{1,64}>|\[/?[A-Z][A-Z_]{1,31}\]")
# Those of them that are no markup and no index: where nobody says which ones a vocabulary has.
UNASKED = re.compile(
    r"▁?<([|\uff5c].*[|\uff5c]|/?s|pad|bos|eos|unk|fim_\w+|file_sep|repo_name|PRE|SUF|MID|EOT|/?think"
    r"|/?tool_\w+|(start|end)_of_turn)>"
    r"|\[/?(INST|PREFIX|SUFFIX|MIDDLE|BOS|EOS|EOT|PAD|UNK|SYSTEM_PROMPT|TOOL_[A-Z]+|[A-Z]+_TOOLS)\]"
)
MOST_NAMES = 4096  # remembered; a page of markup has some tens
MOST_ID = 1 << 24  # no vocabulary has as many; more is no id
BYTES = 256
# Of a byte vocabulary, by which a context is reckoned: code has 3 to 4 characters a token.
BYTES_PER_TOKEN = 3


class Vocabulary(Protocol):
    """How text becomes ids, and how a prompt of them is sent."""

    scale: int  # ids for each token of the server, about

    def tokenize(self, text: str) -> Sequence[int]:
        """Ids of plain text."""

    def special(self, name: str) -> int | None:
        """The id of a special token."""

    def wire(self, token_ids: Sequence[int]) -> list[int] | str:
        """The prompt as the server takes it."""


class LlamaVocabulary:
    """llama-server can be told that text is plain."""

    scale = 1

    def __init__(self, http: Http) -> None:
        self._http = http

    def tokenize(self, text: str) -> list[int]:
        return self._ids(text, parse_special=False)

    def special(self, name: str) -> int | None:
        ids = self._ids(name, parse_special=True)
        return ids[0] if len(ids) == 1 else None

    def wire(self, token_ids: Sequence[int]) -> list[int]:
        return list(token_ids)

    def _ids(self, text: str, *, parse_special: bool) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": parse_special}
        return checked(self._http.post("/tokenize", body), self._http.host)


class ServerVocabulary:
    """The tokeniser of vLLM or SGLang, behind their common endpoint."""

    scale = 1

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self._model = model
        self._known: dict[str, int | None] = {}

    def tokenize(self, text: str) -> list[int]:
        """Ids of plain text; names of special tokens in it are cut in two."""
        found: list[int] = []
        for piece in cut(text, lambda name: self.special(name) is not None):
            found += self._ids(piece)
        return found

    def special(self, name: str) -> int | None:
        """The id of a special token; a name that is one ordinary token counts, too: no harm."""
        if name not in self._known:
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            ids = self._ids(name)
            self._known[name] = ids[0] if len(ids) == 1 else None
        return self._known[name]

    def wire(self, token_ids: Sequence[int]) -> list[int]:
        return list(token_ids)

    def _ids(self, text: str) -> list[int]:
        body = {"model": self._model, "prompt": text, "add_special_tokens": False}
        return checked(self._http.post("/tokenize", body), self._http.host) if text else []


class ByteVocabulary:
    """For a server that takes text only: bytes, and ids of ours for the special tokens we place.

    What the server will make of the text is its own. Names of special tokens within text of files
    are spaced apart, so that they stay text: the usual ones, as nobody says which there are.
    """

    scale = BYTES_PER_TOKEN

    def __init__(self, specials: Sequence[str]) -> None:
        self._specials = tuple(sorted(specials))

    def tokenize(self, text: str) -> list[int]:
        apart = " ".join(cut(text, lambda name: UNASKED.fullmatch(name) is not None))
        return list(apart.encode("utf-8", errors="replace"))

    def special(self, name: str) -> int | None:
        return BYTES + self._specials.index(name) if name in self._specials else None

    def wire(self, token_ids: Sequence[int]) -> str:
        return "".join(text for _, text in self.runs(token_ids))

    def runs(self, token_ids: Sequence[int]) -> Iterator[tuple[bool, str]]:
        """(is a special token, text) in turn."""
        run = bytearray()
        for token in token_ids:
            if token < BYTES:
                run.append(token)
                continue
            if run:
                yield False, run.decode("utf-8", errors="replace")
                run = bytearray()
            yield True, self._specials[token - BYTES]
        if run:
            yield False, run.decode("utf-8", errors="replace")


def cut(text: str, is_special: Callable[[str], bool]) -> Iterator[str]:
    """Pieces of a text, none of which holds the whole name of a special token."""
    start = at = 0
    while match := NAMES.search(text, at):
        at = match.start() + 1  # a name may begin within another: ▁<PRE> and <PRE>
        if is_special(match.group()):
            yield text[start:at]
            start = at
    yield text[start:]


def checked(answer: Any, host: str) -> list[int]:
    """The ids of a tokeniser's answer. Raises RequestRejected where there are none."""
    ids = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(ids, list) or not all(type(i) is int and 0 <= i < MOST_ID for i in ids):
        raise RequestRejected(f"{host} sent something else than token ids")
    return ids


def has_tokenizer(http: Http, model: str) -> bool:
    """Whether a server tells the ids of text. Raises Away, KeyRefused."""
    try:
        ServerVocabulary(http, model).tokenize("x = 1\n")
    except (Declined, RequestRejected):
        return False
    return True
