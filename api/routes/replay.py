"""A file stepped through, event by event, from the evidence, to show how a value came about.

What must stay true: a replay holds a connection only while it reads a chunk; however it ends, the next may begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api import errors, openapi
from api.answers import NDJSON, PRIVATE
from api.dependencies import actor_of, reading, service_of
from api.direct_route import requires
from api.known_files import known_file
from api.masks import mask_of
from api.moments import Moment
from api.parameters import invalid_parameter, position
from api.read_route import ReadRoute
from api.replaying import Replays
from api.schemas.views import ReplayLine
from api.viewing import viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.masking import Mask
from domain.slots import Sensitivity
from projections.errors import EventUnknown
from projections.past import version_at
from projections.replay import Replaying, erased_of, sealed_events

router: Final = APIRouter(
    prefix="/v1/customers/{customer_id}",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)


_CHUNK: Final = 100
"""Events read and decrypted at once: between two chunks others get the connection and the processor."""


@router.get("/replay", openapi_extra=openapi.read_lines(ReplayLine, "from_version", "to_version", "after"))
@requires(Action.READ_HISTORY)
async def read_replay(request: Request, customer_id: UUID) -> Response:
    """Every event with a hash of what the file showed before and after it, one JSON line each, and a summary last.

    Lines without the summary were cut short; where the service had to stop by itself, a problem is the last line.
    """
    first, last = _version(request, "from_version"), _version(request, "to_version")
    if first is not None and last is not None and first > last:
        raise invalid_parameter("from_version", "lies behind to_version")
    mask = await mask_of(request, customer_id)
    async with reading(request) as connection:
        found, head = await known_file(connection, request, customer_id, Moment(), version_at)
    for wanted in (first, last):
        if wanted is not None and wanted > head:
            raise EventUnknown(customer_id, wanted)
    # What the lines will say is not known before they are read: anything that was ever recorded.
    await viewed(request, ReadOf.REPLAY, customer_id, Sensitivity.SENSITIVE, found)
    if request.method == "HEAD":
        return Response(headers=PRIVATE, media_type=NDJSON)
    service = service_of(request)
    replays, principal = service.replays, actor_of(request).id
    service.opened.require(principal)
    replays.begin()
    service.opened.charge(principal, (last or head) - (first or 1) + 1)
    return _ReplayStream(request, replays, customer_id, (first or 1, last or head), mask)


def _version(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    return None if text is None else position(name, text)


class _ReplayStream(StreamingResponse):
    """The lines of a replay of some versions; its place among the replays is taken while it is sent."""

    def __init__(
        self, request: Request, replays: Replays, customer_id: UUID, versions: tuple[int, int], mask: Mask | None
    ) -> None:
        self._replays = replays
        first, last = versions
        lines = _lines(request, Replaying(first, replays.keys, mask), customer_id, last)
        super().__init__(lines, headers=PRIVATE, media_type=NDJSON)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._replays.end()


async def _lines(request: Request, replaying: Replaying, customer_id: UUID, last: int) -> AsyncIterator[bytes]:
    try:
        after = 0
        while after < last:
            async with reading(request) as connection:
                events = await sealed_events(connection, customer_id, after, last, _CHUNK)
                # For every chunk, and after it: what is gone of it is then known to be erased.
                replaying.erased = await erased_of(connection, customer_id)
            if not events:
                break
            after = events[-1].version
            yield await asyncio.to_thread(b"".join, replaying.lines(events))
        yield await asyncio.to_thread(replaying.summary, last)
    except Exception as error:
        if not errors.is_expected(request, error):
            raise
        # The status is sent already: what became of the rest stands in the line that is last instead of the summary.
        answer = await errors.response_to(request, error)
        yield b'{"problem":' + bytes(answer.body) + b"}\n"
