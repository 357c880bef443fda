"""The policy at hand in a process: learnt from the stream, never older than what the process itself recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from uuid_utils.compat import uuid7

from api.policy_keeper import PolicyKeeper
from domain.decisions.policies import PolicyCommand
from domain.events import Actor
from domain.policy import first_edition
from domain.policy_file import PolicyFile
from ledger.errors import Unavailable
from ledger.policy_records import PolicyOrder, PolicyReceipt, PolicyRecords
from ledger.service_records import ServiceRecords
from tests.domain.story import uid
from tests.domain.test_policy import ADMIN, APPROVE, OTHER, proposing
from tests.ledger.writing import Path, write_path


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


def records_of(path: Path) -> PolicyRecords:
    return PolicyRecords(
        ServiceRecords(path.ledger, path.pool, path.keys, new_id=uuid7), path.pool, path.keys, new_id=uuid7
    )


def record(records: PolicyRecords, command: PolicyCommand, by: Actor, key: str = "") -> PolicyReceipt:
    return records.record(PolicyOrder(command, by, key or str(uuid7()), repr(command).encode()))


def revised(records: PolicyRecords) -> PolicyReceipt:
    record(records, proposing(), ADMIN)
    return record(records, APPROVE, OTHER)


def test_before_it_has_been_read_nothing_is_decided(path: Path) -> None:
    with pytest.raises(Unavailable):
        PolicyKeeper(records_of(path)).current()


def test_another_process_learns_of_an_edition_by_itself(path: Path) -> None:
    records, keeper = records_of(path), PolicyKeeper(records_of(path), seconds=0.01)

    async def learn() -> int:
        async with keeper.kept():
            assert keeper.current() == first_edition()
            await asyncio.to_thread(revised, records)
            while keeper.current().version == 1:  # noqa: ASYNC110 - nobody tells when it has learnt
                await asyncio.sleep(0.01)
            return keeper.current().version

    assert asyncio.run(asyncio.wait_for(learn(), 60)) == 2


def test_what_the_process_has_answered_for_is_not_forgotten_again(path: Path) -> None:
    keeper = PolicyKeeper(records_of(path))
    keeper.learn(revised(records_of(path)).file)
    keeper.learn(PolicyFile())
    assert keeper.current().version == 2


def test_of_an_edition_that_cannot_be_read_nobody_knows_what_it_asks_for(path: Path) -> None:
    file = revised(records_of(path)).file
    keeper = PolicyKeeper(records_of(path))
    keeper.learn(PolicyFile())
    file.editions[-1].document["colour"] = "red"
    keeper.learn(file)
    with pytest.raises(Unavailable):
        keeper.current()


def test_the_same_request_is_answered_again_with_both_its_events(path: Path) -> None:
    records = records_of(path)
    record(records, proposing(), ADMIN)
    first = record(records, APPROVE, OTHER, key="approve")
    record(records, proposing({**first.file.document, "protected": []}, revision_id=uid(81), based_on=2), ADMIN)
    again = record(records, APPROVE, OTHER, key="approve")
    assert again.replayed
    assert again.events == first.events
    assert [event.envelope.policy_version for event in first.events] == [1, 1]


def test_who_comes_second_decides_anew(path: Path) -> None:
    records = records_of(path)
    with ThreadPoolExecutor(2) as threads:
        proposals = [proposing(revision_id=uid(number)) for number in (81, 82)]
        receipts = list(threads.map(lambda command: record(records, command, ADMIN), proposals))
    assert {receipt.events[0].envelope.version for receipt in receipts} == {1, 2}
