"""The Merkle tree of RFC 6962 and RFC 9162 over SHA-256: its hashes, its roots, its proofs and their verification.

Owns what an outsider recomputes: change nothing here without docs/log-format.md. Pure: hashes come from a getter. A
tree over n leaves splits them at the greatest power of two below n, so every hash that is ever needed belongs to a
complete subtree, which never changes once it is there, or is folded from a few of those along the right edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple, Self

from ledger.errors import ConsistencyNotProved, InclusionNotProved, MalformedProof, OutsideTree

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
"""Levels of the binary tree in one level of tiles, so that a tile is as wide as 256 hashes."""
TILE_WIDTH: Final = 1 << TILE_HEIGHT
EMPTY_ROOT: Final = sha256(b"").digest()


class Subtree(NamedTuple):
    """The complete subtree over the leaves from idx * 2^height to before (idx + 1) * 2^height."""

    height: int
    idx: int


class TileNode(NamedTuple):
    """The hash of the complete subtree over 256^level leaves that stands at `idx`, from 0, of its level."""

    level: int
    idx: int
    hash: bytes


NodeGetter = Callable[[Sequence[Subtree]], Sequence[bytes]]
"""The hashes of complete subtrees, in the order asked for; height 0 is the leaves."""


_LEAF: Final = sha256(b"\x00")
_NODE: Final = sha256(b"\x01")
"""What every hash begins with; where there are very many, a copy of it costs less than a new one."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The same of many."""
    hashes, begun = [], _LEAF.copy
    for entry in entries:
        hashing = begun()
        hashing.update(entry)
        hashes.append(hashing.digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _node_hashes(hashes: Sequence[bytes]) -> list[bytes]:
    """The hash over each pair; of an odd number the last one is left out."""
    nodes, begun, each = [], _NODE.copy, iter(hashes)
    for left, right in zip(each, each, strict=False):
        hashing = begun()
        hashing.update(left + right)
        nodes.append(hashing.digest())
    return nodes


class Frontier:
    """All that a tree needs to grow and to know its root: the hashes of its greatest complete subtrees.

    A tree of n leaves has one for each bit that is set in n, the greatest first.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self._size = size
        self._peaks = list(peaks)
        if size < 0 or len(self._peaks) != size.bit_count():
            raise ValueError(f"{len(self._peaks)} peaks are not those of a tree of size {size}")

    @property
    def size(self) -> int:
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    @property
    def root(self) -> bytes:
        return _folded(self._peaks) if self._peaks else EMPTY_ROOT

    def copy(self) -> Self:
        return type(self)(self._size, self._peaks)

    def append(self, leaf: bytes) -> list[TileNode]:
        """Take in one leaf hash; return the nodes of tiles that it completes."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> list[TileNode]:
        """Take in leaf hashes in their order; return the nodes of tiles, from level 1 on, that they complete.

        They come level by level, in each from the left.
        """
        hashes, size, height, completed = list(leaves), self._size, 0, list[TileNode]()
        self._size += len(hashes)
        edge: list[bytes] = []
        # Height by height: the peak that stands there, if one does, before what is new; a last one without a pair is a
        # peak from now on.
        while hashes:
            begin = size >> height
            if height and not height % TILE_HEIGHT:
                level = height // TILE_HEIGHT
                completed += [TileNode(level, idx, node) for idx, node in enumerate(hashes, begin)]
            if begin & 1:
                hashes.insert(0, self._peaks.pop())
            if len(hashes) & 1:
                edge.append(hashes[-1])
            hashes = _node_hashes(hashes)
            height += 1
        self._peaks += reversed(edge)
        return completed


def subtrees(begin: int, end: int) -> list[Subtree]:
    """The greatest complete subtrees that the leaves from `begin` to before `end` fall into, from the left.

    Both ends must be those of a node of some tree, as all are that this module asks for.
    """
    found = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        found.append(Subtree(height, begin >> height))
        begin += 1 << height
    return found


def root(size: int, get: NodeGetter) -> bytes:
    """The root of the tree over the first `size` leaves. Raises OutsideTree."""
    _require(size >= 0, f"there is no tree of size {size}")
    return next(_hashes([_Span(0, size)], get)) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, get: NodeGetter) -> list[bytes]:
    """The proof that the leaf at `index` is in the tree of `size`, siblings from the leaf up. Raises OutsideTree."""
    return list(_hashes(_siblings(index, size), get))


def consistency_proof(old: int, new: int, get: NodeGetter) -> list[bytes]:
    """The proof that the tree of size `old` is what the one of size `new` began with. Raises OutsideTree.

    It is empty when both are the same, and when the old tree is: everything begins with nothing.
    """
    seed, siblings = _growth(old, new)
    return list(_hashes([seed, *siblings] if seed.begin else siblings, get))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check the proof of a leaf hash against a root. Raises OutsideTree, MalformedProof or InclusionNotProved."""
    siblings = _siblings(index, size)
    _require_form(proof, len(siblings))
    node = leaf
    for sibling, digest in zip(siblings, proof, strict=True):
        node = node_hash(node, digest) if sibling.begin > index else node_hash(digest, node)
    if node != root:
        raise InclusionNotProved(f"the proof does not lead from the leaf at index {index} to the root of size {size}")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check the proof that one tree grew from another. Raises OutsideTree, MalformedProof or ConsistencyNotProved."""
    seed, siblings = _growth(old, new)
    _require_form(proof, len(siblings) + (seed.begin > 0))
    was = now = proof[0] if seed.begin else old_root
    for sibling, digest in zip(siblings, proof[seed.begin > 0 :], strict=True):
        if sibling.begin >= old:
            now = node_hash(now, digest)
        else:
            was, now = node_hash(digest, was), node_hash(digest, now)
    if not old:
        was, now = EMPTY_ROOT, new_root if new else EMPTY_ROOT
    if (was, now) != (old_root, new_root):
        raise ConsistencyNotProved(f"the proof does not lead from the root of size {old} to that of size {new}")


class _Span(NamedTuple):
    """A node of a tree, by its leaves."""

    begin: int
    end: int


def _siblings(index: int, size: int) -> list[_Span]:
    """What stands beside the way from a leaf to the root, from the leaf up."""
    _require(0 <= index < size, f"there is no index {index} in a tree of size {size}")
    siblings, begin, end = [], 0, size
    while end - begin > 1:
        middle = _middle(begin, end)
        if index < middle:
            siblings.append(_Span(middle, end))
            end = middle
        else:
            siblings.append(_Span(begin, middle))
            begin = middle
    return siblings[::-1]


def _growth(old: int, new: int) -> tuple[_Span, list[_Span]]:
    """The greatest node that ends both the old tree and one of the new, and what stands beside its way up.

    When that node is the whole old tree, it begins at 0 and the proof leaves it out.
    """
    _require(0 <= old <= new, f"no tree of size {old} is the beginning of one of size {new}")
    siblings, begin, end = [], 0, new
    while old and old < end:
        middle = _middle(begin, end)
        if old <= middle:
            siblings.append(_Span(middle, end))
            end = middle
        else:
            siblings.append(_Span(begin, middle))
            begin = middle
    return _Span(begin, end), siblings[::-1]


def _middle(begin: int, end: int) -> int:
    """Where a node of more than one leaf is split."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _hashes(spans: Sequence[_Span], get: NodeGetter) -> Iterator[bytes]:
    """The hashes of nodes, after one call of the getter for all of them."""
    groups = [subtrees(*span) for span in spans]
    found = iter(get([subtree for group in groups for subtree in group])) if groups else iter(())
    for group in groups:
        yield _folded(list(islice(found, len(group))))


def _folded(peaks: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees that stand side by side, the greatest first."""
    node = peaks[-1]
    for peak in peaks[-2::-1]:
        node = node_hash(peak, node)
    return node


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise OutsideTree(problem)


def _require_form(proof: Sequence[bytes], length: int) -> None:
    if len(proof) != length:
        raise MalformedProof(f"the proof has {len(proof)} hashes; {length} lead from there to the root")
    if any(len(digest) != HASH_BYTES for digest in proof):
        raise MalformedProof(f"a hash of the proof has not {HASH_BYTES} bytes")
