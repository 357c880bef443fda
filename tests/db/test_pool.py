"""Connections in a role: what is in force on them, and that pools survive a server's restart."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.errors import MalformedConninfo
from db.pool import async_pool, connect, role_conninfo, sync_pool

SETTINGS = ("role", "TimeZone", "application_name", "statement_timeout", "idle_in_transaction_session_timeout")


def settings_of(connection: psycopg.Connection[tuple[str, ...]]) -> dict[str, str]:
    return {name: connection.execute("SELECT current_setting(%s)", [name]).fetchall()[0][0] for name in SETTINGS}


def test_the_app_role_comes_with_its_timeouts(database: str) -> None:
    with connect(database, "dossier_app") as connection:
        assert settings_of(connection) == {
            "role": "dossier_app",
            "TimeZone": "UTC",
            "application_name": "dossier_app",
            "statement_timeout": "5s",
            "idle_in_transaction_session_timeout": "5s",
        }


def test_another_role_has_no_timeouts(database: str) -> None:
    with connect(database, "dossier_projector") as connection:
        settings = settings_of(connection)
    assert settings["role"] == "dossier_projector"
    assert settings["statement_timeout"] == "0"


def test_options_of_the_conninfo_are_kept_but_cannot_change_the_role(database: str) -> None:
    own = make_conninfo(database, options="-c work_mem=7MB -c role=dossier_sealer")
    with connect(own, "dossier_reader") as connection:
        assert connection.execute("SELECT current_user, current_setting('work_mem')").fetchone() == (
            "dossier_reader",
            "7MB",
        )


def test_a_url_is_a_conninfo_too() -> None:
    merged = role_conninfo("postgresql://me:secret@db.example:5433/dossier?sslmode=require", "dossier_reader")
    assert conninfo_to_dict(merged) == {
        "user": "me",
        "password": "secret",
        "host": "db.example",
        "port": "5433",
        "dbname": "dossier",
        "sslmode": "require",
        "options": "-c timezone=UTC -c role=dossier_reader",
        "application_name": "dossier_reader",
    }


def test_a_malformed_conninfo_is_not_repeated() -> None:
    with pytest.raises(MalformedConninfo) as caught:
        role_conninfo("postgresql://me:se cret@@[", "dossier_app")
    assert "cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_pool_hands_out_connections_in_its_role(database: str) -> None:
    with sync_pool(database, "dossier_sealer", min_size=1, max_size=2) as pool, pool.connection() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("dossier_sealer",)


def test_a_pool_never_hands_out_a_connection_that_the_server_has_closed(database: str) -> None:
    with sync_pool(database, "dossier_reader", min_size=1, max_size=1, autocommit=True) as pool:
        with pool.connection() as connection:
            process_id = connection.info.backend_pid
        with psycopg.connect(database) as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [process_id])
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert connection.info.backend_pid != process_id


def test_an_async_pool_hands_out_connections_in_its_role(database: str) -> None:
    async def current_user() -> object:
        pool = async_pool(database, "dossier_reader", min_size=1, max_size=1)
        async with pool, pool.connection() as connection:
            return await (await connection.execute("SELECT current_user")).fetchone()

    assert asyncio.run(current_user()) == ("dossier_reader",)
