# SPDX-License-Identifier: Apache-2.0
"""The primitives of the GGUF format: a bounded window over a header, and tables of types.

In: an open file and its size. Out: numbers and short texts, or `BadFile`. A read never goes past
the end of the file or of the limits below, so no count in a file can make it long or large.
The file is read, not mapped: a mapped file that shrinks under us would end the process.
This module does not know what a key or a tensor means.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

WINDOW_BYTES = 1 << 20  # one read; the header of a real model takes about six
MAX_HEADER_BYTES = 256 << 20  # ten times the largest vocabulary known
MAX_ARRAY_STRINGS = 1 << 21  # over all arrays; the largest vocabulary has 0.8 million with merges
MAX_KEPT_TEXT_BYTES = 8 << 20  # keys, names and values together
SHOWN_CHARS = 40  # of a name that comes from a file

FIX_FETCH = "fetch it again with `ghostwright models pull ID`, or set modelPath to a GGUF file"

U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: U32,
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: U64,
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
STRING, ARRAY = 8, 9

# ggml type id -> (name, elements a block, bytes a block)
TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}


class BadFile(Exception):
    """What is wrong with a file, and the fix. The caller knows the path."""

    def __init__(self, what: str, fix: str = FIX_FETCH) -> None:
        super().__init__(f"{what}; {fix}")


class Reader:
    """A window that moves forward over a header. Asks for no byte past the end of the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._window = b""
        self._start = 0  # of the window in the file
        self._at = 0  # in the window
        self._strings_left = MAX_ARRAY_STRINGS
        self._text_left = MAX_KEPT_TEXT_BYTES

    @property
    def position(self) -> int:
        return self._start + self._at

    def peek(self, count: int) -> bytes:
        self._fill(min(count, self._size))
        return self._window[:count]

    def value(self, form: struct.Struct) -> int | float | bool:
        self._fill(form.size)
        found: int | float | bool = form.unpack_from(self._window, self._at)[0]
        self._at += form.size
        return found

    def count(self, form: struct.Struct = U64) -> int:
        return int(self.value(form))

    def text(self, what: str, limit: int) -> str:
        length = self.count()
        if length > limit:
            raise BadFile(f"has a {what} of {length} bytes, more than {limit}")
        self._text_left -= length
        if self._text_left < 0:
            raise BadFile(f"has more than {MAX_KEPT_TEXT_BYTES} bytes of text in its metadata")
        self._fill(length)
        raw = self._window[self._at : self._at + length]
        self._at += length
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise BadFile(f"has a {what} that is not UTF-8") from None

    def skip(self, count: int) -> None:
        target = self.position + count
        self._check(target)
        if target <= self._start + len(self._window):
            self._at += count
            return
        self._file.seek(target)
        self._window, self._start, self._at = b"", target, 0

    def skip_strings(self, count: int) -> None:
        """The one hot loop: a vocabulary has hundreds of thousands of strings."""
        self._strings_left -= count
        if self._strings_left < 0:
            raise BadFile(f"has more than {MAX_ARRAY_STRINGS} strings in arrays")
        while count:
            self._fill(U64.size)
            window, at, last = self._window, self._at, len(self._window) - U64.size
            while count and at <= last:
                at += U64.size + U64.unpack_from(window, at)[0]
                count -= 1
            self.skip(at - self._at)

    def _fill(self, count: int) -> None:
        """See to it that `count` bytes lie in the window from the present position on."""
        if len(self._window) - self._at >= count:
            return
        self._check(self.position + count)
        kept = self._window[self._at :]
        parts, have = [kept], len(kept)
        while have < count:
            more = self._file.read(max(WINDOW_BYTES, count - have))
            if not more:
                raise BadFile(f"ends within its header, at byte {self._size}")
            parts.append(more)
            have += len(more)
        self._start += self._at
        self._window, self._at = b"".join(parts), 0

    def _check(self, target: int) -> None:
        if target > self._size:
            raise BadFile(f"ends within its header, at byte {self._size}")
        if target > MAX_HEADER_BYTES:
            raise BadFile(f"has a header of more than {MAX_HEADER_BYTES >> 20} MiB")


def shown(text: str) -> str:
    """A name from the file for a message: short, quoted, control characters escaped."""
    return repr(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "...")


def one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
