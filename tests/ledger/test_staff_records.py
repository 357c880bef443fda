"""What is recorded of members of staff: decided on the whole stream, once per request, whoever comes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from uuid_utils.compat import uuid7

from domain.decisions.staff import AssignRoles, Deactivate, RecordMember, StaffCommand
from domain.errors import IdempotencyKeyReuse, NoChange
from domain.events import Actor, Reason
from domain.streams import StreamKind, stream_named
from ledger.staff_records import StaffOrder, StaffReceipt, StaffRecords, stream_of
from tests.checker import check
from tests.damages import disarm
from tests.ledger.service import of_service
from tests.ledger.writing import KEK, Path, attribute, receipt_of, registration, write_path
from tests.told import settle

ADMIN = Actor(id="u-900", roles=("administrator",))
MEMBER = RecordMember(subject="u-1", name="Li Na")
ROLES = AssignRoles(roles=("editor",), reason=Reason(text="as agreed"))


def staff_records(path: Path) -> StaffRecords:
    return StaffRecords(of_service(path), path.pool, path.keys, new_id=uuid7)


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def records(path: Path) -> StaffRecords:
    return staff_records(path)


def order(command: StaffCommand, key: str, *, subject: str = "u-1", actor: Actor = ADMIN) -> StaffOrder:
    digest = hashlib.sha256(repr((subject, command)).encode()).digest()
    return StaffOrder(subject, command, actor, key, digest, request_id="r-1", trace_id="t-1")


def do(records: StaffRecords, command: StaffCommand, key: str, subject: str = "u-1") -> StaffReceipt:
    return records.record(order(command, key, subject=subject), lambda _: None)


def test_what_was_recorded_is_read_back_with_its_trace(records: StaffRecords, database: str) -> None:
    first, second = do(records, MEMBER, "k-1"), do(records, ROLES, "k-2")
    assert [each.event for each in (first, second)] == records.events("u-1")
    envelope = second.event.envelope
    assert (envelope.reason, envelope.request_id, envelope.correlation_id) == (ROLES.reason, "r-1", "t-1")
    assert envelope.customer_id == stream_of("u-1") == stream_named(StreamKind.STAFF, "u-1")
    assert second.file.version == 2
    settle(database)
    check(database, KEK)


def test_a_request_leads_to_its_event_for_ever_and_its_key_to_no_other(records: StaffRecords) -> None:
    do(records, MEMBER, "k-1")
    first = do(records, ROLES, "k-2")
    do(records, Deactivate(reason=ROLES.reason), "k-3")
    again = do(records, ROLES, "k-2")
    assert (again.event, again.replayed, again.file.version) == (first.event, True, 3)
    for other in (
        order(ROLES.model_copy(update={"roles": ()}), "k-2"),
        order(ROLES, "k-2", subject="u-2"),
        order(ROLES, "k-2", actor=Actor(id="u-901")),
    ):
        with pytest.raises(IdempotencyKeyReuse):
            records.record(other, lambda _: None)
    assert len(records.events("u-1")) == 3


def test_a_key_is_either_a_customer_s_or_a_member_s(path: Path, records: StaffRecords) -> None:
    customer_id = uuid7()
    path.accept(registration(customer_id=customer_id, key="k-1"))
    with pytest.raises(IdempotencyKeyReuse):
        do(records, MEMBER, "k-1")
    do(records, MEMBER, "k-2")
    with pytest.raises(IdempotencyKeyReuse):
        receipt_of(path.settle(attribute(customer_id, "n", 1, key="k-2")))


def test_of_the_same_request_sent_at_once_one_event_comes(database: str) -> None:
    def attempt(_: int) -> StaffReceipt:
        with write_path(database) as path:
            return do(staff_records(path), MEMBER, "k-1")

    with ThreadPoolExecutor(4) as threads:
        receipts = list(threads.map(attempt, range(4)))
    assert sorted(each.replayed for each in receipts) == [False, True, True, True]
    assert len({each.event.envelope.event_id for each in receipts}) == 1


def test_of_two_who_say_the_same_at_once_the_second_is_told_that_nothing_changes(database: str) -> None:
    def attempt(key: str) -> str:
        with write_path(database) as path:
            try:
                do(staff_records(path), MEMBER, key)
            except NoChange:
                return "no change"
            return "recorded"

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(attempt, ["k-1", "k-2", "k-3"])) == ["no change", "no change", "recorded"]


def test_heads_and_files_are_those_of_the_staff_alone(path: Path, records: StaffRecords) -> None:
    path.accept(registration())
    do(records, MEMBER, "k-1")
    do(records, ROLES, "k-2")
    do(records, RecordMember(subject="u-2", name="Wang Wei"), "k-3", subject="u-2")
    assert records.heads() == {stream_of("u-1"): 2, stream_of("u-2"): 1}
    files = records.read([stream_of("u-1"), stream_of("u-2")])
    assert {file.subject for file in files.values() if file} == {"u-1", "u-2"}


def test_a_member_that_cannot_be_read_is_none_and_the_others_are_read(records: StaffRecords, database: str) -> None:
    do(records, MEMBER, "k-1")
    do(records, RecordMember(subject="u-2", name="Wang Wei"), "k-2", subject="u-2")
    with psycopg.connect(database) as connection:
        disarm(connection)
        connection.execute("UPDATE ledger.event SET entry = '{' WHERE stream = %s", [stream_of("u-1")])
    files = records.read([stream_of("u-1"), stream_of("u-2")])
    assert files[stream_of("u-1")] is None
    assert files[stream_of("u-2")] is not None


def test_the_heads_come_from_an_index_of_the_staff_s(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT stream, max(version) FROM ledger.event WHERE type LIKE 'staff.%' GROUP BY stream"
        ).fetchall()
    assert "Index Only Scan using event_staff_idx" in str(plan)
