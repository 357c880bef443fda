"""Clients that keep the service waiting: each kind is cut off in time, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.overload.conftest import SMALL_LIMITS
from tests.overload.load import Answer, Connection, Target
from tests.overload.process import held_connections, resident_bytes, worker_of
from tests.scenarios.client import File
from tests.scenarios.service import Service, wait_until

_OF_EACH_KIND = 20
_SMALL_BUFFER_BYTES = 4096
_MEBIBYTE = 1024 * 1024

_MOST_CONNECTIONS = int(SMALL_LIMITS["DOSSIER_CONNECTIONS"])
_OWN_CONNECTIONS = 1
"""That of the service's HTTP client."""

_Slow = Callable[[Connection, File], Awaitable[Any]]


async def _trickle(connection: Connection, piece: bytes) -> None:
    """Send a little now and then, for as long as the service takes it."""
    with suppress(ConnectionError):
        while True:
            await connection.send(piece)
            await asyncio.sleep(0.1)


async def _answer_while(connection: Connection, piece: bytes) -> tuple[int, str, bool]:
    """What the service says to one that sends on, and whether it ends the connection."""
    trickling = asyncio.create_task(_trickle(connection, piece))
    answer = await connection.answer()
    ended = await connection.is_ended()
    trickling.cancel()
    return answer.status, answer.slug, ended


# --- the kinds; each tells how it ended -----------------------------------------------------------------------------


async def _never_asks(connection: Connection, _: File) -> bool:
    return await connection.is_ended()


async def _sends_half_a_head(connection: Connection, _: File) -> tuple[int, str, bool]:
    await connection.send(b"GET /healthz HTTP/1.1\r\nX: ")
    return await _answer_while(connection, b"y")


async def _sends_endless_headers(connection: Connection, _: File) -> tuple[int, str, bool]:
    await connection.send(b"GET /healthz HTTP/1.1\r\n")
    return await _answer_while(connection, b"X: y\r\n")


def _write(connection: Connection, file: File, **headers: str) -> bytes:
    return connection.head("POST", f"{file.path}/attributes", idempotency_key=str(uuid4()), if_match="*", **headers)


async def _sends_a_body_bit_by_bit(connection: Connection, file: File) -> tuple[int, str, bool]:
    await connection.send(_write(connection, file, content_length="50000"))
    return await _answer_while(connection, b" ")


async def _sends_chunks_bit_by_bit(connection: Connection, file: File) -> tuple[int, str, bool]:
    await connection.send(_write(connection, file, transfer_encoding="chunked"))
    return await _answer_while(connection, b"1\r\n \r\n")


async def _sends_on_after_the_answer(connection: Connection, file: File) -> tuple[int, bool]:
    """The answer comes before the body, which never ends."""
    await connection.send(_write(connection, file, content_length="50000", authorization="nobody"))
    answer = await connection.answer()
    trickling = asyncio.create_task(_trickle(connection, b" "))
    ended = await connection.is_ended()
    trickling.cancel()
    return answer.status, ended


async def _sends_the_rest_and_falls_silent(connection: Connection, file: File) -> tuple[int, bool]:
    """The body comes after the answer; then nothing comes any more."""
    await connection.send(_write(connection, file, content_length="5", authorization="nobody"))
    answer = await connection.answer()
    await connection.send(b"12345")
    return answer.status, await connection.is_ended()


async def _falls_silent(connection: Connection, file: File) -> tuple[int, bool]:
    answer = await connection.request("GET", file.path)
    return answer.status, await connection.is_ended()


_KINDS: dict[_Slow, Any] = {
    _never_asks: True,
    _sends_half_a_head: (408, "request-timeout", True),
    _sends_endless_headers: (408, "request-timeout", True),
    _sends_a_body_bit_by_bit: (408, "request-timeout", True),
    _sends_chunks_bit_by_bit: (408, "request-timeout", True),
    _sends_on_after_the_answer: (401, True),
    _sends_the_rest_and_falls_silent: (401, True),
    _falls_silent: (200, True),
}


def test_slow_clients_of_every_kind_are_cut_off_and_hinder_nobody(strict: Service, target: Target, file: File) -> None:
    async def slow(kind: _Slow) -> Any:
        async with target.connection() as connection:
            return await kind(connection, file)

    async def scenario() -> None:
        asked = {kind: [asyncio.create_task(slow(kind)) for _ in range(_OF_EACH_KIND)] for kind in _KINDS}
        everybody = asyncio.gather(*(task for tasks in asked.values() for task in tasks))
        turns = 0
        while not everybody.done():
            turns += 1
            assert (await target.post(f"{file.path}/attributes", {"key": "k", "value": turns})).status == 200
            assert (await target.get(file.path)).json()["attributes"] == {"k": turns}
        assert turns > 1
        ends = {kind.__name__: {task.result() for task in tasks} for kind, tasks in asked.items()}
        assert ends == {kind.__name__: {end} for kind, end in _KINDS.items()}

    asyncio.run(scenario())
    wait_until(lambda: held_connections(strict) <= _OWN_CONNECTIONS)


# --- answers that are not read --------------------------------------------------------------------------------------


def _long_file(file: File) -> File:
    """A file whose history is a long answer."""
    changes = [
        {"type": "customer.attribute-recorded", "key": f"k{number}", "value": "x" * 4000} for number in range(100)
    ]
    file.change(*changes)
    assert len(file.read("history", limit=500)["items"]) > 100
    return file


async def _until_cut(connection: Connection, file: File) -> None:
    """Ask for long answers without end, and read none of them."""
    request = connection.head("GET", f"{file.path}/history?limit=500")
    with suppress(ConnectionError):
        while True:
            await connection.send(request)
            await asyncio.sleep(0.01)


async def _until_told_to_come_back(target: Target) -> None:
    for _ in count():
        answer = await target.get("/healthz")
        if answer.status != 200:
            answer.assert_overloaded()
            return
        await asyncio.sleep(0.01)


def test_clients_that_read_no_answers_are_cut_off_and_cost_little(strict: Service, target: Target, file: File) -> None:
    long_file = _long_file(file)
    worker = worker_of(strict)
    resident = resident_bytes(worker)

    async def scenario() -> None:
        async with target.connections(_OF_EACH_KIND, receive_buffer=_SMALL_BUFFER_BYTES) as connections:
            unread = asyncio.gather(*(_until_cut(connection, long_file) for connection in connections))
            await _until_told_to_come_back(target)  # so long as too many answers wait
            await unread
        assert (await target.get(file.path)).status == 200

    asyncio.run(scenario())
    assert resident_bytes(worker, "VmHWM") - resident < 128 * _MEBIBYTE
    wait_until(lambda: held_connections(strict) <= _OWN_CONNECTIONS)


# --- too many connections -------------------------------------------------------------------------------------------


def test_connections_beyond_the_limit_are_told_to_come_back_and_far_beyond_it_closed(
    strict: Service, target: Target
) -> None:
    async def ask(connection: Connection) -> Answer | None:
        try:
            return await connection.request("GET", "/healthz")
        except (OSError, asyncio.IncompleteReadError):
            return None

    async def scenario() -> None:
        async with target.connections(3 * _MOST_CONNECTIONS) as connections:
            answers = await asyncio.gather(*map(ask, connections))
        served = [answer for answer in answers if answer is not None and answer.status == 200]
        refused = [answer for answer in answers if answer is not None and answer.status == 503]
        for answer in refused:
            answer.assert_overloaded()
        assert served
        assert refused
        assert None in answers

    asyncio.run(scenario())
    wait_until(lambda: held_connections(strict) <= _OWN_CONNECTIONS)
    assert asyncio.run(target.get("/healthz")).status == 200


@pytest.mark.long
def test_idle_connections_make_room_where_connections_are_scarce(database: str, tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", database, DOSSIER_CONNECTIONS="20") as service:
        target = Target(str(service.http.base_url), "")

        async def scenario() -> None:
            async with target.connections(18) as connections:
                for connection in connections:
                    assert (await connection.request("GET", "/healthz")).status == 200
                await asyncio.gather(*(connection.is_ended() for connection in connections))

        asyncio.run(scenario())
