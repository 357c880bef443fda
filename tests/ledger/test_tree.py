"""Roots, proofs and tiles out of the database are those of the definition, and what is missing is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection

from db.pool import connect, connect_async
from ledger import tree
from ledger.errors import OutsideTree, TreeDamaged
from ledger.frontier import fill_in
from ledger.merkle import Frontier, verify_consistency, verify_inclusion
from ledger.tree import Question
from tests.damages import disarm, undone
from tests.ledger.naive_tree import path_of, proof_of, root_of
from tests.ledger.sealing import copy_in
from tests.server import TestServer

SIZE = 256 * 256 + 700
SMALL = 600


@pytest.fixture(scope="module")
def log(server: TestServer) -> Iterator[str]:
    """A log of two levels of nodes."""
    with server.database() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        copy_in(connection, SIZE)
        fill_in(connection)
        yield conninfo


@pytest.fixture(scope="module")
def reading(log: str) -> Iterator[Connection[Any]]:
    with connect(log, "dossier_reader") as connection:
        yield connection


@pytest.fixture(scope="module")
def leaves(reading: Connection[Any]) -> list[bytes]:
    return [digest for (digest,) in reading.execute("SELECT hash FROM ledger.log ORDER BY idx")]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, SMALL).flatmap(lambda size: st.tuples(st.integers(0, max(size - 1, 0)), st.just(size))))
def test_answers_about_a_small_log_are_those_of_the_definition(
    reading: Connection[Any], leaves: list[bytes], place: tuple[int, int]
) -> None:
    index, size = place
    assert tree.ask(reading, tree.root(size)) == root_of(leaves[:size])
    if size:
        assert tree.ask(reading, tree.inclusion(index, size)) == path_of(index, leaves[:size])
        expected = proof_of(index, leaves[:size]) if index else []
        assert tree.ask(reading, tree.consistency(index, size)) == expected


@settings(deadline=None, max_examples=25)
@given(st.integers(SMALL, SIZE).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_proofs_of_a_long_log_verify(reading: Connection[Any], leaves: list[bytes], place: tuple[int, int]) -> None:
    index, size = place
    now = _root(leaves[:size])
    assert tree.ask(reading, tree.root(size)) == now
    verify_inclusion(leaves[index], index, size, tree.ask(reading, tree.inclusion(index, size)), now)
    growth = tree.ask(reading, tree.consistency(index, size))
    verify_consistency(index, size, growth, _root(leaves[:index]), now)


def test_a_tile_is_what_stands_in_the_tables(reading: Connection[Any], leaves: list[bytes]) -> None:
    assert tree.ask(reading, tree.tile(0, 3)) == leaves[768:1024]
    assert tree.ask(reading, tree.tile(0, 258, 188)) == leaves[66048:66236]
    assert tree.ask(reading, tree.tile(1, 0)) == [root_of(leaves[at : at + 256]) for at in range(0, 65536, 256)]
    assert tree.ask(reading, tree.tile(1, 1, 2)) == [root_of(leaves[at : at + 256]) for at in (65536, 65792)]
    assert tree.ask(reading, tree.tile(2, 0, 1)) == [_root(leaves[:65536])]


def test_async_callers_get_the_same(log: str, leaves: list[bytes]) -> None:
    async def scenario() -> None:
        async with await connect_async(log, "dossier_app") as connection:
            assert await tree.ask_async(connection, tree.root(SIZE)) == _root(leaves)
            assert await tree.ask_async(connection, tree.consistency(5, 5)) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("place", [(-1, 0, 1), (8, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_there_is_no_such_tile(place: tuple[int, int, int]) -> None:
    with pytest.raises(OutsideTree):
        tree.tile(*place)


def test_what_is_missing_or_not_there_yet_is_told(log: str, reading: Connection[Any]) -> None:
    questions: list[Question[Any]] = [tree.tile(0, 258, 189), tree.tile(3, 0), tree.root(SIZE + 1)]
    for question in (*questions, tree.inclusion(0, SIZE + 1)):
        with pytest.raises(TreeDamaged):
            tree.ask(reading, question)
    with undone(log) as connection:
        disarm(connection)
        connection.execute("DELETE FROM ledger.node WHERE level = 1 AND idx = 5")
        with pytest.raises(TreeDamaged, match="level 1 has not all hashes from 4 to 8"):
            tree.ask(connection, tree.inclusion(0, SIZE))


def _root(leaves: list[bytes]) -> bytes:
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root
