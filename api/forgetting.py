"""Lets go, every now and then, of what this process remembers of customers: erasure reaches memory as it does tables.

What must stay true: nothing that was remembered before an erasure is in use a minute later (KeyStore's CACHE_SECONDS),
also where another process carried the erasure out, of which nobody here has heard. (Freed memory is not overwritten:
it holds what it held until something else is put there.)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from api.repeating import repeating
from ledger.keys import CACHE_SECONDS

_TIMES: Final = 2
"""What is forgotten unless it was used since the last time is gone after two."""


@asynccontextmanager
async def forgetting(*forget: Callable[[], None], seconds: float = CACHE_SECONDS / _TIMES) -> AsyncIterator[None]:
    """Call these again and again, in the event loop, until the context ends."""

    async def forget_all() -> None:
        for each in forget:
            each()

    async with repeating(forget_all, seconds, "forgetting"):
        yield
