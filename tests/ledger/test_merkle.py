"""The tree is RFC 6962's: the same roots and proofs as its definition gives, and nothing else verifies."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec
from ledger.errors import ConsistencyNotProved, InclusionNotProved, MalformedProof, OutsideTree
from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Subtree,
    TileNode,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    subtrees,
    verify_consistency,
    verify_inclusion,
)
from tests.ledger.naive_tree import leaf_of, node_getter, path_of, proof_of, root_of

MOST = 600
LEAVES = [leaf_of(number) for number in range(MOST)]
GET = node_getter(LEAVES)
SMALL = range(1, 34)

sizes = st.integers(0, MOST)


def indexes_and_sizes() -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(1, MOST).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size)))


def ordered_sizes() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(sizes, sizes).map(lambda pair: (min(pair), max(pair)))


# --- what others have published -------------------------------------------------------------------------------------

ENTRIES = [
    bytes.fromhex(entry)
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = """
    6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
    fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
    aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
    d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
    4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
    76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
    ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
    5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".split()
INCLUSIONS = {
    (0, 8): """
        96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
        5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
        6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4
    """.split(),
    (5, 8): """
        bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
        ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
        d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
    """.split(),
}
CONSISTENCY = {
    (6, 8): """
        0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a
        ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
        d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
    """.split(),
}


def test_the_published_roots_and_proofs_are_ours() -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    get = node_getter(leaves)
    assert [root(size, get).hex() for size in range(1, 9)] == ROOTS
    for (index, size), proof in INCLUSIONS.items():
        assert [digest.hex() for digest in inclusion_proof(index, size, get)] == proof
    for (old, new), proof in CONSISTENCY.items():
        assert [digest.hex() for digest in consistency_proof(old, new, get)] == proof


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root(0, GET) == Frontier().root == EMPTY_ROOT


def test_leaves_and_nodes_are_told_apart_by_their_first_byte() -> None:
    assert leaf_hash(b"entry") == codec.entry_hash(b"entry") == sha256(b"\x00entry").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()


# --- roots and proofs -----------------------------------------------------------------------------------------------


def test_all_proofs_of_small_trees_are_those_of_the_definition() -> None:
    for size in SMALL:
        assert root(size, GET) == root_of(LEAVES[:size])
        for index in range(size):
            assert inclusion_proof(index, size, GET) == path_of(index, LEAVES[:size])
        for old in range(1, size + 1):
            assert consistency_proof(old, size, GET) == proof_of(old, LEAVES[:size])


@given(indexes_and_sizes())
def test_an_inclusion_proof_is_that_of_the_definition_and_verifies(place: tuple[int, int]) -> None:
    index, size = place
    proof = inclusion_proof(index, size, GET)
    assert proof == path_of(index, LEAVES[:size])
    verify_inclusion(LEAVES[index], index, size, proof, root(size, GET))


@given(ordered_sizes())
def test_a_consistency_proof_is_that_of_the_definition_and_verifies(pair: tuple[int, int]) -> None:
    old, new = pair
    proof = consistency_proof(old, new, GET)
    assert proof == (proof_of(old, LEAVES[:new]) if old else [])
    verify_consistency(old, new, proof, root_of(LEAVES[:old]), root_of(LEAVES[:new]))


@pytest.mark.parametrize("size", [2**16 + 1, 2**40 - 1, 2**63 - 1])
def test_a_proof_asks_for_complete_subtrees_once_and_for_few(size: int) -> None:
    asked: list[Subtree] = []

    def get(wanted: Sequence[Subtree]) -> list[bytes]:
        asked.extend(wanted)
        return [bytes(32)] * len(wanted)

    for proof in (inclusion_proof, consistency_proof):
        asked.clear()
        proof(size // 3, size, get)
        assert 0 < len(set(asked)) == len(asked) <= 2 * size.bit_length()
        assert all((index + 1) << height <= size for height, index in asked)


# --- what does not verify -------------------------------------------------------------------------------------------


@given(indexes_and_sizes(), st.data())
def test_nothing_about_an_inclusion_can_be_another(place: tuple[int, int], data: st.DataObject) -> None:
    index, size = place
    proof = inclusion_proof(index, size, GET)
    tree = root(size, GET)
    with pytest.raises(InclusionNotProved):
        verify_inclusion(leaf_of(-1), index, size, proof, tree)
    with pytest.raises(InclusionNotProved):
        verify_inclusion(LEAVES[index], index, size, proof, leaf_of(-1))
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index) if size > 1 else st.just(0))
    if other != index:
        with pytest.raises((InclusionNotProved, MalformedProof)):
            verify_inclusion(LEAVES[index], other, size, proof, tree)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        with pytest.raises(InclusionNotProved):
            verify_inclusion(LEAVES[index], index, size, [*proof[:at], leaf_of(-1), *proof[at + 1 :]], tree)


@given(ordered_sizes().filter(lambda pair: 0 < pair[0] < pair[1]), st.data())
def test_nothing_about_a_growth_can_be_another(pair: tuple[int, int], data: st.DataObject) -> None:
    old, new = pair
    proof, was, now = consistency_proof(old, new, GET), root_of(LEAVES[:old]), root_of(LEAVES[:new])
    at = data.draw(st.integers(0, len(proof) - 1))
    for altered in (
        (old, new, proof, leaf_of(-1), now),
        (old, new, proof, was, leaf_of(-1)),
        (old, new, [*proof[:at], leaf_of(-1), *proof[at + 1 :]], was, now),
    ):
        with pytest.raises(ConsistencyNotProved):
            verify_consistency(*altered)


def test_a_tree_that_grew_from_nothing_or_not_at_all_is_checked_too() -> None:
    ones, twos = root(1, GET), root(2, GET)
    verify_consistency(0, 2, [], EMPTY_ROOT, twos)
    verify_consistency(2, 2, [], twos, twos)
    for old, new, was, now in ((0, 2, ones, twos), (0, 0, EMPTY_ROOT, ones), (2, 2, ones, twos), (2, 2, twos, ones)):
        with pytest.raises(ConsistencyNotProved):
            verify_consistency(old, new, [], was, now)


@given(indexes_and_sizes())
def test_a_proof_of_another_form_is_refused_as_such(place: tuple[int, int]) -> None:
    index, size = place
    proof = inclusion_proof(index, size, GET)
    tree = root(size, GET)
    for malformed in ([*proof, bytes(32)], [*proof[1:], b""], proof[1:], [*proof[:-1], bytes(33)]):
        if malformed != proof:
            with pytest.raises(MalformedProof):
                verify_inclusion(LEAVES[index], index, size, malformed, tree)
    growth = consistency_proof(index, size, GET)
    with pytest.raises(MalformedProof):
        verify_consistency(index, size, [*growth, bytes(32)], root_of(LEAVES[:index]), tree)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (7, 5)])
def test_there_is_no_proof_of_what_is_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(OutsideTree):
        inclusion_proof(index, size, GET)
    with pytest.raises(OutsideTree):
        verify_inclusion(leaf_of(0), index, size, [], leaf_of(0))


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5), (-2, -1)])
def test_no_tree_grew_from_a_greater_one(old: int, new: int) -> None:
    with pytest.raises(OutsideTree):
        consistency_proof(old, new, GET)
    with pytest.raises(OutsideTree):
        verify_consistency(old, new, [], leaf_of(0), leaf_of(0))
    with pytest.raises(OutsideTree):
        root(min(old, -1), GET)


# --- the frontier ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 150), max_size=4))
def test_a_frontier_knows_the_root_however_it_grew(steps: list[int]) -> None:
    frontier = Frontier()
    for step in steps:
        grown = frontier.copy()
        grown.extend(LEAVES[frontier.size : frontier.size + step])
        assert frontier.root == root_of(LEAVES[: frontier.size])
        frontier = grown
    assert frontier.size == sum(steps)
    assert frontier.root == root_of(LEAVES[: frontier.size])


@given(sizes)
def test_a_frontier_is_taken_up_again_from_its_peaks(size: int) -> None:
    peaks = GET(subtrees(0, size))
    frontier = Frontier(size, peaks)
    assert frontier.peaks == tuple(peaks)
    assert frontier.root == root(size, GET)
    frontier.extend(LEAVES[size:])
    assert frontier.root == root(MOST, GET)


def test_a_frontier_tells_of_the_nodes_of_tiles_as_they_are_completed() -> None:
    frontier = Frontier()
    assert frontier.extend(LEAVES[:255]) == []
    assert frontier.append(LEAVES[255]) == [TileNode(1, 0, root_of(LEAVES[:256]))]
    assert frontier.extend(LEAVES[256:]) == [TileNode(1, 1, root_of(LEAVES[256:512]))]


def test_a_node_of_the_second_level_of_tiles_stands_over_256_of_the_first() -> None:
    frontier = Frontier()
    completed = frontier.extend([leaf_of(0)] * 65536)
    first = root_of([leaf_of(0)] * 256)
    assert completed[:256] == [TileNode(1, index, first) for index in range(256)]
    assert completed[256:] == [TileNode(2, 0, root_of([first] * 256))]


@pytest.mark.parametrize(("size", "peaks"), [(-1, 0), (0, 1), (3, 1), (4, 2)])
def test_peaks_of_another_size_are_no_frontier(size: int, peaks: int) -> None:
    with pytest.raises(ValueError, match="are not those of a tree"):
        Frontier(size, [bytes(32)] * peaks)
