"""One PostgreSQL for a whole test run, however many processes run it, and a database per test.

Owns how the processes of a run share a server: whoever needs one first starts it (or, with
DOSSIER_TEST_DATABASE_URL, uses that one) and migrates a template; the others attach. Each holds the file `users`
locked shared until its last test has run, and who started the server waits for them before ending it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.embedded import EmbeddedPostgres, attach
from db.migrate import migrate

# Each worker process of a run may have a service with all its pools under test.
_SETTINGS = {"max_connections": "300", "shared_buffers": "64MB", "max_wal_size": "256MB", "jit": "off"}


@dataclass(frozen=True)
class TestServer:
    """A server with a migrated template; `conninfo` reaches it as an administrator."""

    __test__ = False

    conninfo: str
    template: str

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """Lend a fresh clone of the template (or of another database) and drop it afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        self.create_database(name, template or self.template)
        try:
            yield make_conninfo(self.conninfo, dbname=name)
        finally:
            self.drop_database(name)

    def create_database(self, name: str, template: str) -> None:
        """Make a database as a copy of another, which nobody may be connected to."""
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, name: str) -> None:
        """Drop a database, throwing out who is connected to it."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def shared_server(run_folder: Path) -> Iterator[TestServer]:
    """Lend the server of this test run; `run_folder` is the same for all its processes and nobody else's."""
    data_dir = run_folder / "postgres"
    template = f"dossier_template_{_digest(run_folder)}"
    with ExitStack() as stack:
        users = stack.enter_context((run_folder / "users").open("w"))
        with _locked(run_folder / "starting"):
            # Before looking for a server: one whose owner is about to end it is then gone when we look.
            fcntl.flock(users, fcntl.LOCK_SH)
            conninfo = os.environ.get("DOSSIER_TEST_DATABASE_URL") or attach(data_dir)
            if conninfo is None:
                embedded = EmbeddedPostgres(data_dir, fsync=False, settings=_SETTINGS)
                stack.callback(shutil.rmtree, data_dir, ignore_errors=True)
                stack.enter_context(embedded)
                conninfo = embedded.conninfo()
            server = TestServer(conninfo, template)
            if _create_template(server):
                stack.callback(_end_template, server, users)
        yield server


def _create_template(server: TestServer) -> bool:
    """Make and migrate the template; False when another process of this run has."""
    with psycopg.connect(server.conninfo) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname = %s", [server.template])
        if found.fetchone() is not None:
            return False
    server.create_database(server.template, "template0")
    migrate(make_conninfo(server.conninfo, dbname=server.template))
    return True


def _end_template(server: TestServer, users: IO[str]) -> None:
    # Ours becomes exclusive when the last of the others has closed its own.
    fcntl.flock(users, fcntl.LOCK_EX)
    server.drop_database(server.template)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(run_folder: Path) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, str(run_folder)).hex[:12]
