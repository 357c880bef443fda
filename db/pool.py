"""Connections that act in one role.

Owns how a role is taken: as a startup option of the connection, so that one login serves every role on any server
and no statement runs before the role is in force. Settings that belong to a role are sent the same way, because
ALTER ROLE ... SET applies at login only. What the caller's conninfo brings along as options is kept.

Owns also how the loss of the other end is noticed. A process that is killed has its connections closed by its kernel,
but a host that is switched off or cut off says nothing: each end therefore asks the other's kernel for a sign of life,
and both give up after LOST_SECONDS. With its connection ends what a lost host held: its locks, and its turn as sealer
or runner, which another host can take from then on. Where a kernel answers and nobody behind it does, see patience.py.
"""

from __future__ import annotations

from typing import Final, Literal

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from db.busy_pool import BusyPool
from db.conninfo import with_settings
from db.patience import AnsweringConnection, PatientAsyncConnection, PatientConnection, check, check_async

Role = Literal[
    "dossier_app", "dossier_sealer", "dossier_signer", "dossier_eraser", "dossier_projector", "dossier_reader"
]

_WAIT_SECONDS: Final = 5.0
"""How long a caller waits for a connection before it is told that there is none."""

_RECONNECT_SECONDS: Final = 2.0
"""How long a pool backs off, ever longer, before it begins again: an outage ends for everybody soon after its end."""

LOST_SECONDS: Final = 13
"""How long the other end may be silent, over TCP: 5 s idle, then four unanswered questions, one every 2 s."""

_CONNECT_SECONDS: Final = 10

# What libpq asks of the server's host, unless the conninfo says otherwise. Over a Unix socket all of it means nothing.
_SIGNS_OF_LIFE: Final = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 4,
    "tcp_user_timeout": LOST_SECONDS * 1000,
}
# What the server asks of our host. Its own default would let a lost host hold its locks for more than two hours.
_SIGNS_OF_LIFE_OF_CLIENTS: Final = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": f"{LOST_SECONDS}s",
}

_TURN_LOST_SECONDS: Final = 30
"""Far longer than a batch at work is silent between two statements, and short enough for a follower that is held
still (a stopped process, a machine that is moved) to be relieved by another."""

# The app answers people: what takes longer than this is a fault, and must not hold a row lock meanwhile.
_SETTINGS_OF_ROLE: dict[Role, dict[str, str]] = {
    # Its statements differ in how much they are given, not in what is to be done with it: to plan each anew was a third
    # of what an order that comes alone costs the server.
    "dossier_app": {
        "statement_timeout": "5s",
        "idle_in_transaction_session_timeout": "5s",
        "plan_cache_mode": "force_generic_plan",
    },
    # The queue looks tiny to the planner, which then reads all its dead rows; its index leads past them.
    "dossier_sealer": {"enable_seqscan": "off"},
}
# Shorter than the callers' own patience, so that a statement that is only slow ends on the server as well.
_SETTINGS_OF_ANSWERS: Final = {"statement_timeout": "14s"}


def role_conninfo(conninfo: str, role: Role) -> str:
    """Return the conninfo (keywords or URL) with the role, its settings and UTC added. Raises MalformedConninfo."""
    settings = {"timezone": "UTC", **_SIGNS_OF_LIFE_OF_CLIENTS, **_SETTINGS_OF_ROLE.get(role, {}), "role": role}
    return with_settings(conninfo, settings, application_name=role, defaults=_SIGNS_OF_LIFE)


def connect(conninfo: str, role: Role, *, autocommit: bool = False) -> Connection[TupleRow]:
    """Open one connection in that role."""
    return psycopg.connect(role_conninfo(conninfo, role), autocommit=autocommit)


async def connect_async(conninfo: str, role: Role, *, autocommit: bool = False) -> AsyncConnection[TupleRow]:
    """Do the same for async callers."""
    return await PatientAsyncConnection.connect(role_conninfo(conninfo, role), autocommit=autocommit)


def connect_for_turn(conninfo: str, role: Role) -> Connection[TupleRow]:
    """Open one connection, in autocommit, that is to hold an advisory lock for as long as it lives.

    The server ends it, and frees the lock, when it hears nothing of it for 30 s, within a transaction or without. The
    old holder learns of it at its next statement; what it might still do meanwhile, the holder's own fence must stop.
    """
    connection = PatientConnection.connect(role_conninfo(conninfo, role), autocommit=True)
    for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        connection.execute("SELECT set_config(%s, %s, false)", [setting, f"{_TURN_LOST_SECONDS}s"])
    return connection


def sync_pool(
    conninfo: str, role: Role, *, min_size: int, max_size: int, autocommit: bool = False
) -> ConnectionPool[Connection[TupleRow]]:
    """Make a pool of connections in that role; it is closed until it is opened or entered as a context.

    A connection is checked before it is handed out, so that a restarted server costs no caller an error.
    """
    return ConnectionPool(
        role_conninfo(conninfo, role),
        connection_class=AnsweringConnection if role == "dossier_app" else PatientConnection,
        kwargs={"autocommit": autocommit},
        min_size=min_size,
        max_size=max_size,
        open=False,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        check=check,
        name=role,
    )


def async_pool(
    conninfo: str, role: Role, *, min_size: int, max_size: int, max_waiting: int = 0, autocommit: bool = False
) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
    """Make the same for async callers; it must be opened inside the event loop.

    Raises TooManyRequests to whoever finds `max_waiting` callers waiting (0: any number may), or waits in vain because
    all connections are busy; PoolTimeout when there is none.
    """
    return BusyPool(
        with_settings(role_conninfo(conninfo, role), _SETTINGS_OF_ANSWERS, application_name=role),
        connection_class=PatientAsyncConnection,
        kwargs={"autocommit": autocommit},
        min_size=min_size,
        max_size=max_size,
        max_waiting=max_waiting,
        open=False,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        check=check_async,
        name=role,
    )
