"""Putting right in place what is written with the events, while writers are at work."""

from __future__ import annotations

import threading
from uuid import UUID

import psycopg

from domain.decisions.identity import RecordIdentifier
from projections.comparison import INLINE
from projections.differences import Difference
from projections.rebuild import Summary, Watch, rebuild
from tests.ledger.writing import KEK, USCC, assert_consistent, attribute, order, rows, write_path
from tests.told import ACME, BETA

GHOST = UUID("00000000-0000-7000-8000-00000000000f")
KEY = ":".join(USCC)


def damage(database: str, *statements: str) -> None:
    customers = {"acme": ACME, "beta": BETA, "ghost": GHOST}
    with psycopg.connect(database) as connection:
        for statement in statements:
            assert connection.execute(statement.encode(), customers).rowcount


def put_right(database: str) -> tuple[list[tuple[UUID, str, str]], Summary]:
    """What was found wrong: customer, table and detail; and the summary."""
    found: list[Difference] = []
    summary = rebuild(database, KEK, Watch(found.append), INLINE)
    return [(each.customer_id, each.table.removeprefix("read."), each.detail) for each in found], summary


def test_rows_that_differ_are_replaced(told: str) -> None:
    damage(
        told,
        "UPDATE read.profile SET boundaries = 7, state = '{}' WHERE customer_id = %(acme)s",
        "UPDATE read.profile SET fold_version = 0 WHERE customer_id = %(beta)s",
        "UPDATE read.identifier SET version = 1",
    )
    found, summary = put_right(told)
    assert found == [
        (ACME, "profile", "differs in boundaries, state"),
        (ACME, "identifier", "differs in version"),
        (BETA, "profile", "differs in fold_version"),
    ]
    assert (summary.differences, summary.unrepaired) == (3, [])
    assert put_right(told)[0] == []
    assert_consistent(told)


def test_rows_that_are_missing_are_added(told: str) -> None:
    damage(told, "DELETE FROM read.profile", "DELETE FROM read.identifier")
    found, summary = put_right(told)
    assert [detail for *_, detail in found] == ["is missing"] * 3
    assert summary.unrepaired == []
    assert_consistent(told)


def test_rows_that_belong_to_nobody_are_removed(told: str) -> None:
    damage(
        told,
        "INSERT INTO read.profile SELECT %(ghost)s, version, profile_version, boundaries, as_of, next_boundary,"
        " fold_version, state FROM read.profile WHERE customer_id = %(acme)s",
        "INSERT INTO read.identifier VALUES ('LEI', 'x', %(ghost)s, 1), ('LEI', 'y', %(beta)s, 1)",
    )
    found, summary = put_right(told)
    assert found == [
        (BETA, "identifier", "does not follow from the log"),
        (GHOST, "profile", "does not follow from the log"),
        (GHOST, "identifier", "does not follow from the log"),
    ]
    assert summary.unrepaired == []
    assert_consistent(told)


def test_what_somebody_else_was_said_to_hold_goes_to_its_owner(told: str) -> None:
    damage(told, "UPDATE read.identifier SET customer_id = %(beta)s")
    found, _ = put_right(told)
    assert found == [(ACME, "identifier", "is missing"), (BETA, "identifier", "does not follow from the log")]
    assert rows(told, "SELECT customer_id FROM read.identifier") == [(ACME,)]
    assert_consistent(told)


def test_nobody_is_robbed_of_an_identifier_that_is_theirs_by_now(told: str) -> None:
    damage(told, "DELETE FROM read.identifier")
    with write_path(told) as path:
        path.accept(order(BETA, RecordIdentifier(scheme=USCC[0], value=USCC[1])))
    found, summary = put_right(told)
    assert found == [(ACME, "identifier", "is missing")]
    assert summary.unrepaired == [
        Difference("read.identifier", ACME, KEY, "is missing, and another customer holds it by now")
    ]
    assert rows(told, "SELECT customer_id FROM read.identifier") == [(BETA,)]


def test_a_row_is_not_written_before_a_writer_is_done_with_it(told: str) -> None:
    damage(told, "UPDATE read.profile SET boundaries = 7 WHERE customer_id = %(acme)s")
    with psycopg.connect(told) as connection:
        connection.execute("UPDATE read.profile SET boundaries = 8 WHERE customer_id = %s", [ACME])
        ending = threading.Timer(0.5, connection.commit)
        ending.start()
        assert put_right(told)[1].unrepaired == []
        ending.join()
    assert_consistent(told)


def test_what_an_order_decided_on_the_broken_row_writes_is_put_right_again(told: str) -> None:
    damage(told, "UPDATE read.profile SET boundaries = 7 WHERE customer_id = %(acme)s")

    def write_late() -> None:
        while rows(told, "SELECT FROM read.profile WHERE boundaries = 7"):
            pass
        damage(told, "UPDATE read.profile SET boundaries = 7 WHERE customer_id = %(acme)s")

    late = threading.Thread(target=write_late)
    late.start()
    _, summary = put_right(told)
    late.join()
    assert summary.unrepaired == []
    assert_consistent(told)


def test_a_writer_meets_no_conflict(told: str) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with write_path(told) as path:
                number = 0
                while not stop.is_set():
                    number += 1
                    path.accept(attribute(ACME, "n", -number))
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        damage(told, "UPDATE read.profile SET boundaries = 7", "DELETE FROM read.identifier")
        found, summary = put_right(told)
        assert found
        assert summary.unrepaired == []
    finally:
        stop.set()
        writing.join()
    assert failures == []
    assert_consistent(told)
