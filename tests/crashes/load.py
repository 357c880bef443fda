"""The load: writers that send order after order, each until it has a definite answer, and remember every one.

An order whose fate is unknown (no connection, a connection lost, silence, 503) is sent again under the same key. What
must stay true: every order ends acknowledged or refused; nothing else is ever answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import orjson

from tests.crashes.conftest import Record
from tests.crashes.orders import Answer, Clerk, Order
from tests.crashes.service import PATIENCE_SECONDS
from tests.scenarios.client import Signer

WRITERS = 8

_SILENCE_SECONDS = 60.0
_THINK_SECONDS = 0.02
_RETRY_SECONDS = 0.2
_FRESH_CONNECTIONS = 0.1
"""So often a request closes its connection: a worker that was started again must get some of the work."""


class Target(Protocol):
    """A service to write to, however it is run."""

    @property
    def url(self) -> str: ...

    @property
    def signer(self) -> Signer: ...


class Load:
    """Writers against one service; `orders` are all that were ever sent, in the order of their making."""

    def __init__(self, service: Target, chance: random.Random) -> None:
        self._service = service
        self._chance = chance
        self._clerk = Clerk(service.signer, chance)
        self._on = False
        self.orders: list[Order] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it lasts, orders are made; after it every one has its answer."""
        self._on = True
        async with self._http() as http:
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(self._write(http))
                try:
                    yield
                finally:
                    self._on = False
            for order in self.orders:
                if order.answer is None:
                    await self._settle(order, http)

    async def send_once(self, order: Order) -> Answer | None:
        """Make an order by hand and send it: what was answered at once, None if nothing was."""
        self.orders.append(order)
        async with self._http() as http:
            return await self._attempt(order, http)

    async def ask_again(self, orders: list[Order]) -> None:
        """An order sent again gets the answer it got, and says that it is a repetition."""
        async with self._http() as http:
            for order in orders:
                first, order.answer = order.answer, None
                await self._settle(order, http)
                assert first is not None
                assert order.answer is not None
                assert order.answer.replayed
                assert (order.answer.status, order.answer.content) == (first.status, first.content)
                order.answer = first

    def record(self, record_property: Record) -> None:
        """How many orders there were, and what became of them."""
        in_doubt = [order for order in self.orders if order.doubts]
        committed = sum(order.answer is not None and order.answer.replayed for order in in_doubt)
        record_property("orders acknowledged", sum(order.is_acknowledged for order in self.orders))
        record_property("orders refused", sum(order.is_refused for order in self.orders))
        record_property("orders in doubt", f"{len(in_doubt)}, of which {committed} were committed already")
        record_property("doubts", dict(Counter(doubt for order in self.orders for doubt in order.doubts)))

    def _http(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self._service.url, timeout=aiohttp.ClientTimeout(total=_SILENCE_SECONDS))

    async def _write(self, http: aiohttp.ClientSession) -> None:
        while self._on:
            order = self._clerk.next()
            self.orders.append(order)
            await self._settle(order, http)
            self._clerk.learn(order)
            await asyncio.sleep(self._chance.uniform(0, 2) * _THINK_SECONDS)

    async def _settle(self, order: Order, http: aiohttp.ClientSession) -> None:
        """Send until there is a definite answer. Fails after a patience far beyond any outage."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while order.answer is None:
            await self._attempt(order, http)
            assert time.monotonic() < deadline, f"no definite answer to {order.path}: {Counter(order.doubts)}"
            if order.answer is None:
                await asyncio.sleep(self._chance.uniform(0.2, 1) * _RETRY_SECONDS)

    async def _attempt(self, order: Order, http: aiohttp.ClientSession) -> Answer | None:
        try:
            answer = await self._send(order, http)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            order.doubts.append(type(error).__name__)
            return None
        if answer.status == 503:
            order.doubts.append("503")
        else:
            order.answer = answer
        return answer

    async def _send(self, order: Order, http: aiohttp.ClientSession) -> Answer:
        headers = {"Authorization": f"Bearer {order.token}", "Idempotency-Key": order.key}
        if order.if_match is not None:
            headers["If-Match"] = order.if_match
        if self._chance.random() < _FRESH_CONNECTIONS:
            headers["Connection"] = "close"
        async with http.post(order.path, data=orjson.dumps(order.body), headers=headers) as answer:
            body = await answer.read()
        assert answer.status in {200, 201, 403, 404, 409, 412, 422, 503}, f"{answer.status}: {body!r}"
        if answer.status == 503:
            assert answer.headers["Retry-After"], body
        replayed = answer.headers.get("Idempotent-Replayed") == "true"
        return Answer(answer.status, orjson.loads(body), replayed, answer.headers.get("ETag", ""))
