"""Group commit: what callers are answered, whatever happens to the database, to the queue, or to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from domain.decisions import Command
from domain.decisions.classification import RecordAttribute
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import NoChange
from domain.events import RecordedEvent
from domain.file import CustomerFile
from ledger.errors import Overloaded, Unavailable
from ledger.records import Outcome, Pending, Receipt, Records
from ledger.statements import FileChange, Statement
from ledger.writer import Writer
from projections.profile import ProfileView
from tests.ledger.writing import (
    Path,
    all_answers,
    assert_consistent,
    attribute,
    nothing_can_be_saved,
    order,
    registration,
    until_saving,
    write_path,
    writing,
)

Answer = TypeVar("Answer")


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def customer(path: Path) -> UUID:
    return path.accept(registration("Acme")).customer_id


# --- answers --------------------------------------------------------------------------------------------------------


def test_orders_that_wait_together_are_answered_each_with_its_own_outcome(path: Path, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            assert writer.alive
            chosen = uuid7()
            opened = await writer.submit(registration("Acme", customer_id=chosen))
            answers = await all_answers(
                writer,
                [attribute(chosen, "a", number // 2) for number in range(600)],
            )
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        assert [isinstance(answer, Receipt) for answer in answers] == [True, False] * 300
        assert {type(answer) for answer in answers} == {Receipt, NoChange}
        assert [receipt.version for receipt in receipts] == [opened.version + count for count in range(1, 301)]

    asyncio.run(scenario())
    assert_consistent(database)


def test_callers_that_ask_again_and_again_share_commits(path: Path, database: str) -> None:
    callers, rounds = 16, 8
    customers = [path.accept(registration(f"Customer {number}")).customer_id for number in range(callers)]

    async def ask(writer: Writer, customer_id: UUID) -> list[Receipt]:
        return [await writer.submit(attribute(customer_id, "a", number)) for number in range(rounds)]

    async def scenario() -> list[list[Receipt]]:
        async with writing(path.records) as writer:
            return await asyncio.gather(*(ask(writer, customer_id) for customer_id in customers))

    receipts = [receipt for answered in asyncio.run(scenario()) for receipt in answered]
    batches = {receipt.events[0].envelope.recorded_at for receipt in receipts}  # one clock for a whole batch
    assert len(batches) <= callers * rounds // 2
    assert_consistent(database)


def test_a_full_queue_refuses_at_once_and_takes_orders_again_later(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records, waiting=2) as writer:
            with nothing_can_be_saved(database):
                taken = [asyncio.create_task(writer.submit(attribute(customer, key, 1))) for key in "ab"]
                await until_saving(database)
                with pytest.raises(Overloaded):
                    await writer.submit(attribute(customer, "c", 1))
            await asyncio.gather(*taken)
            await writer.submit(attribute(customer, "c", 1))

    asyncio.run(scenario())
    assert assert_consistent(database)[customer].slots.keys() >= {"/attributes/a", "/attributes/b", "/attributes/c"}


def test_a_queue_full_of_changes_refuses_at_once_too(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records, waiting_changes=3) as writer:
            with nothing_can_be_saved(database):
                orders = [
                    order(customer, *(RecordAttribute(key=key, value=1) for key in keys)) for keys in ("ab", "cd")
                ]
                taken = [asyncio.create_task(writer.submit(one)) for one in orders]
                await until_saving(database)
                with pytest.raises(Overloaded):
                    await writer.submit(attribute(customer, "e", 1))
            await asyncio.gather(*taken)
            writer.require_room()
            await writer.submit(attribute(customer, "e", 1))

    asyncio.run(scenario())
    assert assert_consistent(database)[customer].slots.keys() >= {f"/attributes/{key}" for key in "abcde"}


def test_stopping_finishes_what_waits_and_takes_nothing_new(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        writer = Writer(path.records)
        writer.start()
        early = (await writer.submit(attribute(customer, "a", 0))).events[0].envelope.event_id
        submissions = [attribute(customer, "a", number) for number in range(1, 300)]
        submissions.append(order(customer, RetractFact(retracts=early)))
        waiting = asyncio.gather(*map(writer.submit, submissions))
        await asyncio.sleep(0)
        writer.stop()
        with pytest.raises(Unavailable):
            await writer.submit(attribute(customer, "b", 1))
        assert all(isinstance(receipt, Receipt) for receipt in await waiting)

    asyncio.run(scenario())
    assert assert_consistent(database)[customer].slots["/attributes/a"][-1].fact.value == 299


def test_a_client_that_went_away_does_not_disturb_the_others(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        async with writing(path.records) as writer:
            with nothing_can_be_saved(database):
                gone, stays = (asyncio.create_task(writer.submit(attribute(customer, key, 1))) for key in "ab")
                await until_saving(database)
                gone.cancel()
            assert isinstance(await stays, Receipt)
            assert gone.cancelled()
            assert isinstance(await writer.submit(attribute(customer, "c", 1)), Receipt)

    asyncio.run(scenario())
    assert "/attributes/a" in assert_consistent(database)[customer].slots


def test_what_is_saved_when_the_event_loop_is_gone_stays_saved(path: Path, customer: UUID, database: str) -> None:
    writer = Writer(path.records)

    async def leave() -> None:
        writer.start()
        task = asyncio.create_task(writer.submit(attribute(customer, "a", 1)))
        await until_saving(database)
        del task

    with nothing_can_be_saved(database):
        asyncio.run(leave())
    writer.stop()
    assert "/attributes/a" in assert_consistent(database)[customer].slots


# --- bugs -----------------------------------------------------------------------------------------------------------


class BrokenView(ProfileView):
    """Fails on files that carry a certain attribute."""

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]:
        if any("/attributes/poison" in change.after.slots for change in changes):
            raise ZeroDivisionError("a bug")
        return super().statements(changes)


def test_a_bug_answers_its_caller_alone(database: str) -> None:
    async def scenario(path: Path) -> None:
        first, poisoned, third = (path.accept(registration(name)).customer_id for name in "ABC")
        async with writing(path.records) as writer:
            answers = await all_answers(
                writer,
                [attribute(first, "a", 1), attribute(poisoned, "poison", 1), attribute(third, "a", 1)],
            )
            assert [type(answer) for answer in answers] == [Receipt, ZeroDivisionError, Receipt]
            assert writer.alive
            await writer.submit(attribute(poisoned, "a", 1))

    with write_path(database, files=BrokenView()) as path:
        asyncio.run(scenario(path))
    assert_consistent(database)


class BrokenRecords(Records):
    """Loses an outcome the first time."""

    broken = True

    def process(self, batch: Sequence[Pending]) -> list[Outcome]:
        outcomes = super().process(batch)
        if self.broken:
            self.broken = False
            return outcomes[:-1]
        return outcomes


def test_a_bug_in_the_write_path_itself_leaves_the_writer_alive(path: Path, customer: UUID, database: str) -> None:
    async def scenario() -> None:
        async with writing(_as(BrokenRecords, path)) as writer:
            (answer,) = await all_answers(writer, [attribute(customer, "a", 1)])
            assert isinstance(answer, ValueError)
            assert isinstance(await writer.submit(attribute(customer, "b", 1)), Receipt)

    asyncio.run(scenario())
    assert_consistent(database)


def _as(kind: type[Records], path: Path, **extra: Any) -> Any:
    """The path's records with one method of their own."""
    records = kind.__new__(kind)
    records.__dict__.update(path.records.__dict__ | extra)
    return records


# --- histories ------------------------------------------------------------------------------------------------------


def test_corrections_are_recorded_while_other_orders_move_the_file_on(
    path: Path, customer: UUID, database: str
) -> None:
    wrong = [path.accept(attribute(customer, f"k{number}", "wrong")).events[0] for number in range(6)]
    corrections: list[Command] = [
        CorrectFact(corrects=_id(event), replacement={"value": "right"}) for event in wrong[:3]
    ]
    retractions = [RetractFact(retracts=_id(event)) for event in wrong[3:]]
    stop = threading.Event()

    def meanwhile() -> None:
        with write_path(database) as other:
            number = 0
            while not stop.is_set():
                number += 1
                other.accept(attribute(customer, "meanwhile", number))
                stop.wait(0.005)  # without a pause the stream outgrows a slow machine

    async def scenario() -> None:
        async with writing(path.records) as writer:
            submissions = [order(customer, command) for command in [*corrections, *retractions]]
            submissions += [attribute(customer, "here", number) for number in range(30)]
            answers = await all_answers(writer, submissions)
        assert {type(answer) for answer in answers} == {Receipt}

    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        asyncio.run(scenario())
    finally:
        stop.set()
        thread.join()
    slots = assert_consistent(database)[customer].slots
    values = {slot: segments[-1].fact.value for slot, segments in slots.items() if slot.startswith("/attributes/k")}
    assert values == {f"/attributes/k{number}": "right" for number in range(3)}


def _id(event: RecordedEvent) -> UUID:
    return event.envelope.event_id


class MovedOn(Records):
    """Every history is outdated before it is used, by another process's write."""

    other: Path
    histories = 0

    def read_history(self, customer_id: UUID) -> CustomerFile:
        file = super().read_history(customer_id)
        self.histories += 1
        self.other.accept(attribute(customer_id, "moved", self.histories))
        return file


def test_a_history_of_a_file_that_moved_on_is_brought_up_to_date(path: Path, customer: UUID, database: str) -> None:
    (wrong,) = path.accept(attribute(customer, "a", "wrong")).events

    async def scenario(other: Path) -> None:
        records = _as(MovedOn, path, other=other)
        async with writing(records) as writer:
            await writer.submit(order(customer, RetractFact(retracts=_id(wrong))))
        assert records.histories == 1

    with write_path(database) as other:
        asyncio.run(scenario(other))
    assert_consistent(database)


class Meddling(ProfileView):
    """The other process writes the file at the very moment of saving, a number of times."""

    def __init__(self, other: Path) -> None:
        super().__init__()
        self._other = other
        self.times = 0

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]:
        if self.times:
            self.times -= 1
            self._other.accept(attribute(changes[0].after.customer_id, "meddled", self.times))
        return super().statements(changes)


@pytest.mark.parametrize(("times", "expected"), [(5, Receipt), (1000, Overloaded)])
def test_a_correction_that_another_process_comes_before_is_tried_again_but_not_for_ever(
    path: Path, customer: UUID, database: str, times: int, expected: type[Receipt | Overloaded]
) -> None:
    view = Meddling(path)

    async def scenario(meddled: Path) -> None:
        wrong = meddled.accept(attribute(customer, "a", "wrong")).events[0]
        view.times = times
        async with writing(meddled.records) as writer:
            (answer,) = await all_answers(writer, [order(customer, RetractFact(retracts=_id(wrong)))])
        assert isinstance(answer, expected)

    with write_path(database, files=view) as meddled:
        asyncio.run(scenario(meddled))
    assert_consistent(database)


class UnreadableHistory(Records):
    def read_history(self, customer_id: UUID) -> CustomerFile:
        raise ZeroDivisionError(f"a bug with {customer_id}")


def test_a_history_that_cannot_be_read_answers_its_caller_alone(path: Path, customer: UUID, database: str) -> None:
    (wrong,) = path.accept(attribute(customer, "a", "wrong")).events

    async def scenario() -> None:
        async with writing(_as(UnreadableHistory, path)) as writer:
            correction = order(customer, RetractFact(retracts=_id(wrong)))
            failed, fine = await all_answers(writer, [correction, attribute(customer, "b", 1)])
            assert isinstance(failed, ZeroDivisionError)
            assert isinstance(fine, Receipt)
            assert writer.alive

    asyncio.run(scenario())
    assert_consistent(database)
