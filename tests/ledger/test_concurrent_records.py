"""Several processes on one database: each a write path of its own, in a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from uuid_utils.compat import uuid7

from domain.decisions.identity import RecordIdentifier, RevokeIdentifier
from domain.errors import IdentifierAlreadyClaimed, VersionConflict
from ledger.errors import Overloaded, Unavailable
from ledger.records import Outcome, Receipt, Submission
from tests.ledger.conflicts import conflicts_in
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
    write_path,
)

PROCESSES = 2

Result = TypeVar("Result")


@pytest.fixture
def processes(database: str) -> Iterator[list[Path]]:
    with ExitStack() as stack:
        yield [stack.enter_context(write_path(database)) for _ in range(PROCESSES)]


@pytest.fixture
def customers(processes: list[Path]) -> list[UUID]:
    opened = processes[0].process(*(registration(f"customer {number}") for number in range(6)))
    return [receipt.customer_id for receipt in receipts_of(opened)]


def at_once(work: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run each in a thread of its own, all starting together."""
    start = threading.Barrier(len(work))

    def run(job: Callable[[], Result]) -> Result:
        start.wait()
        return job()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_batches_that_meet_on_the_same_files_are_all_recorded(
    processes: list[Path], customers: list[UUID], database: str
) -> None:
    """In opposite order, which would deadlock if rows were written in the order of the batch."""

    def work(process: Path, name: str, files: list[UUID]) -> list[Receipt]:
        batches = ([attribute(file, name, turn) for file in files for _ in "ab"] for turn in range(10))
        return [outcome for batch in batches for outcome in process.process(*batch) if isinstance(outcome, Receipt)]

    one, other = processes
    accepted = at_once([lambda: work(one, "one", customers), lambda: work(other, "other", customers[::-1])])
    assert [len(receipts) for receipts in accepted] == [60, 60]  # of each two alike, the second changes nothing
    for process in processes:
        process.pool.close()
    assert conflicts_in(database).deadlocks == 0
    assert_consistent(database)


def test_of_orders_that_saw_the_same_version_one_is_recorded(
    processes: list[Path], customers: list[UUID], database: str
) -> None:
    customer = customers[0]
    for turn in range(8):
        seen = processes[0].records.read_history(customer).profile_version
        submissions = [attribute(customer, "turn", [turn, number], seen=seen) for number in range(PROCESSES)]
        outcomes = at_once(
            [_job(process, submission) for process, submission in zip(processes, submissions, strict=True)]
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Receipt", "VersionConflict"]
        (conflict,) = (outcome for outcome in outcomes if isinstance(outcome, VersionConflict))
        assert conflict.current == f"{seen + 1}.0"
    assert_consistent(database)


def _job(process: Path, submission: Submission) -> Callable[[], Outcome]:
    return lambda: process.process(submission)[0]


def test_of_files_that_claim_one_identifier_one_gets_it(processes: list[Path], database: str) -> None:
    for turn in range(8):
        submissions = [registration(f"name {turn}", ("REGISTER", str(turn))) for _ in processes]
        outcomes = at_once(
            [_job(process, submission) for process, submission in zip(processes, submissions, strict=True)]
        )
        (winner,) = (outcome for outcome in outcomes if isinstance(outcome, Receipt))
        (refused,) = (outcome for outcome in outcomes if isinstance(outcome, IdentifierAlreadyClaimed))
        assert refused.holder == str(winner.customer_id)
    assert_consistent(database)


def test_who_gives_up_one_identifier_for_another_deadlocks_with_nobody_who_claims_both(database: str) -> None:
    """The slow one waits for B halfway through its claims; the quick one has taken and then given up C meanwhile."""
    slow_decides, quick_is_done = threading.Event(), threading.Event()

    def slow_id() -> UUID:
        slow_decides.set()
        quick_is_done.wait()
        return uuid7()

    with (
        write_path(database, new_id=slow_id) as slow,
        write_path(database) as quick,
        psycopg.connect(database) as third,
    ):
        claimant, owner = receipts_of(quick.process(registration("claimant"), registration("owner")))
        claims = [_identifier(RecordIdentifier, claimant.customer_id, value) for value in "ABC"]
        swap = [
            _identifier(command, owner.customer_id, value)
            for command, value in ((RevokeIdentifier, "C"), (RecordIdentifier, "A"))
        ]
        with ThreadPoolExecutor(2) as threads:
            slowly = threads.submit(slow.process, *claims)
            slow_decides.wait()
            quick.accept(_identifier(RecordIdentifier, owner.customer_id, "C"))
            third.execute("INSERT INTO read.identifier VALUES ('REGISTER', 'B', gen_random_uuid(), 1)")
            quick_is_done.set()
            wait_for_waiting(database, 1)
            quickly = threads.submit(quick.process, *swap)
            wait_for_waiting(database, 2)
            third.rollback()
        receipts_of(quickly.result())
        assert [type(outcome).__name__ for outcome in slowly.result()] == [
            "IdentifierAlreadyClaimed",
            "Receipt",
            "Receipt",
        ]
    assert conflicts_in(database).deadlocks == 0
    assert_consistent(database)


def _identifier(command: type[RecordIdentifier | RevokeIdentifier], customer: UUID, value: str) -> Submission:
    return order(customer, command(scheme="REGISTER", value=value))


def wait_for_waiting(database: str, number: int) -> None:
    """Wait until that many transactions wait for another one."""
    while count(database, "pg_locks WHERE locktype = 'transactionid' AND NOT granted") < number:
        time.sleep(0.01)


def test_a_deadlock_would_be_counted(database: str) -> None:
    """The two tests above look for none: this is what they would see."""
    with psycopg.connect(database) as one, psycopg.connect(database) as other, ThreadPoolExecutor(1) as threads:
        one.execute("SET LOCAL deadlock_timeout = '10ms'")
        for connection, key in ((one, 1), (other, 2)):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        waiting = threads.submit(other.execute, "SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(psycopg.errors.DeadlockDetected):
            one.execute("SELECT pg_advisory_xact_lock(2)")
        one.rollback()
        waiting.result()
    assert conflicts_in(database).deadlocks == 1


def test_identifiers_that_files_hand_to_each_other_have_one_holder_all_along(
    processes: list[Path], customers: list[UUID], database: str
) -> None:
    def juggle(process: Path, seed: int) -> int:
        dice, taken = random.Random(seed), 0  # noqa: S311 - no secret
        for _ in range(12):
            command = dice.choice([RecordIdentifier, RevokeIdentifier])
            names = [str(dice.randrange(3)) for _ in range(4)]
            outcomes = process.process(
                *(order(dice.choice(customers), command(scheme="REGISTER", value=name)) for name in names)
            )
            taken += sum(isinstance(outcome, Receipt) for outcome in outcomes)
            assert not any(isinstance(outcome, Overloaded) for outcome in outcomes)
        return taken

    one, other = processes
    assert all(at_once([lambda: juggle(one, 1), lambda: juggle(other, 2)]))
    assert_consistent(database)


def test_one_request_sent_to_two_processes_is_recorded_once(
    processes: list[Path], customers: list[UUID], database: str
) -> None:
    for turn in range(8):
        opening = registration("twice", ("REGISTER", str(turn)), key=f"new-{turn}")
        # Sent again, the request is another file's registration: only its key says that it is the same.
        elsewhere = replace(opening, order=replace(opening.order, customer_id=uuid7()))
        first, second = at_once([_job(processes[0], opening), _job(processes[1], elsewhere)])
        assert sorted([receipt_of(first).replayed, receipt_of(second).replayed]) == [False, True]
        assert receipt_of(first).again() == receipt_of(second).again()
        change = attribute(customers[0], "turn", turn, key=f"change-{turn}")
        first, second = at_once([_job(process, change) for process in processes])
        assert receipt_of(first).again() == receipt_of(second).again()
    assert_consistent(database)


def test_a_busy_file_starves_no_process(processes: list[Path], customers: list[UUID], database: str) -> None:
    def work(process: Path, name: str) -> list[Receipt]:
        return [receipt_of(process.process(attribute(customers[0], name, turn))[0]) for turn in range(40)]

    one, other = processes
    at_once([lambda: work(one, "one"), lambda: work(other, "other")])
    assert_consistent(database)


def test_an_order_that_meets_a_conflict_every_time_is_told_to_come_back(processes: list[Path], database: str) -> None:
    processes[0].accept(registration("Holder", USCC))
    blind = replace(registration("Blind", USCC), identifiers=frozenset())
    first, failed, second = processes[1].process(registration("A"), blind, registration("B"))
    receipts_of([first, second])
    assert isinstance(failed, Overloaded)
    assert_consistent(database)


def test_an_order_that_waits_too_long_for_another_is_told_to_come_back(customers: list[UUID], database: str) -> None:
    impatient = make_conninfo(database, options="-c lock_timeout=100ms")
    with write_path(impatient) as path, psycopg.connect(database) as holding:
        holding.execute(
            "INSERT INTO ledger.idempotency VALUES ('held', 'u-1', '', gen_random_uuid(), 1, 1, 200, 1, NULL)"
        )
        first, failed, second = path.process(
            attribute(customers[0], "a", 1),
            attribute(customers[1], "a", 1, key="held"),
            attribute(customers[2], "a", 1),
        )
        holding.rollback()
    receipts_of([first, second])
    assert isinstance(failed, Unavailable)
    assert_consistent(database)
