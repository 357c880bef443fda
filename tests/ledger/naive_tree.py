"""The Merkle tree word for word as RFC 9162, section 2.1, defines it; slow, and the oracle of ledger/merkle.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from ledger.merkle import Subtree


def leaf_of(number: int) -> bytes:
    """The leaf hash of some entry."""
    return sha256(b"\x00" + str(number).encode()).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def path_of(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if m < k:
        return [*path_of(m, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(m - k, leaves[k:]), root_of(leaves[:k])]


def proof_of(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF."""
    return _subproof(m, leaves, known=True)


def node_getter(leaves: Sequence[bytes]) -> Callable[[Sequence[Subtree]], list[bytes]]:
    """Hashes of complete subtrees."""

    def get(subtrees: Sequence[Subtree]) -> list[bytes]:
        return [_complete(leaves, index << height, (index + 1) << height) for height, index in subtrees]

    return get


def _complete(leaves: Sequence[bytes], begin: int, end: int) -> bytes:
    assert end <= len(leaves), f"the subtree from {begin} to {end} is not complete"
    return root_of(leaves[begin:end])


def _subproof(m: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if known else [root_of(leaves)]
    k = _split(len(leaves))
    if m <= k:
        return [*_subproof(m, leaves[:k], known=known), root_of(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], known=False), root_of(leaves[:k])]


def _split(size: int) -> int:
    """The greatest power of two below `size`."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k
