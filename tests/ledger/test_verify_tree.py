"""Verifying the tree of a log: whatever was altered, taken away or added is told once, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection

from db.pool import connect
from ledger.findings import Finding
from ledger.merkle import Frontier, TileNode
from ledger.sealer import Sealer
from ledger.verify_log import log_findings
from ledger.verify_tree import StoredTree, TreeWalk
from tests.damages import disarm, undone
from tests.ledger.sealing import append, copy_in
from tests.server import TestServer

EVENTS = 700
BATCH = 90
LONG = 256 * 256 * 2 + 256 + 9


@pytest.fixture(scope="module")
def short(server: TestServer) -> Iterator[str]:
    """A log of two nodes and eight batches, with ticks here and there."""
    with server.database() as conninfo:
        stream = uuid4()
        sealer = Sealer(conninfo, batch=BATCH)
        sealer.tick()
        with connect(conninfo, "dossier_app") as app:
            for version in range(EVENTS):
                append(app, stream, version)
        while sealer.seal_once():
            sealer.tick()
        sealer.close()
        yield conninfo


@pytest.fixture(scope="module")
def long(server: TestServer) -> Iterator[str]:
    """A log of two nodes on the second level."""
    with server.database() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            copy_in(connection, LONG)
        sealer = Sealer(conninfo)
        sealer.tick()
        sealer.close()
        yield conninfo


def found(connection: Connection[Any], size: int) -> list[Finding]:
    return list(log_findings(connection, size, lambda _: None))


def found_after(conninfo: str, *damages: str) -> list[tuple[str, str, str]]:
    """What is found once this was done to the log, which keeps its size."""
    with undone(conninfo) as connection:
        disarm(connection)
        for damage in damages:
            assert connection.execute(damage.encode()).rowcount > 0
        ((size,),) = connection.execute("SELECT coalesce(max(idx) + 1, 0) FROM ledger.log").fetchall()
        return [(finding.check, finding.place.split(" made")[0], finding.detail) for finding in found(connection, size)]


def test_a_sound_tree_is_left_alone(short: str, long: str) -> None:
    for conninfo, size in ((short, EVENTS), (long, LONG)):
        with undone(conninfo) as connection:
            assert found(connection, size) == []


@pytest.mark.parametrize(
    ("damage", "place", "detail"),
    [
        (
            "UPDATE ledger.node SET hash = sha256('') WHERE idx = 1",
            "node 1 of level 1 (log index 256 to 511)",
            "is not",
        ),
        ("DELETE FROM ledger.node WHERE idx = 1", "node 1 of level 1 (log index 256 to 511)", "is missing"),
        ("INSERT INTO ledger.node VALUES (1, 2, sha256(''))", "node 2 of level 1 (log index 512 to 767)", "is none"),
        ("INSERT INTO ledger.node VALUES (7, 0, sha256(''))", "node 0 of level 7", "is none"),
    ],
)
def test_one_node_of_a_short_log(short: str, damage: str, place: str, detail: str) -> None:
    ((check, told_place, told_detail),) = found_after(short, damage)
    assert check == "node"
    assert told_place.startswith(place)
    assert told_detail.startswith(detail)


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ("UPDATE ledger.node SET hash = sha256('') WHERE level = 2 AND idx = 1", "node 1 of level 2"),
        ("UPDATE ledger.node SET hash = sha256('') WHERE level = 1 AND idx = 300", "node 300 of level 1"),
        ("DELETE FROM ledger.node WHERE level = 2 AND idx = 0", "node 0 of level 2 (log index 0 to 65535)"),
        ("DELETE FROM ledger.node WHERE level = 1 AND idx = 511", "node 511 of level 1"),
        ("INSERT INTO ledger.node VALUES (2, 2, sha256(''))", "node 2 of level 2"),
    ],
)
def test_one_node_of_a_long_log(long: str, damage: str, place: str) -> None:
    findings = found_after(long, damage)
    assert findings[0][0] == "node"
    assert findings[0][1].startswith(place)
    # What is believed after it gives another root; what is missing is put in its place.
    assert [check for check, *_ in findings[1:]] in ([], ["node"], ["node", "checkpoint"], ["checkpoint"])


def test_an_entry_rewritten_with_its_hash_shows_against_node_and_root(short: str) -> None:
    rewritten = (
        "WITH event AS (UPDATE ledger.event SET entry = 'x' WHERE version = 300 RETURNING *)"
        " UPDATE ledger.log SET hash = sha256('\\x00'::bytea || entry) FROM event WHERE log.version = event.version"
    )
    findings = found_after(short, rewritten)
    assert ("node", "node 1 of level 1 (log index 256 to 511)", "is not the hash of what stands below it") in findings
    roots = [(place, detail) for check, place, detail in findings if check == "checkpoint"]
    # The node is believed once it is passed, so that only roots within its tile differ.
    assert {place for place, _ in roots} == {"checkpoint of size 360", "checkpoint of size 450"}
    assert all(detail.endswith("the log index that differs first is 270 or later") for _, detail in roots)


def test_a_rewritten_node_over_rewritten_entries_shows_against_every_later_root(short: str) -> None:
    with undone(short) as connection:
        leaves = [digest for (digest,) in connection.execute("SELECT hash FROM ledger.log ORDER BY idx LIMIT 256")]
        tree = Frontier()
        (node,) = tree.extend([*leaves[:255], bytes(32)])
        disarm(connection)
        connection.execute("UPDATE ledger.log SET hash = %s WHERE idx = 255", [bytes(32)])
        connection.execute("UPDATE ledger.node SET hash = %s WHERE idx = 0", [node.hash])
        findings = [(finding.check, finding.place.split(" made")[0]) for finding in found(connection, EVENTS)]
    assert {check for check, *_ in findings} == {"log", "checkpoint"}
    assert {place for check, place in findings if check == "checkpoint"} == {
        f"checkpoint of size {size}" for size in (270, 360, 450, 540, 630, 700)
    }


def test_a_place_that_is_gone_hides_nothing_in_other_tiles(short: str) -> None:
    findings = found_after(
        short, "DELETE FROM ledger.log WHERE idx = 100", "UPDATE ledger.node SET hash = sha256('') WHERE idx = 1"
    )
    assert findings[0] == ("log", "log index 100", "is missing from the log")
    assert ("node", "node 1 of level 1 (log index 256 to 511)", "is not the hash of what stands below it") in findings


def test_a_tile_that_is_gone_is_told_as_a_gap(short: str) -> None:
    findings = found_after(short, "DELETE FROM ledger.log WHERE idx BETWEEN 200 AND 520")
    assert findings[0] == ("log", "log index 200", "is missing from the log, as are all up to 520")
    assert {check for check, *_ in findings} <= {"log", "known_at", "checkpoint"}


def test_places_moved_into_a_gap_show_in_every_node(short: str) -> None:
    findings = found_after(
        short,
        "WITH moved AS (DELETE FROM ledger.log WHERE idx >= 100 RETURNING *)"
        " INSERT INTO ledger.log SELECT idx - 1, stream, version, hash, known_at FROM moved WHERE idx > 100",
    )
    assert [place for check, place, _ in findings if check == "node"] == [
        "node 0 of level 1 (log index 0 to 255)",
        "node 1 of level 1 (log index 256 to 511)",
    ]
    first = next(detail for *_, detail in findings if detail.startswith("its root"))
    assert first.endswith("the log index that differs first is 90 or later")


def test_places_after_the_last_checkpoint_are_told(short: str) -> None:
    findings = found_after(short, "DELETE FROM ledger.checkpoint WHERE size = 700")
    assert findings == [("checkpoint", "log index 630", "no checkpoint covers the log from here on")]


def test_a_wrong_root_is_told_of_its_checkpoint_alone(short: str) -> None:
    findings = found_after(short, "UPDATE ledger.checkpoint SET root = sha256('x') WHERE size = 0")
    assert findings == [
        (
            "checkpoint",
            "checkpoint of size 0",
            "its root is not that of the log: the log index that differs first is 0 or later",
        )
    ]


def test_a_checkpoint_that_covers_too_much_hides_no_wrong_root_behind_it(short: str) -> None:
    findings = found_after(
        short,
        "UPDATE ledger.checkpoint SET size = 5000 WHERE made_at IN"
        " (SELECT min(made_at) FROM ledger.checkpoint WHERE size = 180)",
        "UPDATE ledger.checkpoint SET root = sha256('') WHERE size = 540",
    )
    assert {place for _, place, _ in findings} >= {"checkpoint of size 5000", "checkpoint of size 540"}


def test_roots_may_be_missing_only_from_before_the_first_one(short: str) -> None:
    assert found_after(short, "UPDATE ledger.checkpoint SET root = NULL WHERE size < 360") == []
    findings = found_after(short, "UPDATE ledger.checkpoint SET root = NULL WHERE size IN (0, 360)")
    assert {(place, detail) for _, place, detail in findings} == {
        ("checkpoint of size 360", "has no root, unlike one before it")
    }


def test_a_log_from_before_the_tree_needs_no_nodes(short: str) -> None:
    assert found_after(short, "UPDATE ledger.checkpoint SET root = NULL", "DELETE FROM ledger.node") == []
    some = found_after(short, "UPDATE ledger.checkpoint SET root = NULL", "UPDATE ledger.node SET hash = sha256('')")
    assert len(some) == 2


def test_a_walk_reads_on_where_the_log_has_grown(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection, connect(database, "dossier_app") as app:
        walk = TreeWalk(StoredTree(lambda: connection))
        sealer = Sealer(database)
        stream = uuid4()
        for version in range(600):
            append(app, stream, version)
            if version % 97 == 0:
                app.commit()
                sealer.seal_once()
                rows = connection.execute("SELECT idx, hash FROM ledger.log WHERE idx >= %s ORDER BY idx", [walk.size])
                indexes, hashes = zip(*rows, strict=True)
                assert list(walk.take(list(indexes), hashes)) == []
        sealer.close()
        assert walk.size == 583
        assert list(walk.end(walk.size)) == []


CHANGES = st.one_of(
    st.tuples(st.just("hash of log"), st.integers(0, EVENTS - 1)),
    st.tuples(st.just("place"), st.integers(0, EVENTS - 2)),
    st.tuples(st.just("node"), st.integers(0, 1)),
    st.tuples(st.just("root"), st.sampled_from([0, *range(BATCH, EVENTS, BATCH), EVENTS])),
    st.tuples(st.just("entry"), st.integers(0, EVENTS - 1)),
)
STATEMENTS = {
    "hash of log": "UPDATE ledger.log SET hash = sha256('') WHERE idx = {}",
    "place": "DELETE FROM ledger.log WHERE idx = {}",
    "node": "UPDATE ledger.node SET hash = sha256('') WHERE idx = {}",
    "root": "UPDATE ledger.checkpoint SET root = sha256('x') WHERE size = {}",
    "entry": "UPDATE ledger.event SET entry = 'x' WHERE version = {}",
}


@settings(deadline=None, max_examples=25)
@given(st.sets(CHANGES, min_size=1, max_size=3))
def test_every_change_is_told_at_its_place(short: str, changes: set[tuple[str, int]]) -> None:
    findings = found_after(short, *(STATEMENTS[kind].format(at) for kind, at in sorted(changes, key=_places_last)))
    told = {place.split(" (stream")[0] for _, place, _ in findings}
    for kind, at in changes:
        expected = {"node": TileNode(1, at, b""), "root": None}.get(kind, at)
        if isinstance(expected, TileNode):
            assert f"node {at} of level 1 (log index {at << 8} to {(at << 8) + 255})" in told or any(
                other == "place" and place >> 8 == at for other, place in changes
            )
        elif expected is None:
            assert f"checkpoint of size {at}" in told or any(
                other == "place" and place < at for other, place in changes
            )
        else:
            assert f"log index {at}" in told or any("missing from the log" in detail for *_, detail in findings)


def _places_last(change: tuple[str, int]) -> bool:
    return change[0] == "place"
