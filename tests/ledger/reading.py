"""Views for tests of the read ledger, and what of them was written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from domain.events import ActorKind, RecordedEvent
from domain.events.access import AccessPayload, ReadKind, ReadOf, View
from domain.slots import Sensitivity
from ledger.read_events import Reader, Reading
from ledger.read_ledger import ReadLedger
from tests.ledger.service import of_service
from tests.ledger.writing import write_path

ACME, BETA = uuid7(), uuid7()
READER = Reader("u-1", ActorKind.HUMAN, None)
VIEW = Reading(READER, ReadKind.VIEW, ReadOf.PROFILE, Sensitivity.CONFIDENTIAL, None, ("SALES", "visit"))
SENSITIVE = VIEW._replace(highest=Sensitivity.SENSITIVE)
SEARCH = VIEW._replace(kind=ReadKind.SEARCH, of=ReadOf.CUSTOMERS)

Story = Callable[[ReadLedger], Coroutine[Any, Any, None]]


@asynccontextmanager
async def kept(database: str) -> AsyncIterator[ReadLedger]:
    with write_path(database) as path:
        ledger = ReadLedger(of_service(path))
        ledger.start()
        try:
            yield ledger
        finally:
            ledger.stop()


def tell(database: str, story: Story) -> None:
    async def told() -> None:
        async with kept(database) as ledger:
            await story(ledger)

    asyncio.run(told())


async def until(happens: Callable[[], object]) -> None:
    for _ in range(6000):
        if happens():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def recorded(database: str) -> list[RecordedEvent]:
    """All events of the read ledger, stream by stream in the order of their ids."""
    with write_path(database) as path, psycopg.connect(database) as connection:
        streams = connection.execute("SELECT DISTINCT stream FROM ledger.event WHERE type LIKE 'access.%' ORDER BY 1")
        return [event for (stream,) in streams.fetchall() for event in path.ledger.history(stream)]


def types(database: str) -> list[str]:
    return [event.payload.type for event in recorded(database)]


def views(database: str) -> list[View]:
    payloads = [event.payload for event in recorded(database)]
    return [view for payload in payloads if isinstance(payload, AccessPayload) for view in payload.views]


def seen(view: View) -> list[tuple[UUID, int | None, str | None]]:
    return [(each.customer_id, each.times, each.request_id) for each in view.seen]
