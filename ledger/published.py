"""What is given out of the log over HTTP: signed notes, tiles and proofs, up to what the newest note covers.

What must stay true: nothing is told of a place that no signed checkpoint covers, so that whoever reads tiles reads the
log that was vouched for, and proofs lead to a root that was signed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from db.queries import load
from ledger import tree
from ledger.errors import TreeDamaged
from ledger.log_errors import NotSigned, TileNotSigned
from ledger.tiles import Tile, bundle_of

_QUERIES: Final = load("ledger", "published.sql")


class SignedSize(NamedTuple):
    """A note that was given out, and the size of its checkpoint."""

    size: int
    note: str


async def newest(connection: AsyncConnection[Any]) -> SignedSize:
    """The newest note. Raises NotSigned when there is none yet."""
    return await _note(connection, "newest_note")


async def of_size(connection: AsyncConnection[Any], size: int) -> SignedSize:
    """The note of a size. Raises NotSigned."""
    return await _note(connection, "note_of", size)


async def tile_bytes(connection: AsyncConnection[Any], tile: Tile) -> bytes:
    """A tile of hashes, or a bundle of entries. Raises TileNotSigned, or TreeDamaged when the log has gaps."""
    signed = await newest(connection)
    if tile.entries_needed > signed.size:
        raise TileNotSigned(tile.path, signed.size)
    if tile.level is not None:
        return b"".join(await tree.ask_async(connection, tree.tile(tile.level, tile.index, tile.width)))
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_QUERIES["entries"], {"begin": tile.first, "end": tile.first + tile.width})
        entries = [entry for (entry,) in await cursor.fetchall()]
    if len(entries) != tile.width or None in entries:
        raise TreeDamaged(f"entries are missing from the log between {tile.first} and {tile.first + tile.width}")
    return bundle_of(entries)


async def _note(connection: AsyncConnection[Any], query: str, size: int | None = None) -> SignedSize:
    row = await (await connection.execute(_QUERIES[query], {"size": size})).fetchone()
    if row is None:
        raise NotSigned(size)
    return SignedSize(*row)
