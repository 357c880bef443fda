"""A database without space left: who writes is told what is wrong, and nobody makes it worse by trying on and on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from structlog.testing import capture_logs

from ledger.errors import StorageExhausted
from ledger.records import Receipt
from ledger.sealer import Sealer
from tests.ledger.sealing import append, check_log, log_of, running, wait_until
from tests.ledger.writing import (
    Path,
    all_answers,
    assert_consistent,
    attribute,
    registration,
    write_path,
    writing,
)


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def customer(path: Path) -> UUID:
    return path.accept(registration("Acme")).customer_id


@contextmanager
def no_space_for(table: str, database: str) -> Iterator[None]:
    """While it lasts, the table takes no row, in the words of a server whose disk is full."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END$$"
        )
        connection.execute(f"CREATE TRIGGER no_space BEFORE INSERT ON {table} EXECUTE FUNCTION no_space()")
        yield
        connection.execute("DROP FUNCTION no_space CASCADE")


def test_every_order_is_told_so_once_and_the_first_that_is_saved_ends_it(
    path: Path, customer: UUID, database: str
) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            assert writer.obstacle is None
            with no_space_for("ledger.event", database), capture_logs() as logs:
                orders = [attribute(customer, f"k{number}", number, key=f"k{number}") for number in range(20)]
                answers = await all_answers(writer, orders)
                assert {type(answer) for answer in answers} == {StorageExhausted}
                assert writer.obstacle == "the database has no space left"
                # not order by order, in search of one that is to blame
                told = [log["orders"] for log in logs if log["event"] == writer.obstacle]
                assert (sum(told), len(told) < len(orders)) == (20, True)
                with pytest.raises(StorageExhausted):
                    await writer.submit(attribute(customer, "k0", 0, key="k0"))
            assert isinstance(await writer.submit(attribute(customer, "k0", 0, key="k0")), Receipt)
            assert writer.obstacle is None

    asyncio.run(scenario())
    slots = assert_consistent(database)[customer].slots
    assert [slot for slot in slots if slot.startswith("/attributes/")] == ["/attributes/k0"]


def test_a_data_key_that_finds_no_space_is_no_other_trouble(path: Path, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            with no_space_for("keys.subject_key", database), pytest.raises(StorageExhausted):
                await writer.submit(registration("Acme", key="k"))
            await writer.submit(registration("Acme", key="k"))

    asyncio.run(scenario())
    assert len(assert_consistent(database)) == 1


def test_the_obstacle_is_forgotten_when_nobody_meets_it_any_more(
    path: Path, customer: UUID, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who balances load by readiness would otherwise never send the order that finds out."""
    with no_space_for("ledger.event", database):
        assert isinstance(path.settle(attribute(customer, "k", 1)), StorageExhausted)
    assert path.records.obstacle is not None
    monkeypatch.setattr("ledger.records._OBSTACLE_SECONDS", 0)
    assert path.records.obstacle is None


def test_the_sealer_tries_ever_more_slowly(database: str, app: Connection[TupleRow]) -> None:
    append(app, uuid4(), 1)
    app.commit()

    def pauses() -> list[float]:
        return [log["retry_in_seconds"] for log in logs if log["event"] == "the sealer was interrupted"]

    with capture_logs() as logs:
        with no_space_for("ledger.log", database), running(Sealer(database)):
            wait_until(lambda: len(pauses()) >= 5)
        with running(Sealer(database)):
            wait_until(lambda: len(log_of(database)) == 1)
    assert pauses()[:5] == [0.01, 0.02, 0.04, 0.08, 0.16]
    check_log(database)
