"""What must hold of the log's tree: each node the hash of what stands below it, each root that of the log up to there.

Walks the log once in its order, with nodes and roots beside it. What must stay true: one fault is told where it is and
not once more in everything above it. So a node that does not fit is told and then believed, and where hashes are
missing nothing is computed from them. Whether it was the node that was altered or what stands below it, the next node
or root above shows: the one with which that is right is believed from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from psycopg import Connection

from db.queries import load
from ledger.findings import Finding
from ledger.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier

_QUERIES: Final = load("ledger", "verify.sql")
_LEVELS: Final = 9
"""Level 0 is the log; a node of level 8 would stand over more places than a bigint can number."""
_ROOTS_AT_A_TIME: Final = 1024


class Root(NamedTuple):
    """What a checkpoint says of the tree; the root is None in those from before it."""

    size: int
    root: bytes | None
    made_at: str

    def __str__(self) -> str:
        return f"checkpoint of size {self.size} made at {self.made_at}"


class StoredTree:
    """The nodes and roots that are stored, read a stretch at a time as somebody walks along the log.

    Each stretch is read as of its own moment unless the caller's transaction has one: both belong to the transaction
    that sealed what they stand over, so who has seen that sees them.
    """

    def __init__(self, connected: Callable[[], Connection[Any]]) -> None:
        self._connected = connected
        self._nodes: list[dict[int, bytes]] = [{}] * _LEVELS
        self._roots: deque[Root] = deque()
        self._is_last = False
        self._read_up_to = "-infinity"

    @property
    def has_begun(self) -> bool:
        """Whether a root was ever written down: until then, an older log's nodes may still be filled in."""
        return self._rows("has_root", {}) == [(True,)]

    def node(self, level: int, idx: int) -> bytes | None:
        if idx not in self._nodes[level]:
            stretch = {"level": level, "begin": idx, "end": idx + TILE_WIDTH}
            self._nodes[level] = dict(self._rows("some_nodes", stretch))
        return self._nodes[level].get(idx)

    def strays(self, size: int) -> list[tuple[int, int]]:
        """Level and index of nodes that no log of this size has."""
        return self._rows("stray_nodes", {"size": size})

    def next_root(self) -> Root | None:
        """The next checkpoint in the order in which they were made; it stays the next until `pass_root`."""
        while len(self._roots) < 2 and not (self._roots and self._is_last):  # noqa: PLR2004 - it and its successor
            parameters = {"after": self._read_up_to, "most": _ROOTS_AT_A_TIME}
            found = [Root._make(row) for row in self._rows("some_roots", parameters)]
            self._is_last = len(found) < _ROOTS_AT_A_TIME
            if not found:
                break
            self._read_up_to = found[-1].made_at
            self._roots += found
        # One that covers more than its successor would be in the way of all after it.
        while len(self._roots) > 1 and self._roots[0].size > self._roots[1].size:
            self._roots.popleft()
        return self._roots[0] if self._roots else None

    def pass_root(self) -> None:
        self._roots.popleft()
        self._is_last = False

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[Any]:
        with self._connected().cursor(binary=True) as cursor:
            return cursor.execute(_QUERIES[query], parameters).fetchall()


class TreeWalk:
    """Where a walk along the log stands, and what it knows of the tree up to there."""

    def __init__(self, tree: StoredTree) -> None:
        self._tree = tree
        self._needs_nodes = tree.has_begun
        self._needs_root = False
        self._edges = [_Edge() for _ in range(_LEVELS)]
        self._proved = 0
        """The size of the last root that was right."""

    @property
    def size(self) -> int:
        """How many places were passed; the next one is expected to have this index."""
        return self._edges[0].next

    def resume(self, idx: int) -> None:
        """Begin at the tile that an index stands in; the nodes before it are believed, as when they were passed."""
        begin = idx - idx % TILE_WIDTH
        for level in range(_LEVELS):
            edge = self._edges[level] = _Edge(begin >> (TILE_HEIGHT * level))
            if edge.tile is None:
                nodes = [self._tree.node(level, at) for at in range(edge.next - edge.next % TILE_WIDTH, edge.next)]
                edge.believe(nodes)

    def take(self, indexes: Sequence[int], hashes: Sequence[bytes]) -> Iterator[Finding]:
        """Pass places of the log in its order; gaps and repetitions among them are somebody else's finding."""
        expected = range(self.size, self.size + len(indexes))
        if indexes == expected or list(indexes) == list(expected):
            yield from self._take(self.size, hashes)
            return
        for first, run in _runs(zip(indexes, hashes, strict=True), self.size):
            yield from self._take(first, run)

    def _take(self, first: int, hashes: Sequence[bytes]) -> Iterator[Finding]:
        taken = 0
        while taken < len(hashes):
            yield from self._roots_up_to(first + taken)
            self._skip_to(first + taken)
            ends = [len(hashes), taken + TILE_WIDTH - self.size % TILE_WIDTH]
            if root := self._tree.next_root():
                ends.append(root.size - first)
            end = min(ends)
            yield from self._add(0, hashes[taken:end])
            taken = end

    def end(self, size: int) -> Iterator[Finding]:
        """Look at what remains of a log of this size."""
        yield from self._roots_up_to(size)
        for level, idx in self._tree.strays(size):
            yield Finding("node", _node(level, idx), f"is none of a log that has {size} places", size)

    def _add(self, level: int, hashes: Sequence[bytes], instead: bytes | None = None) -> Iterator[Finding]:
        """Add hashes at the end of a level, no further than to the end of a tile, and what that completes above."""
        edge = self._edges[level]
        edge.add(hashes, instead)
        if edge.next % TILE_WIDTH == 0:
            self._edges[level] = _Edge(edge.next)
            yield from self._complete(level + 1, edge)

    def _complete(self, level: int, below: _Edge) -> Iterator[Finding]:
        idx = below.next // TILE_WIDTH - 1
        first = idx << (TILE_HEIGHT * level)
        stored = self._tree.node(level, idx)
        computed = below.root_like(stored)
        is_another = None not in (stored, computed) and stored != computed
        if is_another:
            yield Finding("node", _node(level, idx), "is not the hash of what stands below it", first)
        elif stored is None and self._needs_nodes:
            yield Finding("node", _node(level, idx), "is missing", first)
        believed = stored or computed
        if believed is None:
            self._edges[level].tile = None
        yield from self._add(level, [believed or b""], computed if is_another else None)

    def _skip_to(self, idx: int) -> None:
        """Begin again behind a gap: nothing is computed from a tile that it reaches into."""
        for level, edge in enumerate(self._edges):
            begin = idx >> (TILE_HEIGHT * level)
            if edge.next != begin:
                self._edges[level] = _Edge(begin)

    def _roots_up_to(self, size: int) -> Iterator[Finding]:
        while (root := self._tree.next_root()) and root.size <= size:
            self._tree.pass_root()
            if root.root is None:
                if self._needs_root:
                    yield Finding("checkpoint", str(root), "has no root, unlike one before it", self._proved)
                continue
            self._needs_root = True
            # One of another size than what was passed lies in a gap or goes back, which is somebody else's finding.
            is_right = self._gives(root.root) if root.size == self.size else None
            if is_right:
                self._proved = root.size
            elif is_right is not None:
                since = f"the log index that differs first is {self._proved} or later"
                yield Finding("checkpoint", str(root), f"its root is not that of the log: {since}", self._proved)

    def _gives(self, root: bytes) -> bool | None:
        """Whether this is the root of what was passed; None when something of that is not known."""
        believed = self._root([edge.tile for edge in self._edges])
        doubted = self._root([edge.other or edge.tile for edge in self._edges])
        if root not in (believed, doubted):
            return None if believed is None else False
        for edge in self._edges:
            edge.settle(other=root != believed)
        return True

    def _root(self, tiles: Sequence[Frontier | None]) -> bytes | None:
        peaks = [tile.peaks for tile in reversed(tiles) if tile]
        return Frontier(self.size, chain.from_iterable(peaks)).root if len(peaks) == len(tiles) else None


class _Edge:
    """How a level ends: the hashes since its last whole tile."""

    def __init__(self, begin: int = 0) -> None:
        self.next = begin
        """The index of the next hash of the level."""
        self.tile = Frontier() if begin % TILE_WIDTH == 0 else None
        """Of those that are believed; None when one of them is not known."""
        self.other: Frontier | None = None
        """Of those that may be right instead."""

    def add(self, hashes: Sequence[bytes], instead: bytes | None) -> None:
        """Add hashes at the end; what the one hash may have to be instead."""
        self.next += len(hashes)
        if self.tile is None:
            return
        if instead is not None:
            self.other = (self.other or self.tile).copy()
            self.other.append(instead)
        elif self.other:
            self.other.extend(hashes)
        self.tile.extend(hashes)

    def believe(self, hashes: Sequence[bytes | None]) -> None:
        """Take these for what the tile has by now, if all of them are known."""
        known = [each for each in hashes if each is not None]
        if len(known) == len(hashes):
            self.tile = Frontier()
            self.tile.extend(known)

    def root_like(self, stored: bytes | None) -> bytes | None:
        """The hash over the tile; of two that it may be, the one that is stored."""
        if self.other and self.other.root == stored:
            return stored
        return self.tile.root if self.tile else None

    def settle(self, *, other: bool) -> None:
        """Believe from now on what was doubted, or doubt it no more."""
        if other and self.other:
            self.tile = self.other
        self.other = None


def _runs(places: Iterable[tuple[int, bytes]], expected: int) -> Iterator[tuple[int, list[bytes]]]:
    """The hashes in stretches without a gap; a place that was passed before is left out."""
    first, hashes = expected, list[bytes]()
    for idx, digest in places:
        if idx > first + len(hashes):
            yield first, hashes
            first, hashes = idx, []
        if idx == first + len(hashes):
            hashes.append(digest)
    yield first, hashes


def _node(level: int, idx: int) -> str:
    first, last = idx << (TILE_HEIGHT * level), (idx + 1 << (TILE_HEIGHT * level)) - 1
    return f"node {idx} of level {level} (log index {first} to {last})"
