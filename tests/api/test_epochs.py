"""What an API process knows of the log's epochs: looked up now and then, and kept while the database is away."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout

from api.epochs import KnownEpochs
from db.pool import async_pool
from ledger.epochs import ONLY_ONE, OWN, begin_epoch
from tests.damages import disarm
from tests.server import TestServer


def begin(conninfo: str) -> str:
    with psycopg.connect(conninfo) as connection:
        return begin_epoch(connection, "u-7").name


def test_epochs_are_looked_up_once_and_then_known_for_a_while(database: str) -> None:
    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1, autocommit=True) as readers:
            known = KnownEpochs(readers, 5)
            assert known.fresh is None
            assert await known.look() == ONLY_ONE
            assert known.fresh == ONLY_ONE
            name = begin(database)
            assert known.fresh == ONLY_ONE, "not before its time"
            assert (await known.look()).current == name

    asyncio.run(scenario())


def test_while_the_database_is_away_what_was_known_goes_on(server: TestServer) -> None:
    async def scenario(conninfo: str) -> None:
        async with async_pool(conninfo, "dossier_reader", min_size=1, max_size=1, autocommit=True) as readers:
            known, unknown = KnownEpochs(readers, 0.5), KnownEpochs(readers, 0.5)
            name = (await known.look()).current
            server.drop_database(str(conninfo_to_dict(conninfo)["dbname"]))
            assert (await known.look()).current == name
            with pytest.raises((PoolTimeout, OperationalError)):
                await unknown.look()

    with server.database() as conninfo:
        asyncio.run(scenario(conninfo))


def test_what_makes_no_sense_stops_nobody(database: str) -> None:
    async def scenario() -> None:
        begin(database)
        with psycopg.connect(database) as connection:
            disarm(connection)
            connection.execute("UPDATE ledger.event SET entry = '{' WHERE stream = %(own)s", OWN)
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1, autocommit=True) as readers:
            assert await KnownEpochs(readers, 5).look() == ONLY_ONE

    asyncio.run(scenario())
