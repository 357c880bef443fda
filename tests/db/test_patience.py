"""A server that stops answering without a sign: whoever waits for it is told in time, and goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from db.patience import AnsweringConnection, PatientAsyncConnection, PatientConnection
from db.pool import async_pool, connect_for_turn, sync_pool
from tests.crashes.proxy import Proxy

SOON = 0.5


@pytest.fixture
def proxy(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for patient in (PatientConnection, AnsweringConnection, PatientAsyncConnection):
        monkeypatch.setattr(patient, "patience_seconds", SOON)
    monkeypatch.setattr("db.patience.CHECK_SECONDS", SOON)
    monkeypatch.setattr("db.patience.BELIEVED_SECONDS", 0)
    with Proxy.start(database) as proxy:
        yield proxy


def test_a_statement_without_an_answer_is_given_up_and_its_connection_closed(proxy: Proxy) -> None:
    with sync_pool(proxy.conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        with pool.connection() as lost:
            proxy.stall()
            with pytest.raises(psycopg.OperationalError):
                lost.execute("SELECT 1")
        assert lost.closed
        proxy.resume()
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_pipeline_without_an_answer_is_given_up(proxy: Proxy) -> None:
    with sync_pool(proxy.conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        with pool.connection() as lost:
            proxy.stall()
            with pytest.raises(psycopg.OperationalError), lost.pipeline():
                lost.execute("SELECT 1")
        assert lost.closed
        proxy.resume()


def test_an_idle_connection_that_leads_nowhere_is_not_handed_out(proxy: Proxy) -> None:
    with sync_pool(proxy.conninfo, "dossier_app", min_size=2, max_size=2, autocommit=True) as pool:
        pool.wait()
        proxy.stall()
        with pytest.raises(PoolTimeout), pool.connection(timeout=1):
            pass
        proxy.resume()
        with pool.connection(timeout=30) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_that_has_just_answered_is_lent_without_a_question(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.patience.BELIEVED_SECONDS", 60)

    async def scenario() -> None:
        async with async_pool(proxy.conninfo, "dossier_reader", min_size=1, max_size=1, autocommit=True) as pool:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
            proxy.stall()
            async with pool.connection(timeout=1) as again:
                assert again is connection
            proxy.resume()

    with sync_pool(proxy.conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
        proxy.stall()
        with pool.connection(timeout=1) as again:
            assert again is connection
        proxy.resume()
    asyncio.run(scenario())


def test_a_connection_that_the_server_has_ended_is_not_believed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.patience.BELIEVED_SECONDS", 60)

    async def scenario() -> None:
        async with async_pool(database, "dossier_reader", min_size=1, max_size=1, autocommit=True) as pool:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
                process_id = connection.info.backend_pid
            _end(database, process_id)
            async with pool.connection() as another:
                assert await (await another.execute("SELECT 1")).fetchone() == (1,)

    with sync_pool(database, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
            process_id = connection.info.backend_pid
        _end(database, process_id)
        with pool.connection() as another:
            assert another.execute("SELECT 1").fetchone() == (1,)
    asyncio.run(scenario())


def _end(database: str, process_id: int) -> None:
    """Return once the process is gone."""
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s, 10000)", [process_id]).fetchone() == (True,)


def test_async_callers_are_told_as_well(proxy: Proxy) -> None:
    async def scenario() -> None:
        pool = async_pool(proxy.conninfo, "dossier_reader", min_size=1, max_size=1, autocommit=True)
        async with pool:
            async with pool.connection() as lost:
                proxy.stall()
                with pytest.raises(psycopg.OperationalError):
                    await lost.execute("SELECT 1")
                assert lost.closed
            with pytest.raises(PoolTimeout):
                async with pool.connection(timeout=1):
                    pass
            proxy.resume()
            async with pool.connection(timeout=30) as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    asyncio.run(scenario())


def test_a_statement_that_is_only_slow_ends_on_the_server_as_well(database: str) -> None:
    async def scenario() -> None:
        async with (
            async_pool(database, "dossier_reader", min_size=1, max_size=1, autocommit=True) as pool,
            pool.connection() as connection,
        ):
            assert isinstance(connection, PatientAsyncConnection)
            ((milliseconds,),) = await (
                await connection.execute("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")
            ).fetchall()
            assert 0 < milliseconds < connection.patience_seconds * 1000

    asyncio.run(scenario())


def test_waiting_for_notifications_is_not_waiting_for_an_answer(proxy: Proxy) -> None:
    with connect_for_turn(proxy.conninfo, "dossier_projector") as connection:
        connection.execute("LISTEN something")
        assert list(connection.notifies(timeout=3 * SOON)) == []
        assert connection.execute("SELECT 1").fetchone() == (1,)
