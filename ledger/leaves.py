"""A look at the log entry by entry: every leaf is hashed anew, on top of a tree that is known.

What must stay true: a root that comes out is that over exactly the entries that are stored, place by place; what does
not fit is named by its place; and no look keeps a transaction open while a long log is walked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from db.queries import load
from ledger import tree
from ledger.checkpoint import Checkpoint
from ledger.errors import TreeError
from ledger.log_errors import HistoryChanged, LeafMismatch, LeafMissing
from ledger.merkle import Frontier, TileNode, leaf_hash, leaf_hashes

_QUERIES: Final = load(Path(__file__).parent, "leaves.sql")
_AT_ONCE: Final = 2048


class Leaves(NamedTuple):
    """Entries of the log in their order, their hashes, and the nodes of tiles that they complete."""

    entries: list[bytes]
    hashes: list[bytes]
    nodes: list[TileNode]


def frontier_at(connection: Connection[Any], size: int) -> Frontier:
    """The edge of the tree as it was at a size, as it is stored now. Raises HistoryChanged."""
    try:
        return tree.ask(connection, tree.frontier(size))
    except TreeError as error:
        raise HistoryChanged(f"the tree over the first {size} places of the log is not whole: {error}") from error


def require_root(frontier: Frontier, known: Checkpoint) -> None:
    """Raises HistoryChanged for a tree that is not the one of the checkpoint, which is of the same size."""
    if frontier.root != known.root:
        raise HistoryChanged(f"the first {known.size} places of the log have another root than the one that was signed")


def take(connection: Connection[Any], frontier: Frontier, end: int) -> Leaves:
    """Let the tree grow by the next entries, at most up to `end`; some at a time, so call it until it is there.

    Raises LeafMissing or LeafMismatch, of the first place that does not fit.
    """
    begin = frontier.size
    end = min(end, begin + _AT_ONCE)
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_QUERIES["leaves"], {"begin": begin, "end": end}).fetchall()
    indexes, hashes, entries = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    if indexes != list(range(begin, end)) or None in entries or leaf_hashes(entries) != hashes:
        raise _misfit(rows, begin)
    return Leaves(entries, hashes, frontier.extend(hashes))


def _misfit(rows: Sequence[tuple[int, bytes, bytes | None]], begin: int) -> LeafMissing | LeafMismatch:
    """What is wrong with the first of these places that does not fit, or with the one that is missing behind them."""
    for expected, (idx, digest, entry) in enumerate(rows, begin):
        if idx != expected:
            return _missing(expected)
        if entry is None:
            return LeafMissing(f"log index {idx}: its event is not there", idx=idx)
        if leaf_hash(entry) != digest:
            return LeafMismatch(f"log index {idx}: the hash is not that of the entry", idx=idx)
    return _missing(begin + len(rows))


def _missing(idx: int) -> LeafMissing:
    return LeafMissing(f"log index {idx} is missing from the log", idx=idx)
