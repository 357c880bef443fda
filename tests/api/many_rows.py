"""A process of its own that answers with so many rows in some format, and tells how much memory it had at most.

python -m tests.api.many_rows text/csv 1000000
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.types import Message

from api.content_hash import ContentHash
from api.tabular import Table, table_response

_BATCH = 1000
_TIERS = ("ORDINARY", "POTENTIAL", "HIGH_VALUE")


async def rows(number: int) -> AsyncIterator[list[list[Any]]]:
    for first in range(0, number, _BATCH):
        yield [[f"0192d3a0-0000-7000-8000-{n:012x}", _TIERS[n % 3], n, {"n": n}] for n in range(first, first + _BATCH)]


async def unheard(content: ContentHash) -> None:
    del content


async def answer(media_type: str, number: int) -> int:
    """How many bytes were sent."""
    sent = 0

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))

    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)
    table = Table(["customer_id", "/tier/VALUE", "n", "/attributes/n"], rows(number), unheard)
    response = await table_response(request, media_type, table, {"position": 1})
    await response(request.scope, receive, send)
    return sent


if __name__ == "__main__":
    size = asyncio.run(answer(sys.argv[1], int(sys.argv[2])))
    print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # noqa: T201 - what it is for
