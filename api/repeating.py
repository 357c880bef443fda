"""Work that is done again and again beside the requests, in the event loop, until the service stops.

What must stay true: a step that fails is told of and tried again. Were it the end, nobody would notice: an erased value
would stay in memory, a dismissed person stay in, an old policy in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

_LOG: Final = structlog.get_logger("api.repeating")


@asynccontextmanager
async def repeating(step: Callable[[], Awaitable[None]], seconds: float, what: str) -> AsyncIterator[None]:
    """Take a step every so many seconds, for the first time after these, until the context ends. `what` it is for."""
    task = asyncio.create_task(_for_ever(step, seconds, what))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _for_ever(step: Callable[[], Awaitable[None]], seconds: float, what: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - told, and tried again
            _LOG.exception("a repeated step failed", what=what, error=type(error).__name__)
