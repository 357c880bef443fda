"""Queues that are full: whoever does not fit is told to come back at once, and then served."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from api.connections import READERS
from tests.overload.conftest import SMALL_LIMITS
from tests.overload.load import Answer, Connection, Target
from tests.scenarios.client import File
from tests.scenarios.service import Service

_ORDERS = int(SMALL_LIMITS["DOSSIER_ORDERS_WAITING"])
_READS = int(SMALL_LIMITS["DOSSIER_READS_WAITING"])
_ASKED = 100
_LATER_READS = "{path}?valid_at=2999-01-01& {path}/history? {path}/blame? /v1/customers?"
_LONG_BODY_BYTES = 1024 * 1024
_LONG_BODIES = int(SMALL_LIMITS["DOSSIER_BODY_BYTES"]) // 2 // _LONG_BODY_BYTES


@contextmanager
def _locked(service: Service, table: str, mode: str) -> Iterator[None]:
    """While it lasts, whoever needs the table otherwise waits."""
    with psycopg.connect(service.conninfo) as connection:
        connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
        yield


async def _first_answers(asked: list[asyncio.Task[Answer]], count: int) -> list[Answer]:
    """The answers of those that were answered first, at least so many."""
    done: set[asyncio.Task[Answer]] = set()
    while len(done) < count:
        newly_done, _ = await asyncio.wait({*asked} - done, return_when=asyncio.FIRST_COMPLETED)
        done |= newly_done
    return [task.result() for task in done]


def _attribute(number: int) -> dict[str, Any]:
    return {"key": f"k{number}", "value": number}


# --- orders ---------------------------------------------------------------------------------------------------------


def test_an_order_beyond_the_queue_is_refused_and_nothing_of_it_recorded_until_it_comes_again(
    strict: Service, target: Target, file: File
) -> None:
    keys = [str(uuid4()) for _ in range(_ORDERS + 3)]

    async def write(number: int) -> Answer:
        return await target.post(f"{file.path}/attributes", _attribute(number), idempotency_key=keys[number])

    async def scenario() -> None:
        with _locked(strict, "ledger.event", "ACCESS EXCLUSIVE"):
            asked = [asyncio.create_task(write(number)) for number in range(len(keys))]
            refused = await _first_answers(asked, 3)
        for answer in refused:
            answer.assert_overloaded()
        answers = await asyncio.gather(*asked)
        statuses = [answer.status for answer in answers]
        assert sorted(statuses) == [200] * _ORDERS + [503] * 3
        taken = {f"k{number}": number for number, status in enumerate(statuses) if status == 200}
        assert (await target.get(file.path)).json()["attributes"] == taken
        again = await asyncio.gather(*(write(number) for number in range(len(keys)) if statuses[number] == 503))
        assert [answer.status for answer in again] == [200] * 3
        assert len((await target.get(file.path)).json()["attributes"]) == len(keys)

    asyncio.run(scenario())


# --- bodies ---------------------------------------------------------------------------------------------------------


async def _upload(connection: Connection, file: File, *, share: float) -> None:
    """Begin to send a long body, and come as far as that."""
    head = connection.head(
        "POST",
        f"{file.path}/attributes",
        idempotency_key=str(uuid4()),
        if_match="*",
        content_length=str(_LONG_BODY_BYTES),
    )
    await connection.send(head + b" " * int(_LONG_BODY_BYTES * share))


def test_long_bodies_beyond_the_room_are_refused_and_leave_room_for_short_ones(target: Target, file: File) -> None:
    async def scenario() -> None:
        async with target.connections(30) as connections:
            answers = [asyncio.create_task(connection.answer()) for connection in connections]
            for connection in connections:
                await _upload(connection, file, share=0.5)
            await _first_answers(answers, len(connections) - _LONG_BODIES)
            assert (await target.post(f"{file.path}/attributes", _attribute(1))).status == 200
            found = Counter((answer.status, answer.slug) for answer in await asyncio.gather(*answers))
        assert found == {(503, "overloaded"): 30 - _LONG_BODIES, (408, "request-timeout"): _LONG_BODIES}
        blank = b" " * (_LONG_BODY_BYTES - 100) + orjson.dumps(_attribute(2))
        async with target.connection() as connection:
            answer = await connection.request(
                "POST", f"{file.path}/attributes", blank, idempotency_key=str(uuid4()), if_match="*"
            )
            assert answer.status == 200

    asyncio.run(scenario())
    assert file.profile()["attributes"] == {"k1": 1, "k2": 2}


# --- reads ----------------------------------------------------------------------------------------------------------


def test_a_read_beyond_the_queue_is_refused_and_the_others_are_served(
    strict: Service, target: Target, file: File
) -> None:
    async def scenario() -> None:
        with _locked(strict, "read.profile", "ACCESS EXCLUSIVE"):
            asked = [asyncio.create_task(target.get(file.path)) for _ in range(_ASKED)]
            for answer in await _first_answers(asked, _ASKED - READERS - _READS):
                answer.assert_overloaded()
        statuses = Counter(answer.status for answer in await asyncio.gather(*asked))
        assert statuses.keys() == {200, 503}
        assert statuses[200] >= _READS
        assert (await target.get(file.path)).status == 200

    asyncio.run(scenario())


def test_reads_that_wait_for_the_read_models_leave_the_connections_to_others(
    strict: Service, target: Target, file: File
) -> None:
    async def scenario() -> None:
        with _locked(strict, "read.tracking", "SHARE"):
            recorded = (await target.post(f"{file.path}/attributes", _attribute(1))).headers["dossier-token"]
            waits = [
                f"{file.path}/versions/{recorded.partition(':')[2]}",
                *(f"{path}after={recorded}" for path in _LATER_READS.format(path=file.path).split()),
            ]
            asked = [asyncio.create_task(target.get(path)) for path in waits * 8]
            for _ in range(20):
                assert (await target.get(file.path)).status == 200
            assert not any(task.done() for task in asked)
        assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * len(asked)

    asyncio.run(scenario())
