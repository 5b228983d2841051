# SPDX-License-Identifier: Apache-2.0
"""What a window and the host of its model say to each other, and how it is written.

In: messages, frozen values. Out: bytes of at most MAX_MESSAGE_BYTES, and back. What comes from a
socket is checked to the last field before anybody acts on it: `decode` gives one of the messages
below or raises Malformed, whatever the bytes are. Nothing here is pickled. Knows no socket.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import msgpack

from engine.types import (
    Costs,
    EngineError,
    EngineInfo,
    FetchFailed,
    ModelNotFound,
    ModelRejected,
    NotLoaded,
    OutOfMemory,
    RequestRejected,
    Sampling,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# A prompt of a million tokens takes 4 MB; the longest text that is tokenised is a piece of a file.
MAX_MESSAGE_BYTES: Final = 16 << 20
MAX_ITEMS = 256  # of a list of plain values
MAX_NUMBER = 1 << 53
MAX_DECODED_TOKENS = 1 << 20
ID_BYTES = 4


class Malformed(Exception):
    """Bytes that are none of the messages: whoever sent them is not one of us."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Read `ids`, write behind them. Each request has a number of its own."""

    number: int
    priority: int
    slot: int
    ids: bytes  # of `packed`
    sampling: tuple[Any, ...]  # the fields of Sampling


@dataclass(frozen=True, slots=True)
class Warm:
    number: int
    priority: int
    slot: int
    ids: bytes


@dataclass(frozen=True, slots=True)
class Save:
    number: int
    priority: int
    slot: int
    name: str  # of a new file in the host's folder of states


@dataclass(frozen=True, slots=True)
class Restore:
    number: int
    priority: int
    slot: int
    name: str
    ids: bytes


@dataclass(frozen=True, slots=True)
class Forget:
    number: int
    priority: int
    slot: int


@dataclass(frozen=True, slots=True)
class Tokenize:
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Special:
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first word of a host: it may still load its model."""

    pid: int
    windows: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. `said` is what the user should know of it."""

    info: tuple[Any, ...]  # of `info_fields`
    said: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of text."""

    number: int
    text: str
    logprob: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a request. The window's slot holds `common` of the ids it sent, then `more`."""

    number: int
    stopped_by: str
    usage: tuple[Any, ...]
    common: int
    more: bytes
    info: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of a text, or one id, or none."""

    number: int
    ids: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a request, or the loading (number 0), has failed. `holds`: what the slot holds then."""

    number: int
    kind: str
    reason: str
    holds: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """The state of the window's slot could not be kept while another window used the model."""

    slot: int


@dataclass(frozen=True, slots=True)
class Beat:
    """Sent every second while a request is under way: the host is alive."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The host ends in order."""

    reason: str


Request = Complete | Warm | Save | Restore | Forget | Tokenize | Special
Message = (
    Complete
    | Warm
    | Save
    | Restore
    | Forget
    | Tokenize
    | Special
    | Cancel
    | Welcome
    | Ready
    | Written
    | Done
    | Found
    | Failed
    | Lost
    | Beat
    | Bye
)
# Their numbers on the wire: append only.
KINDS: tuple[type[Any], ...] = (
    *(Complete, Warm, Save, Restore, Forget, Tokenize, Special, Cancel),
    *(Welcome, Ready, Written, Done, Found, Failed, Lost, Beat, Bye),
)
REQUESTS = (Complete, Warm, Save, Restore, Forget, Tokenize, Special, Cancel)
ERRORS: Mapping[str, type[EngineError]] = {
    kind.__name__: kind
    for kind in (
        *(EngineError, ModelNotFound, ModelRejected, NotLoaded),
        *(FetchFailed, OutOfMemory, RequestRejected),
    )
}


def encode(message: Message) -> bytes:
    """One message as bytes. Raises RequestRejected where it is too long to be sent."""
    values = [getattr(message, item.name) for item in fields(message)]
    packed: bytes = msgpack.packb(
        [KINDS.index(type(message)), *values], unicode_errors="surrogatepass"
    )
    if len(packed) > MAX_MESSAGE_BYTES:
        raise RequestRejected(f"a message of {len(packed):,} bytes is too long for the engine")
    return packed


def decode(data: bytes) -> Message:
    """The message that these bytes are. Raises Malformed, and nothing else."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"{len(data):,} bytes")
    try:
        values = msgpack.unpackb(
            data,
            use_list=False,
            unicode_errors="surrogatepass",
            max_array_len=MAX_ITEMS,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise Malformed(f"{type(error).__name__}: {error}"[:200]) from error
    if not isinstance(values, tuple) or not values or not _is_number(values[0]):
        raise Malformed("not a list that begins with its kind")
    kind, *rest = values
    if kind >= len(KINDS):
        raise Malformed(f"there is no message {kind}")
    wanted = fields(KINDS[kind])
    if len(rest) != len(wanted):
        raise Malformed(f"{KINDS[kind].__name__} with {len(rest)} fields")
    for item, value in zip(wanted, rest, strict=True):
        if not _CHECKS[str(item.type)](value):
            raise Malformed(f"{KINDS[kind].__name__}.{item.name} of {type(value).__name__}")
    message: Message = KINDS[kind](*rest)
    return message


def packed(ids: Sequence[int]) -> bytes:
    """Token ids as bytes, four each. Raises RequestRejected where one is no token id."""
    try:
        return array("i", ids).tobytes()
    except (OverflowError, TypeError) as error:
        raise RequestRejected("a prompt holds what is no token") from error


def unpacked(data: bytes) -> tuple[int, ...]:
    """The ids again. Raises Malformed."""
    if len(data) % ID_BYTES:
        raise Malformed(f"token ids of {len(data)} bytes")
    ids = array("i", data)
    if ids and min(ids) < 0:
        raise Malformed("a negative token id")
    return tuple(ids)


def sampling_of(values: tuple[Any, ...]) -> Sampling:
    """Sampling as it was sent. Raises Malformed where a field is not of its kind."""
    usual = astuple(Sampling())
    same = len(values) == len(usual) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(default, float)
        else _is_whole(value)
        for value, default in zip(values, usual, strict=False)
    )
    if not same:
        raise Malformed("sampling of another form")
    found = Sampling(*values)
    if not 0 <= found.max_tokens <= MAX_DECODED_TOKENS:
        raise Malformed(f"{found.max_tokens} tokens are asked for")
    return found


def info_fields(info: EngineInfo) -> tuple[Any, ...]:
    """What a window knows of the model, flat."""
    *plain, costs = (getattr(info, item.name) for item in fields(info))
    return (*plain, *(astuple(costs) if costs is not None else ()))


def info_of(values: tuple[Any, ...]) -> EngineInfo:
    """The same again. Raises Malformed."""
    plain = len(fields(EngineInfo)) - 1
    rest = values[plain:]
    if len(values) < plain or len(rest) not in {0, len(fields(Costs))}:
        raise Malformed("information of another form")
    return _made(EngineInfo, (*values[:plain], Costs(*rest) if rest else None))


def usage_of(values: tuple[Any, ...]) -> Usage:
    """What a request cost. Raises Malformed."""
    if len(values) != len(fields(Usage)) or any(isinstance(value, str) for value in values):
        raise Malformed("usage of another form")
    return Usage(*values)


def error_of(failed: Failed) -> EngineError:
    """The error that the host met, as if it had been raised here."""
    return ERRORS.get(failed.kind, EngineError)(failed.reason)


def failed(number: int, error: Exception, holds: Sequence[int] = ()) -> Failed:
    """An error as a message. One that is none of the engine's is told by its type, too."""
    kind = type(error).__name__
    reason = str(error) if kind in ERRORS else f"{kind}: {error}"
    return Failed(number, kind if kind in ERRORS else "EngineError", reason[:1000], packed(holds))


def _made(kind: type[EngineInfo], values: tuple[Any, ...]) -> EngineInfo:
    return kind(*values)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _is_number(value: object) -> bool:
    return _is_whole(value) and isinstance(value, int) and value >= 0


def _is_plain(value: object) -> bool:
    finite = isinstance(value, float) and math.isfinite(value)
    return finite or _is_whole(value) or isinstance(value, str)


# By the words of the annotations above.
_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "int": _is_number,
    "str": lambda value: isinstance(value, str),
    "bytes": lambda value: isinstance(value, bytes),
    "float | None": lambda value: (
        value is None or (isinstance(value, float) and not math.isnan(value))
    ),
    "tuple[Any, ...]": lambda value: isinstance(value, tuple) and all(map(_is_plain, value)),
}
