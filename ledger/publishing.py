"""The log as a folder of files (C2SP tlog-tiles), for any web server, disk or auditor: `checkpoint` and `tile/...`.

What must stay true: what is written was hashed anew from the entries, goes on from what the folder had, and gives the
root that was signed; the checkpoint is replaced last, so that it never covers what is not there; files appear whole.
Whoever publishes again writes only what is new.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from db.queries import load
from ledger import tree
from ledger.checkpoint import Checkpoint, opened
from ledger.files import alone_in, sync_folder, write_whole
from ledger.leaves import frontier_at, require_root, take
from ledger.log_errors import MemoryAhead, NotSigned
from ledger.merkle import TILE_WIDTH, Frontier
from ledger.notes import VerifierKey
from ledger.tiles import Tile, bundle_of, tiles_of

_QUERIES: Final = load(Path(__file__).parent, "publishing.sql")
_CHECKPOINT: Final = "checkpoint"


class Publication(NamedTuple):
    """What a folder has now: the checkpoint, the size that it had before, and how many tiles were written."""

    checkpoint: Checkpoint
    size_before: int
    tiles: int


def newest_note(connection: Connection[Any]) -> str:
    """The newest signed checkpoint. Raises NotSigned."""
    row = connection.execute(_QUERIES["newest_note"]).fetchone()
    if row is None:
        raise NotSigned
    note: str = row[0]
    return note


def publish(connection: Connection[Any], folder: Path, key: VerifierKey) -> Publication:
    """Bring a folder up to the newest signed checkpoint.

    Raises NotSigned; LogRefused when the log is not what was signed or published; NoteRefused, MalformedCheckpoint or
    OriginMismatch for a checkpoint, here or there, that is none of the key's; OSError.
    """
    note = newest_note(connection).encode()
    head = opened(note, [key], key.name)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        before = _published(folder, key)
        if before.size > head.size:
            raise MemoryAhead(f"{folder} has {before.size} entries, and the log was signed up to {head.size}")
        written = _Writer(connection, folder).bring_up(before, head)
        write_whole(folder / _CHECKPOINT, note)
        sync_folder(folder)
        # If we die before this, narrower tiles stay beside the full ones, and harm nobody.
        for tile in written:
            if tile.is_full:
                shutil.rmtree(folder / f"{tile.path}.p", ignore_errors=True)
    return Publication(head, before.size, len(written))


class _Writer:
    """Writes what a folder lacks, as the log has it."""

    def __init__(self, connection: Connection[Any], folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._nodes: dict[tuple[int, int], bytes] = {}
        """Those that the new entries complete, by level and index."""

    def bring_up(self, before: Checkpoint, head: Checkpoint) -> list[Tile]:
        """Write the tiles between two checkpoints. If we die meanwhile, the same is written again."""
        tiles = list(tiles_of(head.size, before.size))
        # From the first entry of a bundle that has to be written whole, although some of it is published.
        frontier = frontier_at(self._connection, before.size - before.size % TILE_WIDTH)
        entries, hashes = self._take(frontier, before.size)
        require_root(frontier, before)
        for tile in tiles:
            if tile.level is None:
                more = self._take(frontier, tile.first + tile.width)
                self._write_tile(tile, bundle_of(entries + more[0]))
                self._write_tile(Tile(0, tile.index, tile.width), b"".join(hashes + more[1]))
                entries, hashes = [], []
        require_root(frontier, head)
        for tile in tiles:
            if tile.level:
                self._write_tile(tile, b"".join(self._hashes(tile)))
        for folder in {(self._folder / tile.path).parent for tile in tiles}:
            _sync_up(folder, self._folder)
        return tiles

    def _take(self, frontier: Frontier, end: int) -> tuple[list[bytes], list[bytes]]:
        entries: list[bytes] = []
        hashes: list[bytes] = []
        while frontier.size < end:
            leaves = take(self._connection, frontier, end)
            entries += leaves.entries
            hashes += leaves.hashes
            self._nodes.update(((node.level, node.idx), node.hash) for node in leaves.nodes)
        return entries, hashes

    def _hashes(self, tile: Tile) -> list[bytes]:
        """Those of before the new entries were part of the edge from which the tree has grown to a signed root."""
        level = tile.level or 0
        stored = tree.ask(self._connection, tree.tile(level, tile.index, tile.width))
        return [self._nodes.get((level, tile.first + place), digest) for place, digest in enumerate(stored)]

    def _write_tile(self, tile: Tile, content: bytes) -> None:
        path = self._folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def _published(folder: Path, key: VerifierKey) -> Checkpoint:
    try:
        return opened((folder / _CHECKPOINT).read_bytes(), [key], key.name)
    except FileNotFoundError:
        return Checkpoint.empty(key.name)


def _sync_up(folder: Path, top: Path) -> None:
    """Make durable which files are in a folder, and which folders lead to it."""
    while folder != top:
        sync_folder(folder)
        folder = folder.parent
    sync_folder(top)
