"""What every yardstick works in: how often and how long it measures, a folder, and a PostgreSQL server of its own."""

from __future__ import annotations

import sys
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

from bench.fixture import Filling, fill, rebuild_read_models
from db.embedded import EmbeddedPostgres
from db.migrate import migrate

SERVER_SETTINGS = {"max_connections": "200", "autovacuum_naptime": "5s"}
"""Beyond the product's own settings. fsync and synchronous_commit stay on."""


@dataclass(frozen=True)
class Size:
    """How much is stored while something is measured."""

    customers: int
    events: int
    many_events: int
    """Of which a yardstick about growth has that many."""


SIZES: Final = {
    "default": Size(100_000, 1_000_000, 1_000_000),
    "full": Size(1_000_000, 10_000_000, 5_000_000),
    "smoke": Size(50, 500, 500),
}


@dataclass
class Surroundings:
    """Shared by the yardsticks of a run. `folder` goes away after it, `cache` stays for the next."""

    folder: Path
    cache: Path
    rounds: int = 3
    seconds: float = 5.0
    """How long one side of one round is measured."""
    size: Size = SIZES["default"]
    is_smoke: bool = False
    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def server(self) -> EmbeddedPostgres:
        """The server that both sides of a comparison use, started when first asked for; its fixtures stay."""
        return self.stack.enter_context(EmbeddedPostgres(self.cache, settings=SERVER_SETTINGS))

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Lend an empty database on the server, dropped afterwards."""
        with self._copy_of("template0") as conninfo:
            if migrated:
                migrate(conninfo)
            yield conninfo

    @contextmanager
    def filled(self, *fillings: Filling) -> Iterator[str]:
        """Lend a copy of a database with those customers, read models included; the first time it is made."""
        with self._copy_of(self._fixture(fillings)) as conninfo:
            yield conninfo

    def _fixture(self, fillings: Sequence[Filling]) -> str:
        name = "fixture_" + "_".join(filling.digest for filling in fillings)
        if self._exists(name):
            return name
        self.say(f"making a fixture: {', '.join(map(str, fillings))}; kept for the next run")
        with self.database() as conninfo:
            fill(conninfo, fillings)
            rebuild_read_models(conninfo)
            made = str(conninfo_to_dict(conninfo)["dbname"])
            self._administer("ALTER DATABASE {} RENAME TO {}", made, name)
        return name

    @contextmanager
    def _copy_of(self, template: str) -> Iterator[str]:
        name = f"bench_{uuid4().hex}"
        self._administer("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        try:
            yield make_conninfo(self.server.conninfo(), dbname=name)
        finally:
            self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.server.conninfo()) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            return found.fetchone() is not None

    def say(self, text: str) -> None:
        """Tell whoever watches what is going on."""
        sys.stderr.write(f"  {text}\n")

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
