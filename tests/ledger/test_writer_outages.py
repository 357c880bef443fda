"""Group commit while the database goes away: nothing twice, nothing half, and on again without a restart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from uuid import UUID

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from ledger.errors import Unavailable
from ledger.records import Receipt, Submission
from ledger.writer import Writer
from tests.ledger.writing import (
    Path,
    all_answers,
    assert_consistent,
    attribute,
    nothing_can_be_saved,
    registration,
    until_saving,
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


def test_without_a_database_callers_are_told_and_the_writer_goes_on_when_it_is_back(tmp_path: FilePath) -> None:
    def started() -> EmbeddedPostgres:
        server = EmbeddedPostgres(tmp_path / "data", fsync=False)
        server.start()
        return server

    async def scenario(conninfo: str, path: Path) -> None:
        customer = path.accept(registration("Acme")).customer_id
        async with writing(path.records) as writer:
            await asyncio.to_thread(server.stop)
            for key in "ab":  # the first waits for a while, the second knows already
                answers = await all_answers(writer, [attribute(customer, key, number) for number in range(3)])
                assert {type(answer) for answer in answers} == {Unavailable}
                assert writer.alive
            restarted.append(await asyncio.to_thread(started))
            await _until_accepted(writer, attribute(customer, "c", 1, key="c"))
            await writer.submit(attribute(customer, "d", 1))
        slots = assert_consistent(conninfo)[customer].slots
        assert {slot for slot in slots if slot.startswith("/attributes/")} == {"/attributes/c", "/attributes/d"}

    restarted: list[EmbeddedPostgres] = []
    server = started()
    try:
        migrate(server.conninfo())
        with write_path(server.conninfo(), patience_seconds=0.5) as path:
            asyncio.run(scenario(server.conninfo(), path))
    finally:
        for each in [server, *restarted]:
            each.stop()


async def _until_accepted(writer: Writer, submission: Submission) -> Receipt:
    """Retry as a client does: the same key, until there is an answer."""
    while True:
        try:
            return await writer.submit(submission)
        except Unavailable:
            await asyncio.sleep(0.1)


def test_connections_lost_in_the_middle_leave_nothing_twice_and_nothing_half(
    path: Path, customer: UUID, database: str
) -> None:
    async def one_after_the_other(writer: Writer, name: str) -> list[Receipt]:
        return [
            await _until_accepted(writer, attribute(customer, name, number, key=f"{name}-{number}"))
            for number in range(40)
        ]

    async def scenario() -> list[Receipt]:
        async with writing(path.records) as writer:
            opened = [_until_accepted(writer, registration(f"n{number}", key=f"r-{number}")) for number in range(20)]
            changed = [one_after_the_other(writer, f"a{number}") for number in range(20)]
            new, lists = await asyncio.gather(asyncio.gather(*opened), asyncio.gather(*changed))
            return [*new, *(receipt for receipts in lists for receipt in receipts)]

    opening = path.ledger.history(customer)
    with _losing_connections(database) as lost:
        receipts = asyncio.run(scenario())
    assert lost
    assert len({receipt.events[0].envelope.event_id for receipt in receipts}) == 820
    recorded = sum(file.version for file in assert_consistent(database).values())
    assert recorded == len(opening) + sum(len(receipt.events) for receipt in receipts)


@contextmanager
def _losing_connections(database: str) -> Iterator[list[int]]:
    """While it lasts, connections at work are ended now and then; lends the list of their process ids."""
    over = threading.Event()
    lost: list[int] = []

    def end_some() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            while not over.is_set():
                lost.extend(pid for pid, _ in connection.execute(_END_SOME_AT_WORK))
                time.sleep(0.002)

    thread = threading.Thread(target=end_some)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()


_END_SOME_AT_WORK = """
    SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dossier_app' AND state <> 'idle' AND random() < 0.5
"""


_END_WHO_IS_SAVING = """
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'ledger.event'::regclass
"""


def test_a_caller_with_a_key_does_not_notice_a_lost_connection(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            with nothing_can_be_saved(database) as connection:
                waiting = asyncio.create_task(writer.submit(attribute(customer, "a", 1, key="k")))
                await until_saving(database)
                connection.execute(_END_WHO_IS_SAVING)
            assert not (await waiting).replayed

    asyncio.run(scenario())
    assert_consistent(database)


def test_an_order_without_a_key_is_not_tried_again_when_its_commit_is_in_doubt(
    path: Path, customer: UUID, database: str
) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            with nothing_can_be_saved(database) as connection:
                waiting = asyncio.gather(
                    writer.submit(attribute(customer, "a", 1)),
                    writer.submit(attribute(customer, "b", 1, key="k")),
                    return_exceptions=True,
                )
                await until_saving(database)
                connection.execute(_END_WHO_IS_SAVING)
            keyless, keyed = await waiting
            assert isinstance(keyless, Unavailable)
            assert isinstance(keyed, Receipt)

    asyncio.run(scenario())
    assert "/attributes/a" not in assert_consistent(database)[customer].slots
