"""Verifying what was erased: with its event it is sound, without it is a finding, and so is what should be gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg import Connection

from ledger.streams import read_streams
from ledger.verify import SnapshotKeys, one_moment, verify_evidence
from ledger.verify_erasures import erasure_findings
from tests.damages import disarm, undone
from tests.ledger.erasing import CANARY, add_person, erase, eraser_on
from tests.ledger.writing import KEK, registration, write_path
from tests.server import TestServer

AT_ONCE = timedelta(0)


@pytest.fixture(scope="module")
def world(server: TestServer) -> Iterator[tuple[str, UUID, UUID]]:
    """A person who was erased, and one whose erasure nobody has carried out."""
    with server.database() as conninfo, write_path(conninfo) as path, eraser_on(conninfo) as eraser:
        customer = path.accept(registration("Acme")).customer_id
        gone, pending = add_person(path, customer), add_person(path, customer)
        erase(path, customer, gone)
        eraser.carry_out()
        erase(path, customer, pending)
        yield conninfo, gone, pending


def found(connection: Connection[tuple[object, ...]]) -> list[tuple[str, str, str]]:
    findings = list(verify_evidence(connection, SnapshotKeys(connection, KEK)))
    assert CANARY not in repr(findings)
    return [(each.check, each.place, each.detail) for each in findings]


def left(connection: Connection[tuple[object, ...]]) -> list[str]:
    (stream,) = read_streams(connection)
    findings = erasure_findings(connection, stream.events, SnapshotKeys(connection, KEK), time_to_erase=AT_ONCE)
    return [f"{each.place}: {each.detail}" for each in findings]


def test_what_an_event_erased_may_be_gone_and_what_is_not_yet_gone_may_wait(world: tuple[str, UUID, UUID]) -> None:
    with one_moment(world[0]) as connection:
        assert found(connection) == []


def test_what_is_not_gone_in_time_is_told(world: tuple[str, UUID, UUID]) -> None:
    with one_moment(world[0]) as connection:
        told = left(connection)
    assert len([each for each in told if "part 1: was erased by version" in each]) == 2
    assert [each for each in told if each.endswith(f"the data key of subject {world[2]} is still there")]
    assert str(world[1]) not in str(told)


def test_a_key_or_a_part_that_comes_back_is_told(world: tuple[str, UUID, UUID]) -> None:
    conninfo, gone, pending = world
    with undone(conninfo) as connection:
        connection.execute(
            "UPDATE keys.subject_key SET state = 'active', erased_by = NULL, destroyed_at = NULL, kek = other.kek,"
            " wrapped = other.wrapped FROM keys.subject_key AS other WHERE subject_key.subject = %s"
            " AND other.subject = %s",
            [gone, pending],
        )
        # It belongs to another subject, so it does not open; what counts is that there is one.
        assert [each for each in left(connection) if str(gone) in each]


@pytest.mark.parametrize("lost", ["the event", "its place in the stream"])
def test_without_the_event_the_part_is_missing_and_the_key_a_finding(world: tuple[str, UUID, UUID], lost: str) -> None:
    conninfo, gone, _ = world
    with undone(conninfo) as connection:
        disarm(connection)
        marked = b'"erases":"%b"' % str(gone).encode()
        if lost == "the event":
            change = "DELETE FROM ledger.event WHERE position(%(marked)b::bytea IN entry) > 0"
        else:
            change = "UPDATE ledger.event SET type = 'customer.archived' WHERE position(%(marked)b::bytea IN entry) > 0"
        assert connection.execute(change.encode(), {"marked": marked}).rowcount == 1
        told = found(connection)
    assert ("key", f"subject {gone}", "has no data key any more, although no event of its stream erased it") in told
    assert [each for each in told if each[0] in {"versions", "event"}]


def test_a_part_that_is_gone_while_its_key_lives_is_missing(world: tuple[str, UUID, UUID]) -> None:
    with undone(world[0]) as connection:
        disarm(connection)
        connection.execute("DELETE FROM ledger.payload WHERE version = 1")
        assert ("payload", "part 0: the ciphertext is gone") in [(check, why) for check, _, why in found(connection)]
