"""The right edge of the log's tree in the database: how the sealer takes it up, completes it and makes it grow.

What must stay true: nodes are written in the transaction that seals what they stand over, so a log and its tree are
never seen apart; and nobody builds on an edge that does not give the root of the last checkpoint. A log from before
the tree, or one that was copied in, lacks nodes: they are filled in first, in small transactions of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from db import arrays
from db.queries import load
from ledger.errors import TreeDamaged
from ledger.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Frontier, TileNode

_QUERIES: Final = load(Path(__file__).parent, "frontier.sql")
_NODES_AT_A_TIME: Final = 64


def load_frontier(connection: Connection[TupleRow]) -> Frontier:
    """Take up the tree of the log as it stands, from at most 255 hashes of each level. Raises TreeDamaged."""
    with connection.cursor(binary=True) as cursor:
        levels = cursor.execute(_QUERIES["frontier"]).fetchall()
    size, covered, root, *_ = levels[0]
    peaks: list[bytes] = []
    for *_, level, joined, has_more in levels:
        hashes = split(joined)
        if has_more:
            raise TreeDamaged(f"the log's tree has nodes at level {level} beyond its edge")
        if len(hashes) != (size >> (TILE_HEIGHT * level)) % TILE_WIDTH:
            raise TreeDamaged(f"hashes along the edge of the log are missing at level {level} of its tree")
        edge = Frontier()
        edge.extend(hashes)
        peaks += edge.peaks
    frontier = Frontier(size, peaks)
    if (covered or 0) != size:
        raise TreeDamaged(f"the log has {size} places, its last checkpoint says {covered or 0}")
    if root is not None and root != frontier.root:
        raise TreeDamaged(f"the hashes along the edge of the log do not give the root of its checkpoint of size {size}")
    return frontier


def fill_in(connection: Connection[TupleRow]) -> int:
    """Add the nodes that the tree lacks at the end of its levels, a few in a transaction; return how many it lacked.

    The connection must be in autocommit. Raises TreeDamaged. If we die in between, the next one goes on from there.
    """
    filled = 0
    while lacking := connection.execute(_QUERIES["lacking"]).fetchone():
        level, begin, end = lacking
        nodes = _nodes(connection, level, begin, min(end, begin + _NODES_AT_A_TIME))
        try:
            add_nodes(connection, nodes)
        except psycopg.errors.UniqueViolation:
            continue  # another sealer was faster
        filled += len(nodes)
    return filled


def add_nodes(connection: Connection[TupleRow], nodes: Sequence[TileNode]) -> None:
    """Write nodes, in the caller's transaction if there is one."""
    levels, indexes, hashes = zip(*nodes, strict=True)
    columns = {
        "levels": arrays.smallints(levels),
        "indexes": arrays.bigints(indexes),
        "hashes": arrays.byteas(hashes),
    }
    connection.execute(_QUERIES["add_nodes"], columns)


def split(joined: bytes | None) -> list[bytes]:
    """Hashes that came as one value."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)] if joined else []


def _nodes(connection: Connection[TupleRow], level: int, begin: int, end: int) -> list[TileNode]:
    """The nodes of a level from `begin` to before `end`, from those of the level below."""
    below = {"level": level - 1, "begin": begin * TILE_WIDTH, "end": end * TILE_WIDTH}
    with connection.cursor(binary=True) as cursor:
        rows: Iterable[TupleRow] = cursor.execute(_QUERIES["nodes" if level > 1 else "leaves"], below)
        ((joined,),) = rows
    hashes = split(joined)
    if len(hashes) != below["end"] - below["begin"]:
        raise TreeDamaged(f"from {below['begin']} to {below['end']}, hashes are missing at level {level - 1}")
    completed = Frontier().extend(hashes)
    return [TileNode(level, begin + index, node) for relative, index, node in completed if relative == 1]
