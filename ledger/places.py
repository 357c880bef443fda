"""The places of the log with the entries that they hash, a chunk at a time, read as cheaply as the disk allows.

To seek each entry by its key costs the server more than all the rest. But events lie in their table much as they were
sealed: so what lies between the block of a chunk's first entry and that of the next one's is read as it lies, and only
what is not found there is sought. What must stay true: where an entry lies decides how soon it is found, and never
whether; and a chunk that is in any way unusual is handed out as the log has it, row by row in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection, Cursor

from db import arrays
from db.queries import load

_QUERIES: Final = load(Path(__file__).parent, "places.sql")

CHUNK: Final = 512
"""About as many places as the server can send without being read from: meanwhile the chunk before is looked at.
places.sql has the number too."""
_MOST_BLOCKS: Final = CHUNK // 4
"""A row has at most a quarter of a block, so what was written in the order of the log never needs more."""
_BESIDE: Final = 2
"""Several connections that write at the same time fill a block each: what one wrote lies a little before or behind."""
PLAN: Final = {
    # One plan for every chunk, as there is one right one. What the planner would do besides costs as much as the
    # reading itself: to plan each chunk anew, and to keep every entry in case that it is asked for twice. And a plan
    # that was made while the tables were small must not read them whole for as long as the connection lives.
    "plan_cache_mode": "force_generic_plan",
    "max_parallel_workers_per_gather": "0",
    "enable_memoize": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}

_Row = tuple[int, bytes, bytes | None]


class Chunk(NamedTuple):
    """Places that follow each other: their indexes, a `range` if none is missing, hashes and entries."""

    indexes: Sequence[int]
    hashes: list[bytes]
    entries: list[bytes | None]


class _Asked(NamedTuple):
    """A chunk that the server is at work on."""

    begin: int
    is_near: bool
    rows: Cursor[Any]


class Places:
    """Reads on a connection with the settings of PLAN, within a pipeline and the caller's transaction."""

    def __init__(self, connected: Callable[[], Connection[Any]]) -> None:
        self._connected = connected

    def has_any(self, begin: int) -> bool:
        """Whether the log has places from there on."""
        return bool(self._query("places", begin=begin, most=1).fetchall())

    def chunks(self, begin: int, most: int) -> Iterator[Chunk]:
        """The next chunks, up to a short one; while one is looked at, the server is at work on the one after."""
        blocks = self._blocks(range(begin, begin + CHUNK * most + 1, CHUNK))
        ahead = self._ask(begin, blocks)
        for left in reversed(range(most)):
            # Once its first place is here all of it is, and the server would have nothing to do.
            asked, arrived = ahead, ahead.rows.fetchone()
            begin += CHUNK
            if left:
                ahead = self._ask(begin, blocks)
            chunk = self._received(asked, [arrived, *asked.rows.fetchall()] if arrived else [])
            yield chunk
            if len(chunk.indexes) < CHUNK:
                return
            if left and chunk.indexes[-1] != begin - 1:  # behind a gap: the next chunk was asked for from elsewhere
                begin = chunk.indexes[-1] + 1
                ahead = self._ask(begin, blocks)

    def _blocks(self, indexes: Sequence[int]) -> dict[int, int]:
        """The block of each of these places' entries, if it is there."""
        return dict(self._query("blocks", indexes=arrays.bigints(indexes)).fetchall())

    def _ask(self, begin: int, blocks: Mapping[int, int]) -> _Asked:
        first, last = blocks.get(begin), blocks.get(begin + CHUNK)
        if first is None or last is None or not first <= last <= first + _MOST_BLOCKS:
            return _Asked(begin, is_near=False, rows=self._query("places", begin=begin, most=CHUNK))
        stretch = {"first": f"({max(first - _BESIDE, 0)},0)", "behind": f"({last + _BESIDE + 1},0)"}
        return _Asked(begin, is_near=True, rows=self._query("near_places", begin=begin, **stretch))

    def _received(self, asked: _Asked, rows: list[_Row]) -> Chunk:
        chunk = _chunk(asked.begin, rows)
        if not asked.is_near or isinstance(chunk.indexes, range):
            return chunk
        chunk = _chunk(asked.begin, sorted(rows, key=itemgetter(0)))
        if isinstance(chunk.indexes, range):
            return chunk
        return _chunk(asked.begin, self._query("places", begin=asked.begin, most=CHUNK).fetchall())

    def _query(self, query: str, **parameters: Any) -> Cursor[Any]:
        return self._connected().cursor(binary=True).execute(_QUERIES[query], parameters)


def _chunk(begin: int, rows: Sequence[_Row]) -> Chunk:
    indexes, hashes, entries = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    dense = range(begin, begin + len(rows))
    return Chunk(dense if indexes == list(dense) else indexes, hashes, entries)
