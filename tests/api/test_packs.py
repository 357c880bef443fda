"""Few evidence packs are made at once, and one that fails leaves room for the next."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from api.errors import Problem
from api.packs import Packs
from ledger.evidence import Asked, Disclosure
from ledger.evidence_errors import NothingSigned

ASKED = Asked(uuid4(), Disclosure())


def test_who_asks_for_one_too_many_is_told_to_come_back(database: str) -> None:
    async def ask() -> list[object]:
        packs = Packs(database, {}, [], most=2)
        return await asyncio.gather(*(packs.make(ASKED) for _ in range(3)), return_exceptions=True)

    *_, last = asyncio.run(ask())
    assert isinstance(last, Problem)
    assert (last.slug, last.status) == ("overloaded", 503)


def test_a_pack_that_fails_leaves_room_for_the_next(database: str) -> None:
    packs = Packs(database, {}, [], most=1)
    for _ in range(2):
        with pytest.raises(NothingSigned):
            asyncio.run(packs.make(ASKED))
