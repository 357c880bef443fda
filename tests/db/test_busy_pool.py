"""Waiting for a connection in vain: because others have them all, or because there is none."""

from __future__ import annotations

import asyncio

import pytest
from psycopg_pool import PoolTimeout, TooManyRequests

from db.pool import async_pool


def test_whoever_waits_while_others_are_served_is_told_that_it_is_too_many(database: str) -> None:
    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1) as pool:
            await pool.wait()
            taken = await pool.getconn()
            served = asyncio.create_task(pool.getconn())
            in_vain = asyncio.create_task(pool.getconn(timeout=0.5))
            await asyncio.sleep(0.1)
            await pool.putconn(taken)
            with pytest.raises(TooManyRequests):
                await in_vain
            await pool.putconn(await served)

    asyncio.run(scenario())


def test_whoever_waits_while_nobody_is_served_is_told_that_there_is_none(database: str) -> None:
    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1) as pool:
            await pool.wait()
            taken = await pool.getconn()
            with pytest.raises(PoolTimeout):
                await pool.getconn(timeout=0.1)
            await pool.putconn(taken)

    asyncio.run(scenario())


def test_whoever_finds_too_many_waiting_is_told_at_once(database: str) -> None:
    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1, max_waiting=1) as pool:
            await pool.wait()
            taken = await pool.getconn()
            waits = asyncio.create_task(pool.getconn())
            await asyncio.sleep(0)
            with pytest.raises(TooManyRequests):
                await pool.getconn(timeout=60)
            await pool.putconn(taken)
            await pool.putconn(await waits)

    asyncio.run(scenario())
