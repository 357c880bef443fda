"""What every yardstick works in: how often and how long it measures, a folder, and a PostgreSQL server of its own."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.fixture import Filling, fill, form
from db.embedded import EmbeddedPostgres
from db.migrate import migrate

SERVER_SETTINGS = {"max_connections": "200", "autovacuum_naptime": "5s"}
"""Beyond the product's own settings. fsync and synchronous_commit stay on."""

_LENT: Final = "bench_"
_FIXTURE: Final = "fixture_"


@dataclass(frozen=True)
class Size:
    """How much is stored while something is measured."""

    customers: int
    many_events: int
    """As many as a yardstick about growth has."""
    portfolios: tuple[int, ...]
    """How many customers there are where all are asked about, one after the other."""
    log: int
    """How long a log is in which something is proved."""


SIZES: Final = {
    "default": Size(100_000, 1_000_000, (10_000, 100_000), 1_000_000),
    "full": Size(100_000, 5_000_000, (10_000, 100_000, 1_000_000), 10_000_000),
    "smoke": Size(50, 500, (50, 100), 5_000),
}


@dataclass
class Surroundings:
    """Shared by the yardsticks of a run. `folder` goes away after it, `cache` stays for the next."""

    folder: Path
    cache: Path
    rounds: int = 3
    seconds: float = 3.0
    """How long one side of one round is measured."""
    size: Size = SIZES["default"]
    is_smoke: bool = False
    given: str | None = None
    """How to connect as administrator to a server that is there already; None: an own one in the cache."""
    fixture_seconds: float = 0.0
    """How long the making of fixtures took, which is no part of measuring."""
    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def conninfo(self) -> str:
        """The server that both sides of a comparison use, as its administrator; an own one starts when first asked for.

        Raises EmbeddedPostgresError.
        """
        if self.given is not None:
            return self.given
        server = self.stack.enter_context(EmbeddedPostgres(self.cache, settings=SERVER_SETTINGS))
        _remove_leftovers(server.conninfo())
        return server.conninfo()

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Lend an empty database on the server, dropped afterwards."""
        with self._copy_of("template0") as conninfo:
            if migrated:
                migrate(conninfo)
            yield conninfo

    @contextmanager
    def filled(self, *fillings: Filling) -> Iterator[str]:
        """Lend a copy of a database with those customers, read models included; the first time it is made.

        On a given server nothing is kept, so it is made every time.
        """
        if self.given is None:
            with self._copy_of(self._fixture(fillings)) as conninfo:
                yield conninfo
        else:
            with self.database() as conninfo:
                fill(conninfo, fillings)
                yield conninfo

    def _fixture(self, fillings: Sequence[Filling]) -> str:
        name = f"{_FIXTURE}{form()}_{hashlib.sha256(repr(fillings).encode()).hexdigest()[:12]}"
        if name in _databases(self.conninfo):
            return name
        self.say(f"making a fixture, kept for the next run: {', '.join(map(str, fillings))}")
        started = time.monotonic()
        with self.database() as conninfo:
            fill(conninfo, fillings)
            made = str(conninfo_to_dict(conninfo)["dbname"])
            _administer(self.conninfo, "ALTER DATABASE {} RENAME TO {}", made, name)
        self.fixture_seconds += time.monotonic() - started
        return name

    @contextmanager
    def _copy_of(self, template: str) -> Iterator[str]:
        name = f"{_LENT}{uuid4().hex}"
        _administer(self.conninfo, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        try:
            yield make_conninfo(self.conninfo, dbname=name)
        finally:
            _administer(self.conninfo, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def say(self, text: str) -> None:
        """Tell whoever watches what is going on."""
        sys.stderr.write(f"  {text}\n")


def _remove_leftovers(conninfo: str) -> None:
    """Drop what a killed run left, and fixtures that would be made otherwise today."""
    for name in _databases(conninfo):
        if name.startswith(_LENT) or (name.startswith(_FIXTURE) and not name.startswith(f"{_FIXTURE}{form()}_")):
            _administer(conninfo, "DROP DATABASE {} WITH (FORCE)", name)


def _databases(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        return [name for (name,) in connection.execute("SELECT datname FROM pg_database")]


def _administer(conninfo: str, statement: str, *names: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
