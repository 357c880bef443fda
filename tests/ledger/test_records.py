"""The write path: what a batch records, refuses, repeats and leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from domain.decisions import Order
from domain.decisions.classification import ApplyTag, AssignOwner, RemoveAttribute
from domain.decisions.identity import ChangeLegalName, RecordIdentifier, RevokeIdentifier
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import (
    AlreadyRegistered,
    CustomerUnknown,
    HistoryNeeded,
    IdentifierAlreadyClaimed,
    NoChange,
    VersionConflict,
)
from domain.events import Actor
from domain.events.classification import OwnerRole
from ledger.errors import SubjectErased
from ledger.records import AnyVersion, Outcome, Pending, Receipt, Submission
from projections.profile import FOLD_VERSION
from tests.ledger.writing import (
    USCC,
    Path,
    assert_consistent,
    attribute,
    count,
    order,
    receipt_of,
    receipts_of,
    registration,
    rows,
    wait_until,
    write_path,
)


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def customer(path: Path) -> UUID:
    return path.accept(registration("Acme")).customer_id


def outcome_of(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    return outcome


# --- one transaction ------------------------------------------------------------------------------------------------


def test_a_registration_writes_all_its_rows_at_once(path: Path, database: str) -> None:
    receipt = path.accept(registration("Acme", USCC, key="k-1"))
    recorded = [event.payload.type for event in receipt.events]
    assert recorded[0] == "customer.registered"
    assert (receipt.registered, receipt.replayed, receipt.version) == (True, False, len(recorded))
    assert rows(database, "SELECT version, type FROM ledger.event ORDER BY version") == list(enumerate(recorded, 1))
    assert rows(database, "SELECT scheme, value, customer_id FROM read.identifier") == [(*USCC, receipt.customer_id)]
    assert rows(database, "SELECT first_version, last_version, status FROM ledger.idempotency") == [
        (1, receipt.version, 201)
    ]
    assert count(database, "ledger.unsealed") == len(recorded)
    assert count(database, "ledger.payload") >= len(recorded)
    assert len({xmin for (xmin,) in rows(database, _TRANSACTIONS)}) == 1
    assert_consistent(database)


_TRANSACTIONS = """
    SELECT xmin::text FROM ledger.event UNION SELECT xmin::text FROM ledger.payload
    UNION SELECT xmin::text FROM ledger.unsealed UNION SELECT xmin::text FROM ledger.idempotency
    UNION SELECT xmin::text FROM read.profile UNION SELECT xmin::text FROM read.identifier
"""


def test_an_order_for_an_unknown_customer_is_refused(path: Path, database: str) -> None:
    assert isinstance(outcome_of(path.process(attribute(uuid7(), "a", 1))), CustomerUnknown)
    with pytest.raises(CustomerUnknown):
        path.records.read_history(uuid7())
    assert count(database, "ledger.event") == 0


def test_a_taken_customer_id_is_refused(path: Path, database: str) -> None:
    chosen = uuid7()
    first, second = path.process(registration("A", customer_id=chosen), registration("B", customer_id=chosen))
    assert receipt_of(first).registered
    assert isinstance(second, AlreadyRegistered)
    assert isinstance(outcome_of(path.process(registration("C", customer_id=chosen))), AlreadyRegistered)
    assert_consistent(database)


# --- one batch ------------------------------------------------------------------------------------------------------


def test_commands_of_one_batch_on_one_customer_see_each_other(path: Path, database: str) -> None:
    chosen = uuid7()
    outcomes = path.process(
        registration("Acme", customer_id=chosen),
        attribute(chosen, "size", 10),
        attribute(chosen, "size", 10),
        order(chosen, RemoveAttribute(key="size")),
        attribute(chosen, "size", 11),
    )
    assert isinstance(outcomes[2], NoChange)
    receipts = receipts_of(outcome for outcome in outcomes if outcome is not outcomes[2])
    assert [receipt.version for receipt in receipts[1:]] == [receipts[0].version + offset for offset in (1, 2, 3)]
    assert_consistent(database)


def test_an_if_match_that_no_longer_holds_fails_its_command_only(path: Path, customer: UUID, database: str) -> None:
    seen = path.records.read_history(customer).profile_version
    first, second, third = path.process(
        attribute(customer, "a", 1, seen=seen),
        attribute(customer, "b", 1, seen=seen),
        attribute(customer, "c", 1, seen=seen + 1),
    )
    assert receipt_of(first).profile_version == seen + 1
    assert isinstance(second, VersionConflict)
    assert second.current == f"{seen + 1}.0"
    assert receipt_of(third).profile_version == seen + 2
    assert_consistent(database)


def test_a_version_conflict_names_the_revision_of_this_moment(path: Path, customer: UUID, database: str) -> None:
    receipt = path.accept(attribute(customer, "a", 1, effective_from=datetime.now(UTC) + timedelta(seconds=0.2)))
    wait_until(database, receipt.events[0].envelope.effective_from)
    conflict = outcome_of(path.process(attribute(customer, "b", 1, seen=1)))
    assert isinstance(conflict, VersionConflict)
    assert conflict.current == f"{receipt.profile_version}.1"


def test_an_identifier_claimed_twice_in_one_batch_goes_to_the_first(path: Path, database: str) -> None:
    first, second = path.process(registration("A", USCC), registration("B", USCC))
    assert isinstance(second, IdentifierAlreadyClaimed)
    assert second.holder == str(receipt_of(first).customer_id)
    later = outcome_of(path.process(registration("C", USCC)))
    assert isinstance(later, IdentifierAlreadyClaimed)
    assert later.holder == second.holder
    assert_consistent(database)


def test_an_identifier_given_up_can_be_taken_in_the_same_batch(path: Path, customer: UUID, database: str) -> None:
    holder = path.accept(registration("Holder", USCC)).customer_id
    revoke = RevokeIdentifier(scheme=USCC[0], value=USCC[1])
    claim = RecordIdentifier(scheme=USCC[0], value=USCC[1])
    refused, _, taken = path.process(order(customer, claim), order(holder, revoke), order(customer, claim))
    assert isinstance(refused, IdentifierAlreadyClaimed)
    assert receipt_of(taken).customer_id == customer
    assert assert_consistent(database)[customer].claims() == {USCC}


def test_an_identifier_taken_and_given_up_in_one_batch_is_free(path: Path, customer: UUID, database: str) -> None:
    other = path.accept(registration("Other")).customer_id
    claim = RecordIdentifier(scheme=USCC[0], value=USCC[1])
    (recorded,) = path.accept(order(customer, claim)).events
    pending = Pending(order(customer, RetractFact(retracts=recorded.envelope.event_id)))
    pending.history = path.records.read_history(customer)
    receipts_of(path.records.process([pending, Pending(order(other, claim))]))
    assert assert_consistent(database)[other].claims() == {USCC}


def test_claims_of_a_batch_that_end_where_they_began_write_nothing(path: Path, customer: UUID, database: str) -> None:
    claim = RecordIdentifier(scheme=USCC[0], value=USCC[1])
    revoke = RevokeIdentifier(scheme=USCC[0], value=USCC[1])
    receipts_of(path.process(order(customer, claim), order(customer, revoke)))
    assert count(database, "read.identifier") == 0
    assert_consistent(database)


def test_a_dry_run_decides_and_stores_nothing(path: Path, customer: UUID, database: str) -> None:
    before = count(database, "ledger.event")
    tried, tried_again, recorded = path.process(
        attribute(customer, "a", 1, dry_run=True),
        attribute(customer, "a", 1, dry_run=True),
        attribute(customer, "a", 2),
    )
    assert receipt_of(tried).version == receipt_of(tried_again).version == receipt_of(recorded).version == before + 1
    assert receipt_of(path.accept(registration("B", USCC, dry_run=True))).registered
    assert count(database, "ledger.event") == before + 1
    assert count(database, "ledger.idempotency") == count(database, "read.identifier") == 0
    assert count(database, "read.profile") == 1
    assert_consistent(database)


# --- culprits -------------------------------------------------------------------------------------------------------


def test_an_order_that_cannot_be_saved_fails_alone_in_its_batch(path: Path, database: str) -> None:
    poisonous = registration("poison", key="x" * 300)  # the table takes 255 characters
    batch = [registration(f"customer {number}", key=f"k-{number}") for number in range(255)]
    outcomes = path.process(*batch[:100], poisonous, *batch[100:])
    assert isinstance(outcomes.pop(100), Exception)
    assert len(receipts_of(outcomes)) == 255
    assert count(database, "read.profile") == 255
    assert_consistent(database)


def test_an_order_about_an_erased_subject_fails_alone_in_its_batch(path: Path, customer: UUID, database: str) -> None:
    erased = path.accept(registration("Gone")).customer_id
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE keys.subject_key SET state = 'destroyed', wrapped = '', erased_by = gen_random_uuid(), "
            "destroyed_at = now() WHERE subject = %s",
            [erased],
        )
    with write_path(database) as other:
        first, failed, second = other.process(
            attribute(customer, "a", 1), attribute(erased, "a", 1), attribute(customer, "b", 1)
        )
    assert isinstance(failed, SubjectErased)
    assert receipt_of(first).version + 1 == receipt_of(second).version
    assert rows(database, "SELECT max(version) FROM ledger.event WHERE stream = %s", customer) == [
        (receipt_of(second).version,)
    ]


def test_an_order_without_changes_fails_alone_in_its_batch(path: Path, customer: UUID, database: str) -> None:
    empty = Submission(Order(customer, (), Actor(id="u-1"), idempotency_key="k"), AnyVersion(), b"")
    first, failed = path.process(attribute(customer, "a", 1), empty)
    assert receipt_of(first).profile_version > 0
    assert isinstance(failed, Exception)
    assert_consistent(database)


# --- time -----------------------------------------------------------------------------------------------------------


def test_events_are_recorded_at_the_database_clock(path: Path, database: str) -> None:
    ((before,),) = rows(database, "SELECT clock_timestamp()")
    receipt = path.accept(registration("Acme"))
    ((after,),) = rows(database, "SELECT clock_timestamp()")
    (recorded_at,) = {event.envelope.recorded_at for event in receipt.events}
    assert before < recorded_at < after


def test_a_stream_never_goes_back_in_time(path: Path, customer: UUID, database: str) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE read.profile SET as_of = %s", [ahead])
    first, second = receipts_of(path.process(attribute(customer, "a", 1), attribute(customer, "b", 1)))
    assert first.events[0].envelope.recorded_at == second.events[0].envelope.recorded_at == ahead
    assert path.accept(attribute(customer, "c", 1)).events[0].envelope.recorded_at == ahead
    assert_consistent(database)


# --- the slow path --------------------------------------------------------------------------------------------------


def test_a_correction_asks_for_the_history_and_is_decided_on_it(path: Path, customer: UUID, database: str) -> None:
    (wrong,) = path.accept(attribute(customer, "size", 10)).events
    path.accept(attribute(customer, "size", 12))
    submission = order(customer, CorrectFact(corrects=wrong.envelope.event_id, replacement={"value": 11}), key="k")
    pending = Pending(submission)
    assert isinstance(outcome_of(path.records.process([pending])), HistoryNeeded)
    pending.history = path.records.read_history(customer)
    receipt = receipt_of(outcome_of(path.records.process([pending])))
    assert list(receipt.masked) == [receipt.version]
    assert path.accept(submission) == receipt.again()
    assert_consistent(database)


def test_a_history_that_the_batch_has_moved_on_from_is_good_for_the_next(
    path: Path, customer: UUID, database: str
) -> None:
    (wrong,) = path.accept(attribute(customer, "size", 10)).events
    pending = Pending(order(customer, RetractFact(retracts=wrong.envelope.event_id)))
    pending.history = path.records.read_history(customer)
    first, second = path.records.process([Pending(attribute(customer, "other", 1)), pending])
    assert receipt_of(first).profile_version > 0
    assert isinstance(second, HistoryNeeded)
    receipt_of(outcome_of(path.records.process([pending])))
    assert_consistent(database)


def test_a_fact_before_the_holder_is_decided_on_the_history(path: Path, customer: UUID, database: str) -> None:
    now = datetime.now(UTC)
    path.accept(attribute(customer, "size", 10, effective_from=now - timedelta(days=2)))
    path.accept(attribute(customer, "size", 11, effective_from=now - timedelta(days=1)))
    early = attribute(customer, "size", 9, effective_from=now - timedelta(days=3))
    assert isinstance(outcome_of(path.process(early)), HistoryNeeded)
    receipt = path.accept(early)
    assert receipt.masked == {receipt.version: now - timedelta(days=2)}
    assert_consistent(database)


def test_a_refused_order_does_not_spoil_the_history_it_was_decided_on(
    path: Path, customer: UUID, database: str
) -> None:
    """Deciding changes the history; half an order must not stay in it."""
    (wrong,) = path.accept(attribute(customer, "size", 10)).events
    retract = RetractFact(retracts=wrong.envelope.event_id)
    pending = Pending(order(customer, retract, RemoveAttribute(key="size")))
    pending.history = path.records.read_history(customer)
    assert isinstance(outcome_of(path.records.process([pending])), NoChange)
    assert pending.history is None
    assert isinstance(outcome_of(path.records.process([pending])), HistoryNeeded)
    path.accept(order(customer, retract))
    assert_consistent(database)


def test_a_profile_of_another_fold_version_is_folded_anew(path: Path, customer: UUID, database: str) -> None:
    path.accept(order(customer, RecordIdentifier(scheme=USCC[0], value=USCC[1])))
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE read.profile SET fold_version = fold_version - 1, state = 'no JSON'")
    receipt = path.accept(order(customer, RevokeIdentifier(scheme=USCC[0], value=USCC[1])))
    assert receipt.version == receipt.profile_version
    assert rows(database, "SELECT fold_version FROM read.profile") == [(FOLD_VERSION,)]
    assert_consistent(database)


def test_one_batch_gives_every_kind_of_answer_in_its_place(path: Path, customer: UUID, database: str) -> None:
    """A receipt, a refusal, a wish for the history, a repetition: each in its place."""
    (wrong,) = path.accept(order(customer, ApplyTag(group="REGION", code="EAST"))).events
    outcomes = path.process(
        attribute(customer, "a", 1, key="k"),
        order(customer, ChangeLegalName(name="Acme")),
        order(customer, RetractFact(retracts=wrong.envelope.event_id)),
        attribute(customer, "a", 1, key="k"),
        order(customer, AssignOwner(role=OwnerRole.SERVICE_LEAD, to_staff="u-3")),
    )
    assert [type(outcome) for outcome in outcomes] == [Receipt, NoChange, HistoryNeeded, Receipt, Receipt]
    assert_consistent(database)
