"""What a process remembers of customers is let go of by itself, for another process may have erased it."""

from __future__ import annotations

import asyncio

from api.forgetting import forgetting
from domain.slots import forget_slots, parent_of, pointer


def test_it_forgets_again_and_again_until_its_end() -> None:
    forgotten: list[str] = []
    twice = asyncio.Event()

    def forget() -> None:
        forgotten.append("once")
        if len(forgotten) == 2:
            twice.set()

    async def live() -> int:
        async with forgetting(forget, seconds=0.001):
            await twice.wait()
        ended_at = len(forgotten)
        await asyncio.sleep(0.02)
        return ended_at

    assert asyncio.run(live()) == len(forgotten)


def test_names_of_slots_are_forgotten() -> None:
    assert parent_of("/contacts/a/name") == "/contacts/a"
    assert pointer("identifiers", "PASSPORT", "X1") == "/identifiers/PASSPORT/X1"
    forget_slots()
    assert parent_of.cache_info().currsize == pointer.cache_info().currsize == 0
