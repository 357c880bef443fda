"""Connections in a role: what is in force on them, and that pools survive a server's restart."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.embedded import EmbeddedPostgres
from db.errors import MalformedConninfo
from db.migrate import migrate
from db.pool import async_pool, connect, connect_for_turn, role_conninfo, sync_pool

SETTINGS = (
    "role",
    "TimeZone",
    "application_name",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "plan_cache_mode",
)


def setting(connection: psycopg.Connection[tuple[str, ...]], name: str) -> str:
    return connection.execute("SHOW " + name).fetchall()[0][0]


def settings_of(connection: psycopg.Connection[tuple[str, ...]]) -> dict[str, str]:
    return {name: setting(connection, name) for name in SETTINGS}


def test_the_app_role_comes_with_its_settings(database: str) -> None:
    with connect(database, "dossier_app") as connection:
        assert settings_of(connection) == {
            "role": "dossier_app",
            "TimeZone": "UTC",
            "application_name": "dossier_app",
            "statement_timeout": "5s",
            "idle_in_transaction_session_timeout": "5s",
            "plan_cache_mode": "force_generic_plan",
        }


def test_another_role_has_none_of_them(database: str) -> None:
    with connect(database, "dossier_projector") as connection:
        settings = settings_of(connection)
    assert settings["role"] == "dossier_projector"
    assert settings["statement_timeout"] == "0"
    assert settings["plan_cache_mode"] == "auto"


def test_options_of_the_conninfo_are_kept_but_cannot_change_the_role(database: str) -> None:
    own = make_conninfo(database, options="-c work_mem=7MB -c role=dossier_sealer")
    with connect(own, "dossier_reader") as connection:
        assert connection.execute("SELECT current_user, current_setting('work_mem')").fetchone() == (
            "dossier_reader",
            "7MB",
        )


def test_a_url_is_a_conninfo_too() -> None:
    merged = role_conninfo("postgresql://me:secret@db.example:5433/dossier?sslmode=require", "dossier_reader")
    signs_of_life = {name: value for name, value in conninfo_to_dict(merged).items() if "keepalives" in name}
    assert signs_of_life == {
        "keepalives": "1",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "4",
    }
    other = {name: value for name, value in conninfo_to_dict(merged).items() if name not in signs_of_life}
    assert other == {
        "user": "me",
        "password": "secret",
        "host": "db.example",
        "port": "5433",
        "dbname": "dossier",
        "sslmode": "require",
        "options": "-c timezone=UTC -c tcp_keepalives_idle=5s -c tcp_keepalives_interval=2s -c tcp_keepalives_count=4"
        " -c tcp_user_timeout=13s -c role=dossier_reader",
        "application_name": "dossier_reader",
        "connect_timeout": "10",
        "tcp_user_timeout": "13000",
    }


def test_what_the_conninfo_says_about_signs_of_life_is_kept() -> None:
    merged = conninfo_to_dict(role_conninfo("host=db.example keepalives_idle=60", "dossier_reader"))
    assert (merged["keepalives_idle"], merged["keepalives_interval"]) == ("60", "2")


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


def test_over_tcp_both_ends_ask_for_signs_of_life(data_dir: Path, tmp_path: Path) -> None:
    who_may_enter = tmp_path / "pg_hba.conf"
    who_may_enter.write_text("local all all trust\nhost all all 127.0.0.0/8 trust\n")
    address = ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])  # of our own: the port is given
    settings = {"listen_addresses": address, "hba_file": str(who_may_enter)}
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    with EmbeddedPostgres(data_dir, fsync=False, settings=settings) as server:
        migrate(server.conninfo())
        with (
            connect(server.conninfo(host=address), "dossier_reader") as connection,
            socket.socket(fileno=os.dup(connection.fileno())) as ours,
        ):
            assert [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [5, 2, 4, 13_000]
            names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
            assert [setting(connection, name) for name in names] == ["5", "2", "4", "13000"]


def test_a_turn_is_lost_by_a_holder_that_says_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.pool._TURN_LOST_SECONDS", 1)
    with connect(database, "dossier_sealer") as next_one, connect_for_turn(database, "dossier_sealer") as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        next_one.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(psycopg.errors.IdleSessionTimeout):
            holder.execute("SELECT 1")


def test_a_turn_is_lost_within_a_transaction_too(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.pool._TURN_LOST_SECONDS", 1)
    with connect(database, "dossier_sealer") as next_one, connect_for_turn(database, "dossier_sealer") as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        holder.execute("BEGIN")
        next_one.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            holder.execute("SELECT 1")
