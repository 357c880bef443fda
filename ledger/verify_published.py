"""Verifies a published log: every entry hashed anew, every tile held against it, and the root against the checkpoint.

Needs nothing but the folder and the log's key. What must stay true: the size is taken from the signed checkpoint alone;
the tree is built from the entries and from nothing else that is there; a fault is told where it is, by the index of the
first entry that it touches, and gone on from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Final

from ledger.believed import believed
from ledger.checkpoint import Checkpoint
from ledger.findings import Finding
from ledger.log_errors import MalformedTile
from ledger.merkle import HASH_BYTES, TILE_WIDTH, Frontier, TileNode, leaf_hashes
from ledger.notes import VerifierKey
from ledger.tiles import Tile, entries_in, hashes_in

_CHECKPOINT: Final = "checkpoint"


def published_checkpoint(folder: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    """What a published log says of itself, signed. Raises LogError or OSError."""
    return believed((folder / _CHECKPOINT).read_bytes(), keys)


def published_findings(
    folder: Path,
    signed: Checkpoint,
    *,
    against: Sequence[Checkpoint] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """What does not hold of the log in a folder, which `signed` speaks of.

    It must also begin as those checkpoints say that it must be held `against`. `advance` is told of entries passed.
    """
    walk = _Walk(folder, signed.size)
    marks = sorted((*against, signed), key=lambda checkpoint: checkpoint.size)
    for begin in range(0, signed.size, TILE_WIDTH):
        width = min(TILE_WIDTH, signed.size - begin)
        leaves = yield from walk.leaves(begin, width)
        while marks and marks[0].size < begin + width:
            mark = marks.pop(0)
            yield from walk.grow(leaves[walk.size - begin : mark.size - begin])
            yield from _compare(walk.root, mark)
        yield from walk.grow(leaves[walk.size - begin :])
        advance(width)
    yield from walk.end()
    for mark in marks:
        if mark.size > signed.size:
            detail = f"covers more than what is published, which has {signed.size} entries"
            yield Finding("checkpoint", f"checkpoint of size {mark.size}", detail)
        else:
            yield from _compare(walk.root, mark)


def _compare(root: bytes, mark: Checkpoint) -> Iterator[Finding]:
    if root != mark.root:
        detail = f"the first {mark.size} entries are not those that were signed"
        yield Finding("root", f"checkpoint of size {mark.size}", detail)


class _Walk:
    """A tree that grows by the entries of a folder, and the tiles that should be there of it."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._signed_size = size
        self._tree = Frontier()
        self._pending: dict[int, list[bytes]] = {}
        """By level the hashes of a tile that is not complete yet."""

    @property
    def size(self) -> int:
        return self._tree.size

    @property
    def root(self) -> bytes:
        return self._tree.root

    def leaves(self, begin: int, width: int) -> Generator[Finding, None, list[bytes]]:
        """The hashes of a bundle's entries, returned; where the bundle is unreadable, those that its tile has."""
        index = begin // TILE_WIDTH
        stated, fault = self._read(Tile(0, index, width), hashes_in)
        if fault is not None:
            yield fault
        entries, fault = self._read(Tile(None, index, width), entries_in)
        if fault is not None:
            yield fault
            return stated or [bytes(HASH_BYTES)] * width
        hashes = leaf_hashes(entries)
        for place, (found, expected) in enumerate(zip(hashes, stated, strict=False), start=begin):
            if found != expected:
                yield Finding("entry", f"log index {place}", "is not what the tile of hashes has there")
        return hashes

    def grow(self, leaves: Sequence[bytes]) -> Iterator[Finding]:
        for node in self._tree.extend(leaves):
            hashes = self._pending.setdefault(node.level, [])
            hashes.append(node.hash)
            if len(hashes) == TILE_WIDTH:
                yield from self._compare_tile(node.level, _tile_of(node), hashes)
                hashes.clear()

    def end(self) -> Iterator[Finding]:
        """The tiles at the right edge."""
        for level, hashes in sorted(self._pending.items()):
            if hashes:
                index = self._signed_size // TILE_WIDTH ** (level + 1)
                yield from self._compare_tile(level, Tile(level, index, len(hashes)), hashes)

    def _compare_tile(self, level: int, tile: Tile, hashes: Sequence[bytes]) -> Iterator[Finding]:
        stated, fault = self._read(tile, hashes_in)
        if fault is not None:
            yield fault
            return
        for place, (found, expected) in enumerate(zip(hashes, stated, strict=True), start=tile.first):
            if found != expected:
                first = place * TILE_WIDTH**level
                detail = f"{tile.path} has another hash of the {TILE_WIDTH**level} entries from there on"
                yield Finding("tile", f"log index {first}", detail)

    def _read(self, tile: Tile, take: Callable[[bytes, int], list[bytes]]) -> tuple[list[bytes], Finding | None]:
        """What a tile holds: that of its width, else the beginning of the full one, which replaces it one day."""
        check = "entries" if tile.level is None else "tile"
        place = f"log index {tile.first * TILE_WIDTH ** (tile.level or 0)}"
        for there in (tile, Tile(tile.level, tile.index)):
            try:
                return take((self._folder / there.path).read_bytes(), there.width)[: tile.width], None
            except FileNotFoundError:
                continue
            except MalformedTile as error:
                return [], Finding(check, place, f"{there.path}: {error}")
            except OSError as error:
                return [], Finding(check, place, f"{there.path} cannot be read: {error.strerror}")
        return [], Finding(check, place, f"{tile.path} is not there")


def _tile_of(node: TileNode) -> Tile:
    """The full tile that ends with a node."""
    return Tile(node.level, node.idx // TILE_WIDTH)
