"""Reads that are gathered: each is answered with its own row, in time, or told why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout, TooManyRequests

from api.gathering import Gathering
from db.pool import async_pool

Numbers = Gathering[int, int]


class Squares:
    """Brings the squares of even numbers, and remembers what it was asked for together."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.together: list[set[int]] = []

    async def bring(self, connection: AsyncConnection[TupleRow], keys: Collection[int]) -> Mapping[int, int]:
        self.together.append(set(keys))
        cursor = await connection.execute(
            "SELECT n, n * n, pg_sleep(%s) FROM unnest(%s::int[]) AS n WHERE n %% 2 = 0", [self.seconds, list(keys)]
        )
        return {key: square for key, square, _ in await cursor.fetchall()}


def run(
    database: str,
    squares: Squares,
    ask: Callable[[Numbers], Awaitable[None]],
    *,
    wait_seconds: float = 30.0,
    most_waiting: int = 1000,
    waits_for_company: bool = False,
) -> None:
    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=2, max_size=2, autocommit=True) as pool:
            await ask(
                Gathering(
                    pool,
                    squares.bring,
                    wait_seconds=wait_seconds,
                    most_waiting=most_waiting,
                    waits_for_company=waits_for_company,
                )
            )

    asyncio.run(scenario())


def test_everybody_gets_their_own_row_and_few_statements_are_needed(database: str) -> None:
    squares = Squares()

    async def ask(numbers: Numbers) -> None:
        found = await asyncio.gather(*(numbers.get(number) for number in [*range(250), 2]))
        assert found == [*(number * number if number % 2 == 0 else None for number in range(250)), 4]

    run(database, squares, ask)
    assert len(squares.together) == 3


def test_who_asks_while_a_statement_is_under_way_is_served_by_the_next(database: str) -> None:
    """A row that was read before somebody asked is no answer to them."""
    squares = Squares(seconds=0.2)

    async def ask(numbers: Numbers) -> None:
        first = asyncio.gather(*(numbers.get(2) for _ in range(2)))
        await asyncio.sleep(0.1)
        assert await numbers.get(2) == 4
        assert await first == [4, 4]

    run(database, squares, ask)
    assert squares.together == [{2}, {2}]


def test_a_statement_waits_for_as_many_as_the_last_had(database: str) -> None:
    squares = Squares(seconds=0.1)

    async def ask(numbers: Numbers) -> None:
        await asyncio.gather(*(numbers.get(number) for number in (1, 2, 3)))
        await asyncio.gather(numbers.get(4), *(a_little_later(numbers, number) for number in (5, 6)))

    run(database, squares, ask, waits_for_company=True)
    assert squares.together == [{1, 2, 3}, {4, 5, 6}]


def test_while_a_statement_is_under_way_another_waits_for_as_many_or_for_its_end(database: str) -> None:
    squares = Squares(seconds=0.2)

    async def ask(numbers: Numbers) -> None:
        asking = [asyncio.ensure_future(numbers.get(number)) for number in (1, 2)]
        await asyncio.sleep(0.05)
        asking += [asyncio.ensure_future(a_little_later(numbers, number)) for number in (3, 4, 5)]
        await asyncio.gather(*asking)

    run(database, squares, ask, waits_for_company=True)
    assert squares.together == [{1, 2}, {3, 4, 5}]


def test_who_is_left_alone_waits_for_company_once(database: str) -> None:
    squares = Squares(seconds=0.1)

    async def ask(numbers: Numbers) -> None:
        await asyncio.gather(*(numbers.get(number) for number in (1, 2, 3)))
        for number in (4, 5):
            await numbers.get(number)

    run(database, squares, ask, waits_for_company=True)
    assert squares.together == [{1, 2, 3}, {4}, {5}]


async def a_little_later(numbers: Numbers, number: int) -> None:
    await asyncio.sleep(0)
    await numbers.get(number)


def test_a_failure_is_the_answer_of_all_it_concerns_and_of_nobody_else(database: str) -> None:
    async def ask(numbers: Numbers) -> None:
        failed = await asyncio.gather(*(numbers.get(number) for number in (2, 2**40)), return_exceptions=True)
        assert [type(error) for error in failed] == [psycopg.errors.NumericValueOutOfRange] * 2
        assert await numbers.get(2) == 4

    run(database, Squares(), ask)


def test_nobody_waits_longer_than_they_are_to(database: str) -> None:
    async def ask(numbers: Numbers) -> None:
        with pytest.raises(PoolTimeout):
            await numbers.get(2)

    run(database, Squares(seconds=60), ask, wait_seconds=0.2)


def test_nobody_joins_too_long_a_queue(database: str) -> None:
    async def ask(numbers: Numbers) -> None:
        waiting = [asyncio.ensure_future(numbers.get(2)) for _ in range(3)]
        await asyncio.sleep(0)
        refused = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in refused] == [int, int, TooManyRequests]

    run(database, Squares(), ask, most_waiting=2)


def test_who_went_away_is_not_read_for(database: str) -> None:
    squares = Squares()

    async def ask(numbers: Numbers) -> None:
        gone, here = asyncio.ensure_future(numbers.get(2)), asyncio.ensure_future(numbers.get(4))
        await asyncio.sleep(0)
        gone.cancel()
        assert await here == 16

    run(database, squares, ask)
    assert {4} in squares.together


def test_who_asks_in_the_instant_in_which_all_statements_end_is_served_too(database: str) -> None:
    async def scenario() -> None:
        both_are_under_way = asyncio.Event()

        async def bring(_: object, keys: Collection[int]) -> dict[int, int]:
            await both_are_under_way.wait()
            return {key: key for key in keys}

        async def ask_once(key: int) -> None:
            assert await numbers.get(key) == key

        async def ask_twice(key: int) -> None:
            await ask_once(key)
            await ask_once(key)

        async with async_pool(database, "dossier_reader", min_size=2, max_size=2, autocommit=True) as pool:
            numbers: Numbers = Gathering(pool, bring, wait_seconds=3, most_waiting=10)
            asking = [asyncio.create_task(ask_twice(1))]
            await asyncio.sleep(0.1)
            asking.append(asyncio.create_task(ask_once(2)))
            await asyncio.sleep(0.1)
            both_are_under_way.set()
            await asyncio.gather(*asking)

    asyncio.run(scenario())
