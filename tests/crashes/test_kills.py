"""kill -9 at random moments under load: nothing acknowledged is lost, halved or doubled, and nobody has to help."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import pytest

from db.embedded import attach
from tests.checker import check
from tests.crashes.conftest import Record
from tests.crashes.load import Load
from tests.crashes.reckoning import reckon
from tests.crashes.service import Service
from tests.crashes.victims import KINDS

_SHORT = ["worker", "follower", "commit", "postmaster", "parent"]
_LONG_ROUNDS = 200
_SIDE_BY_SIDE = 4
_FULL_CHECK_EVERY = 25
_ASKED_AGAIN = 5


class Trial:
    """Rounds of kills against one service, and the figures of them."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        self._service = service
        self._chance = chance
        self._load = Load(service, chance)
        self._recovered_after: dict[str, list[float]] = defaultdict(list)
        self._events = 0

    async def round(self, victims: Sequence[str]) -> None:
        """Load, the blows, and everything back by itself; then what clients were told is what is stored."""
        since = len(self._load.orders)
        async with self._load.running():
            await asyncio.sleep(self._chance.uniform(0.2, 0.8))
            started_at = time.monotonic()
            dead = await asyncio.gather(*(KINDS[victim](self._service, self._chance) for victim in victims))
            await self._service.whole(*chain.from_iterable(dead))
            self._recovered_after["+".join(victims)].append(time.monotonic() - started_at)
            await asyncio.sleep(0.1)
        self._events = await asyncio.to_thread(reckon, self._conninfo(), self._load.orders, since)
        acknowledged = [order for order in self._load.orders[-1000:] if order.is_acknowledged]
        await self._load.ask_again(self._chance.sample(acknowledged, min(_ASKED_AGAIN, len(acknowledged))))

    async def check(self) -> None:
        """Hold all that is stored against all that was told, and against itself."""
        await asyncio.to_thread(reckon, self._conninfo(), self._load.orders)
        await asyncio.to_thread(check, self._conninfo(), self._service.kek)

    def record(self, record: Record) -> None:
        self._load.record(record)
        record("events", self._events)
        for victim, seconds in sorted(self._recovered_after.items()):
            figures = f"{len(seconds)} kills, median {statistics.median(seconds):.1f} s, slowest {max(seconds):.1f} s"
            record(f"recovery after {victim}", figures)

    def _conninfo(self) -> str:
        conninfo = attach(self._service.data)
        assert conninfo is not None
        return conninfo


def test_each_kind_of_victim_once(data: Path, chance: random.Random, record_property: Record) -> None:
    async def scenario() -> None:
        async with Service.start(data) as service:
            trial = Trial(service, chance)
            for victim in chance.sample(_SHORT, len(_SHORT)):
                await trial.round([victim])
            await trial.check()
            trial.record(record_property)

    asyncio.run(scenario())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_rounds(new_data: Callable[[str], Path], chance: random.Random, record_property: Record) -> None:
    """On several services side by side: mostly one waits for what was killed to come back."""

    async def rounds(name: str, chance: random.Random) -> None:
        async with Service.start(new_data(name)) as service:
            trial = Trial(service, chance)
            for number in range(1, _LONG_ROUNDS // _SIDE_BY_SIDE + 1):
                victims = chance.sample(list(KINDS), 2 if chance.random() < 0.15 else 1)
                await trial.round(victims)
                if number % _FULL_CHECK_EVERY == 0:
                    await trial.check()
            await trial.check()
            trial.record(lambda what, figure: record_property(f"{name}: {what}", figure))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as services:
            for number in range(1, _SIDE_BY_SIDE + 1):
                services.create_task(rounds(f"service {number}", random.Random(chance.random())))  # noqa: S311 - no secret
        record_property("rounds", _LONG_ROUNDS)

    asyncio.run(scenario())
