"""Logs published by hand, from the format: what the service's own publishing is not asked about."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from ledger.checkpoint import Checkpoint
from ledger.merkle import Frontier, leaf_hash
from ledger.notes import SigningKey, new_note
from tests.ledger.forge import KEY

WIDTH = 256


def root_of(entries: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(map(leaf_hash, entries))
    return tree.root


def note_of(entries: Sequence[bytes], key: SigningKey = KEY, *, origin: str | None = None) -> bytes:
    return bytes(new_note(Checkpoint(origin or key.name, len(entries), root_of(entries)).text, key))


def publish(folder: Path, entries: Sequence[bytes], key: SigningKey = KEY) -> Path:
    """Write a log as C2SP tlog-tiles has it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint").write_bytes(note_of(entries, key))
    for begin in range(0, len(entries), WIDTH):
        some = entries[begin : begin + WIDTH]
        bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in some)
        write(folder, "entries", begin // WIDTH, len(some), bundle)
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    while hashes:
        tiles = [hashes[begin : begin + WIDTH] for begin in range(0, len(hashes), WIDTH)]
        for number, tile in enumerate(tiles):
            write(folder, str(level), number, len(tile), b"".join(tile))
        level, hashes = level + 1, [_over(tile) for tile in tiles if len(tile) == WIDTH]
    return folder


def path_of(folder: Path, level: str, number: int, width: int = WIDTH) -> Path:
    threes = f"{number:03}" if number < 1000 else f"x{number // 1000:03}/{number % 1000:03}"
    return folder / f"tile/{level}/{threes}{'' if width == WIDTH else f'.p/{width}'}"


def write(folder: Path, level: str, number: int, width: int, content: bytes) -> None:
    path = path_of(folder, level, number, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _over(hashes: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(hashes)
    return tree.root
