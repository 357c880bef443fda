"""The log's Merkle tree as the database has it: roots, proofs and tiles of any size that it had.

Each question is one statement, however big the log: a proof reads at most a tile on its way and one along the edge, of
each level. What must stay true: who asks takes the size from a signed checkpoint and from nowhere else, for a size
that was never signed proves nothing to anybody. Questions are made and answered here without a connection, so that
threads and async handlers ask the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from psycopg import AsyncConnection, Connection

from db import arrays
from db.queries import load
from ledger import merkle
from ledger.errors import OutsideTree, TreeDamaged
from ledger.frontier import split
from ledger.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, NodeGetter, Subtree

_QUERIES: Final = load(Path(__file__).parent, "tree.sql")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Stretch(NamedTuple):
    """Hashes of one level of tiles, from the one at `begin` to before the one at `end`."""

    level: int
    begin: int
    end: int


@dataclass(frozen=True)
class Question(Generic[T_co]):
    """What to read, and what follows from it. Answering raises TreeDamaged when something of it is not there."""

    stretches: Sequence[_Stretch]
    conclude: Callable[[Sequence[Sequence[bytes]]], T_co]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {
            "levels": arrays.smallints(stretch.level for stretch in self.stretches),
            "begins": arrays.bigints(stretch.begin for stretch in self.stretches),
            "ends": arrays.bigints(stretch.end for stretch in self.stretches),
        }

    def answer(self, rows: Sequence[tuple[bytes | None]]) -> T_co:
        found = []
        for stretch, (joined,) in zip(self.stretches, rows, strict=True):
            hashes = split(joined)
            if len(hashes) != stretch.end - stretch.begin:
                raise TreeDamaged(f"level {stretch.level} has not all hashes from {stretch.begin} to {stretch.end}")
            found.append(hashes)
        return self.conclude(found)


def root(size: int) -> Question[bytes]:
    """The root of the tree over the first `size` entries. Raises OutsideTree."""
    return _of_subtrees(lambda get: merkle.root(size, get))


def frontier(size: int) -> Question[Frontier]:
    """The edge of the tree over the first `size` entries, from which it can be made to grow. Raises OutsideTree."""
    if size < 0:
        raise OutsideTree(f"there is no tree of size {size}")
    return _of_subtrees(lambda get: Frontier(size, get(merkle.subtrees(0, size))))


def inclusion(index: int, size: int) -> Question[list[bytes]]:
    """The proof that the entry at `index` is among the first `size`. Raises OutsideTree."""
    return _of_subtrees(lambda get: merkle.inclusion_proof(index, size, get))


def consistency(old: int, new: int) -> Question[list[bytes]]:
    """The proof that the log of size `new` began as that of size `old`. Raises OutsideTree."""
    return _of_subtrees(lambda get: merkle.consistency_proof(old, new, get))


def tile(level: int, index: int, width: int = TILE_WIDTH) -> Question[list[bytes]]:
    """The first `width` hashes of a tile. Raises OutsideTree; all of it must be inside the size that is spoken of."""
    if not (0 <= level <= 7 and index >= 0 and 1 <= width <= TILE_WIDTH):  # noqa: PLR2004 - 256^8 is no size
        raise OutsideTree(f"there is no tile {index} of level {level} and width {width}")
    begin = index * TILE_WIDTH
    return Question([_Stretch(level, begin, begin + width)], lambda found: list(found[0]))


def ask(connection: Connection[Any], question: Question[T]) -> T:
    """Answer a question, in the caller's transaction if there is one. Raises TreeDamaged."""
    if not question.stretches:
        return question.answer([])
    with connection.cursor(binary=True) as cursor:
        return question.answer(cursor.execute(_QUERIES["stretches"], question.parameters).fetchall())


async def ask_async(connection: AsyncConnection[Any], question: Question[T]) -> T:
    """Do the same for async callers."""
    if not question.stretches:
        return question.answer([])
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_QUERIES["stretches"], question.parameters)
        return question.answer(await cursor.fetchall())


def _of_subtrees(compute: Callable[[NodeGetter], T]) -> Question[T]:
    """Ask for what a computation wants of the tree; it runs once to say so and once more with the answer."""
    wanted: list[Subtree] = []

    def note(subtrees: Sequence[Subtree]) -> list[bytes]:
        wanted.extend(subtrees)
        return [b""] * len(subtrees)

    compute(note)
    return Question(list(map(_below, wanted)), lambda found: compute(lambda _: [_over(hashes) for hashes in found]))


def _below(subtree: Subtree) -> _Stretch:
    """The hashes of the next level of tiles that the subtree's hash is made of."""
    level, above = divmod(subtree.height, TILE_HEIGHT)
    return _Stretch(level, subtree.idx << above, (subtree.idx + 1) << above)


def _over(hashes: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(hashes)
    return tree.root
