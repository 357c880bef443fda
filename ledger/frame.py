"""The frame: an entry and its encrypted parts as one byte string, the `state` of a StoredEvent.

    magic (5) | entry length (4) | entry | number of parts (2) | per part: number (2) | length (4) | ciphertext

Integers are big-endian; parts stand in ascending order; a part that is missing was erased. Nothing of this is
stored: the recorder takes the frame apart into rows and puts it together again. A state that does not begin with
the magic stands for an entry without parts, so that the eventsourcing library can store states of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MAGIC: Final = b"\x93DSR\x01"
"""The first byte begins neither UTF-8 text nor JSON."""

_LENGTH: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">H")
_PART: Final = struct.Struct(">HI")


class Frame(NamedTuple):
    """`entry` is the exact bytes that are hashed; `parts` are (part number, ciphertext)."""

    entry: bytes
    parts: tuple[tuple[int, bytes], ...]


def framed(entry: bytes, parts: Iterable[tuple[int, bytes]]) -> bytes:
    """The state for an entry and its parts, given in ascending order; the bare entry when there are none."""
    pieces = [MAGIC, _LENGTH.pack(len(entry)), entry, b""]
    count = 0
    for number, ciphertext in parts:
        pieces += _PART.pack(number, len(ciphertext)), ciphertext
        count += 1
    if not count:
        return entry
    pieces[3] = _COUNT.pack(count)
    return b"".join(pieces)


def unframed(state: bytes) -> Frame:
    """Take a state apart. Raises ValueError, saying what is wrong, when it begins like a frame and is none."""
    if not state.startswith(MAGIC):
        return Frame(state, ())
    try:
        entry_start = len(MAGIC) + _LENGTH.size
        (entry_length,) = _LENGTH.unpack_from(state, len(MAGIC))
        parts_start = entry_start + entry_length
        parts = tuple(_parts(state, parts_start))
    except struct.error as error:
        raise ValueError("the frame is cut short") from error
    return Frame(state[entry_start:parts_start], parts)


def _parts(state: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    (count,) = _COUNT.unpack_from(state, offset)
    offset += _COUNT.size
    previous = -1
    for _ in range(count):
        number, length = _PART.unpack_from(state, offset)
        offset += _PART.size + length
        if number <= previous:
            raise ValueError("the frame's parts are out of order")
        if offset > len(state):
            raise ValueError("the frame is cut short")
        yield number, state[offset - length : offset]
        previous = number
    if offset != len(state):
        raise ValueError("the frame has bytes after its last part")
