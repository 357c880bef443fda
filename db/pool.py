"""Connections that act in one role.

Owns how a role is taken: as a startup option of the connection, so that one login serves every role on any server
and no statement runs before the role is in force. Settings that belong to a role are sent the same way, because
ALTER ROLE ... SET applies at login only. What the caller's conninfo brings along as options is kept.
"""

from __future__ import annotations

from typing import Final, Literal

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from db.conninfo import with_settings

Role = Literal[
    "dossier_app", "dossier_sealer", "dossier_signer", "dossier_eraser", "dossier_projector", "dossier_reader"
]

_WAIT_SECONDS: Final = 5.0
"""How long a caller waits for a connection before it is told that there is none."""

_RECONNECT_SECONDS: Final = 2.0
"""How long a pool backs off, ever longer, before it begins again: an outage ends for everybody soon after its end."""

# The app answers people: what takes longer than this is a fault, and must not hold a row lock meanwhile.
_SETTINGS_OF_ROLE: dict[Role, dict[str, str]] = {
    "dossier_app": {"statement_timeout": "5s", "idle_in_transaction_session_timeout": "5s"},
    # The queue looks tiny to the planner, which then reads all its dead rows; its index leads past them.
    "dossier_sealer": {"enable_seqscan": "off"},
}


def role_conninfo(conninfo: str, role: Role) -> str:
    """Return the conninfo (keywords or URL) with the role, its settings and UTC added. Raises MalformedConninfo."""
    settings = {"timezone": "UTC", **_SETTINGS_OF_ROLE.get(role, {}), "role": role}
    return with_settings(conninfo, settings, application_name=role)


def connect(conninfo: str, role: Role, *, autocommit: bool = False) -> Connection[TupleRow]:
    """Open one connection in that role."""
    return psycopg.connect(role_conninfo(conninfo, role), autocommit=autocommit)


def sync_pool(
    conninfo: str, role: Role, *, min_size: int, max_size: int, autocommit: bool = False
) -> ConnectionPool[Connection[TupleRow]]:
    """Make a pool of connections in that role; it is closed until it is opened or entered as a context.

    A connection is checked before it is handed out, so that a restarted server costs no caller an error.
    """
    return ConnectionPool(
        role_conninfo(conninfo, role),
        connection_class=Connection[TupleRow],
        kwargs={"autocommit": autocommit},
        min_size=min_size,
        max_size=max_size,
        open=False,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        check=ConnectionPool.check_connection,
        name=role,
    )


def async_pool(
    conninfo: str, role: Role, *, min_size: int, max_size: int, autocommit: bool = False
) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
    """Make the same for async callers; it must be opened inside the event loop."""
    return AsyncConnectionPool(
        role_conninfo(conninfo, role),
        connection_class=AsyncConnection[TupleRow],
        kwargs={"autocommit": autocommit},
        min_size=min_size,
        max_size=max_size,
        open=False,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        check=AsyncConnectionPool.check_connection,
        name=role,
    )
