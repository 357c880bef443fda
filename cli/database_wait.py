"""Waits at the start for a database that is not there yet: what is started together is not ready together.

What must stay true: the wait is bounded, and says why it waits; a malformed address is not waited for; a request to
stop ends it.
"""

from __future__ import annotations

import time

import psycopg
import typer

from cli.supervisor import StopRequest

_PAUSE_SECONDS = 0.5
_ATTEMPT_SECONDS = 5


def await_database(conninfo: str, seconds: float, request: StopRequest) -> bool:
    """Return True when the server has let us in, False when the request to stop came first.

    Raises psycopg.OperationalError when it still has not after `seconds`, psycopg.ProgrammingError for a malformed
    address at once.
    """
    deadline = time.monotonic() + seconds
    told = ""
    while not request.is_made:
        try:
            psycopg.connect(conninfo, connect_timeout=_ATTEMPT_SECONDS).close()
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise
            reason = " ".join(str(error).split())
            if reason != told:
                typer.echo(f"dossier: waiting up to {seconds:g} s for the database: {reason}", err=True)
                told = reason
        else:
            return True
        request.wait(_PAUSE_SECONDS)
    return False
