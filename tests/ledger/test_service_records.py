"""The service's own streams: appended at the version seen, kept like evidence, passed over for customers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from psycopg.sql import SQL
from uuid_utils.compat import uuid7

from domain.events.privacy import RECORDS_SUBJECT
from domain.events.service import ServicePayload
from domain.streams import StreamKind, stream_kind, stream_named
from ledger import codec
from ledger.errors import StreamMoved, UnreadableEvent
from ledger.service_records import ServiceRecords
from ledger.verify import SnapshotKeys, extent_of, one_moment, verify_evidence
from projections.rebuild import Watch, rebuild
from tests.checker import check
from tests.damages import disarm
from tests.ledger.service import event, service_records
from tests.ledger.writing import KEK, attribute, write_path
from tests.told import ACME, settle, tell

STREAM = uuid7()


@pytest.fixture
def records(database: str) -> Iterator[ServiceRecords]:
    with service_records(database) as records:
        yield records


@pytest.fixture
def told(database: str) -> str:
    """Two customers, and beside them a stream of the service: two events, sealed and projected, one that waits."""
    tell(database)
    with service_records(database) as records:
        records.append(STREAM, 0, [event(), event()])
        settle(database)
        records.append(STREAM, 2, [event()])
    return database


def findings(conninfo: str) -> list[str]:
    with one_moment(conninfo) as connection:
        return [f"{each.check}: {each.detail}" for each in verify_evidence(connection, SnapshotKeys(connection, KEK))]


# --- whose a stream is ----------------------------------------------------------------------------------------------


def test_a_stored_name_says_whose_the_stream_is_and_one_that_says_nothing_is_a_customers() -> None:
    names = ["staff.joined", "policy.amended", "access.profile-viewed", "log.epoch-began", "customer.registered"]
    kinds = [StreamKind.STAFF, StreamKind.POLICY, StreamKind.ACCESS, StreamKind.LOG, StreamKind.CUSTOMER]
    assert [stream_kind(name) for name in names] == kinds
    assert [kind.is_of_service for kind in kinds] == [True, True, True, False, False]
    assert {stream_kind(name) for name in ("", "staff", "x", "Staff.joined", "accesses.x", "customer")} == {
        StreamKind.CUSTOMER,
        StreamKind.STAFF,
    }


def test_the_stream_of_a_name_is_always_the_same_and_nobody_elses() -> None:
    assert stream_named(StreamKind.STAFF, "u-1") == UUID("e291f3e7-ed28-5552-82fb-b04d2aa320d2")
    ids = {stream_named(kind, name) for kind in (StreamKind.STAFF, StreamKind.POLICY) for name in ("u-1", "u-2")}
    assert len(ids) == 4


# --- appending ------------------------------------------------------------------------------------------------------


def test_what_is_appended_is_read_back_with_its_envelope(records: ServiceRecords) -> None:
    first = records.append(STREAM, 0, [event(request_id="r-1"), event()], policy_version=7)
    second = records.append(STREAM, 2, [event()])
    assert records.read(STREAM) == [*first, *second]
    assert records.read(STREAM, after=2) == second
    envelopes = [each.envelope for each in (*first, *second)]
    assert [envelope.version for envelope in envelopes] == [1, 2, 3]
    assert sorted(envelope.recorded_at for envelope in envelopes) == [each.recorded_at for each in envelopes]
    assert (envelopes[0].request_id, envelopes[0].policy_version, envelopes[0].effective_from) == ("r-1", 7, None)
    assert records.read(uuid7()) == []


def test_nothing_is_recorded_behind_a_version_that_is_not_the_last(records: ServiceRecords) -> None:
    records.append(STREAM, 0, [event()])
    for wrong in (0, 2):
        with pytest.raises(StreamMoved):
            records.append(STREAM, wrong, [event()])
    assert len(records.read(STREAM)) == 1


def test_of_many_who_saw_the_same_version_one_records(database: str, records: ServiceRecords) -> None:
    def attempt(number: int) -> bool:
        with service_records(database) as own:
            try:
                own.append(STREAM, 0, [event(request_id=f"r-{number}")])
            except StreamMoved:
                return False
            return True

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(attempt, range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    (recorded,) = records.read(STREAM)
    assert recorded.envelope.request_id == f"r-{outcomes.index(True)}"


def test_an_event_is_not_recorded_before_the_one_ahead_of_it(database: str, records: ServiceRecords) -> None:
    (first,) = records.append(STREAM, 0, [event()])
    later = first.envelope.recorded_at.replace(year=first.envelope.recorded_at.year + 1)
    with psycopg.connect(database) as connection:
        disarm(connection)
        connection.execute(
            "UPDATE ledger.event SET entry = convert_to(replace(convert_from(entry, 'UTF8'), %s, %s), 'UTF8')",
            [str(first.envelope.recorded_at.year), str(later.year)],
        )
    (second,) = records.append(STREAM, 1, [event()])
    assert second.envelope.recorded_at == later


def test_a_stream_whose_end_is_damaged_is_not_gone_on_with(database: str, records: ServiceRecords) -> None:
    records.append(STREAM, 0, [event()])
    with psycopg.connect(database) as connection:
        disarm(connection)
        connection.execute("UPDATE ledger.event SET entry = '{'")
    with pytest.raises(UnreadableEvent):
        records.append(STREAM, 1, [event()])


def test_nothing_of_customers_and_nothing_of_two_kinds_is_appended(records: ServiceRecords) -> None:
    class OfCustomer(ServicePayload):
        type = "customer.seen"

    class OfStaff(ServicePayload):
        type = "staff.seen"

    for events in ([], [event(OfCustomer())], [event(), event(OfStaff())]):
        with pytest.raises(ValueError, match="no events of one stream"):
            records.append(STREAM, 0, events)


# --- evidence like any other ----------------------------------------------------------------------------------------


def test_they_are_verified_and_customers_read_models_pass_them_over(told: str) -> None:
    with write_path(told) as path:
        path.accept(attribute(ACME, "n", 5))
    settle(told)
    check(told, KEK)
    with one_moment(told) as connection:
        assert extent_of(connection) == (2, 19, 19)
        of_it = SQL("SELECT count(*) FROM read.{} WHERE customer_id = {}")
        for table in ("facts", "events", "changes", "profile"):
            counted = connection.execute(of_it.format(SQL(table), STREAM)).fetchone()
            assert counted == (0,)


def test_a_rebuild_makes_the_same_without_them(told: str) -> None:
    summary = rebuild(told, KEK, Watch(lambda _: None))
    assert (summary.customers, summary.differences) == (2, 0)
    settle(told)
    check(told, KEK)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM ledger.event WHERE type LIKE 'access.%' AND version = 2", "versions: is missing"),
        ("DELETE FROM ledger.payload WHERE (stream, version) = (SELECT stream, 1 FROM ledger.unsealed)", "payload: "),
        ("UPDATE ledger.event SET type = 'staff.x' WHERE type LIKE 'access.%' AND version = 1", "event: the entry "),
        ("DELETE FROM ledger.unsealed", "queue: has no place in the log and does not wait for one"),
    ],
)
def test_what_is_done_to_them_is_found(told: str, damage: str, found: str) -> None:
    assert findings(told) == []
    with psycopg.connect(told) as connection:
        disarm(connection)
        connection.execute(damage.encode())
    assert [each for each in findings(told) if each.startswith(found)]


def test_no_erasure_reaches_them(records: ServiceRecords, database: str) -> None:
    records.append(STREAM, 0, [event()])
    with write_path(database) as path:
        (stored,) = path.ledger.recorder.select_events(STREAM)
        assert codec.subjects_in(stored) == {RECORDS_SUBJECT}
        erased = {STREAM: uuid7(), ACME: uuid7()}
        assert codec.decode(stored, path.keys, erased) == records.read(STREAM)[0]
