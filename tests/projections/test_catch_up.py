"""Waiting for the read models: all who wait are woken by one look, and none of them holds a connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed

from db.pool import async_pool
from projections.catch_up import CatchUp
from projections.errors import ReadModelsBehind
from tests.make import Stream
from tests.projections.world import World

_LONG_SECONDS = 60.0
_Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]


@asynccontextmanager
async def _catching_up(world: World) -> AsyncIterator[tuple[CatchUp, _Pool]]:
    async with async_pool(world.conninfo, "dossier_reader", min_size=1, max_size=1, autocommit=True) as pool:
        await pool.wait()
        yield CatchUp(pool), pool


def _event(stream: Stream, version: int) -> ReadModelsBehind:
    return ReadModelsBehind(None, 0, (stream.customer_id, version))


async def _waiting(catch_up: CatchUp, behind: ReadModelsBehind, seconds: float = _LONG_SECONDS) -> None:
    await catch_up.passes(behind, time.monotonic() + seconds)


def _project(world: World) -> None:
    world.seal()
    with world.runner() as runner:
        runner.catch_up()


def _a_stream(world: World) -> Stream:
    stream = Stream()
    stream.attribute("a", 1)
    stream.attribute("a", 2)
    world.record(stream.events)
    return stream


def test_all_who_wait_are_woken_when_their_event_is_projected(world: World) -> None:
    stream = _a_stream(world)

    async def scenario() -> None:
        async with _catching_up(world) as (catch_up, pool):
            behind = [_event(stream, 1), _event(stream, 2), ReadModelsBehind(1, 0), ReadModelsBehind(2, 0)]
            waiting = [asyncio.create_task(_waiting(catch_up, one)) for one in behind * 20]
            for _ in range(20):  # the one connection of the pool is there for others
                async with pool.connection() as connection:
                    await connection.execute("SELECT 1")
            assert not any(task.done() for task in waiting)
            await asyncio.to_thread(_project, world)
            await asyncio.gather(*waiting)
            await _waiting(catch_up, _event(stream, 2))

    asyncio.run(scenario())


def test_waiting_has_an_end_of_each_ones_own(world: World) -> None:
    stream = _a_stream(world)
    world.seal()

    async def scenario() -> None:
        async with _catching_up(world) as (catch_up, _):
            patient = asyncio.create_task(_waiting(catch_up, _event(stream, 2)))
            with pytest.raises(ReadModelsBehind) as late:
                await _waiting(catch_up, _event(stream, 1), seconds=0.05)
            assert (late.value.position, late.value.event) == (1, (stream.customer_id, 1))
            with pytest.raises(ReadModelsBehind):
                await _waiting(catch_up, ReadModelsBehind(1, 0), seconds=0)
            assert not patient.done()
            await asyncio.to_thread(_project, world)
            await patient

    asyncio.run(scenario())


def test_whoever_waits_is_told_when_there_is_no_way_to_look(world: World) -> None:
    stream = _a_stream(world)

    async def scenario() -> None:
        async with _catching_up(world) as (catch_up, pool):
            waiting = [asyncio.create_task(_waiting(catch_up, _event(stream, 1))) for _ in range(3)]
            await asyncio.sleep(0)
            await pool.close()
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(error) for error in errors} == {PoolClosed}

    asyncio.run(scenario())


def test_a_caller_that_goes_away_leaves_the_others_waiting(world: World) -> None:
    stream = _a_stream(world)

    async def scenario() -> None:
        async with _catching_up(world) as (catch_up, _):
            gone, stays = (asyncio.create_task(_waiting(catch_up, _event(stream, 1))) for _ in "ab")
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.to_thread(_project, world)
            await stays
            assert gone.cancelled()

    asyncio.run(scenario())
