"""Tiles (C2SP `tlog-tiles`): the hashes and the entries of a log cut into files that never change once they are full.

    tile/<level>/<index>[.p/<width>]      256 hashes, or as many as the log has so far
    tile/entries/<index>[.p/<width>]      the entries that the hashes of level 0 are of, each behind its length (uint16)

A hash of level l is that of 256^l entries. The index is written in threes, `x001/x234/067`, so that no folder gets too
full. What must stay true: a path has one form, a tile of a width has one content for ever, and a partial tile is the
beginning of the full one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ledger.log_errors import MalformedTile
from ledger.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH

_LENGTH: Final = struct.Struct(">H")
_HIGHEST_LEVEL: Final = 63
_HIGHEST_INDEX: Final = 2**63 - 1
_ENTRIES: Final = "entries"
_PATH: Final = re.compile(
    r"(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` hashes of a level, 256 of them when it is full; or as many entries, when `level` is None."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @classmethod
    def from_path(cls, path: str) -> Tile:
        """Read what stands behind `tile/`. Raises MalformedTile."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise MalformedTile("write <level>/<index in threes>[.p/<width>], such as 0/x001/234 or entries/000.p/7")
        level = None if match["level"] == _ENTRIES else int(match["level"])
        tile = cls(level, int(match["index"].replace("x", "").replace("/", "")), int(match["width"] or TILE_WIDTH))
        if match["width"] and tile.width >= TILE_WIDTH:
            raise MalformedTile(f"a partial tile has fewer than {TILE_WIDTH} hashes")
        if (level or 0) > _HIGHEST_LEVEL or tile.index > _HIGHEST_INDEX:
            raise MalformedTile("there is no such level or index in any log")
        if tile.path != f"tile/{path}":
            raise MalformedTile("the index is not written in its shortest form")
        return tile

    @property
    def path(self) -> str:
        """Where it lies below a log's address."""
        *above, last = _threes(self.index)
        folders = "".join(f"x{each}/" for each in above)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{_ENTRIES if self.level is None else self.level}/{folders}{last}{partial}"

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def first(self) -> int:
        """The first hash of its level, or the first entry."""
        return self.index * TILE_WIDTH

    @property
    def entries_needed(self) -> int:
        """How many entries a log has at least that has this tile."""
        return (self.first + self.width) << (TILE_HEIGHT * (self.level or 0))


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles that a log of `size` has and one of `since` had not: entries first, then hashes, level by level."""
    yield from _new_tiles(None, since, size)
    level = 0
    while size:
        yield from _new_tiles(level, since, size)
        level, since, size = level + 1, since // TILE_WIDTH, size // TILE_WIDTH


def bundle_of(entries: Iterable[bytes]) -> bytes:
    """Entries as one file."""
    return b"".join(piece for entry in entries for piece in (_LENGTH.pack(len(entry)), entry))


def entries_in(bundle: bytes, width: int) -> list[bytes]:
    """The entries of a bundle of that width. Raises MalformedTile."""
    entries: list[bytes] = []
    offset = 0
    while offset < len(bundle):
        start = offset + _LENGTH.size
        if start > len(bundle):
            raise MalformedTile(f"the bundle is cut short within the length of its entry {len(entries)}")
        offset = start + _LENGTH.unpack_from(bundle, offset)[0]
        if offset > len(bundle):
            raise MalformedTile(f"the bundle is cut short within its entry {len(entries)}")
        entries.append(bundle[start:offset])
    if len(entries) != width:
        raise MalformedTile(f"the bundle has {len(entries)} entries, not {width}")
    return entries


def hashes_in(tile: bytes, width: int) -> list[bytes]:
    """The hashes of a tile of that width. Raises MalformedTile."""
    if len(tile) != width * HASH_BYTES:
        raise MalformedTile(f"the tile has {len(tile)} bytes, not {width} hashes of {HASH_BYTES}")
    return [tile[start : start + HASH_BYTES] for start in range(0, len(tile), HASH_BYTES)]


def _new_tiles(level: int | None, since: int, size: int) -> Iterator[Tile]:
    for index in range(since // TILE_WIDTH, size // TILE_WIDTH):
        yield Tile(level, index)
    if size % TILE_WIDTH and size > since:
        yield Tile(level, size // TILE_WIDTH, size % TILE_WIDTH)


def _threes(index: int) -> list[str]:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    return [digits[start : start + 3] for start in range(0, len(digits), 3)]
