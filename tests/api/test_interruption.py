"""A request that is cut short by the end of the service."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.interruption import ToldWhenInterrupted

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/customers", "headers": []}


async def never_asked() -> Message:
    raise AssertionError


async def interrupted(*begun: Message) -> list[Message]:
    """What is sent by an application that has sent this much when it is cancelled."""
    sent: list[Message] = []
    is_at_work = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)

    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in begun:
            await send(message)
        is_at_work.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(ToldWhenInterrupted(endless)(SCOPE, never_asked, send))
    await is_at_work.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        sent.append({"type": "cancelled"})
    return sent


def test_it_is_told_to_come_back() -> None:
    start, body = asyncio.run(interrupted())
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert orjson.loads(body["body"])["type"] == "urn:dossier:problem:stopping"


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_has_begun_is_left_as_it_is(status: int) -> None:
    begun = {"type": "http.response.start", "status": status, "headers": []}
    assert asyncio.run(interrupted(begun)) == [begun, {"type": "cancelled"}]
