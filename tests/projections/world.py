"""A service without HTTP: what was recorded goes through the ledger, the sealer and the runner into read models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection

from db.pool import role_conninfo, sync_pool
from domain.events import RecordedEvent
from ledger.application import Ledger
from ledger.codec import subjects_of
from ledger.kek import FileKek
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.sealer import Sealer
from ledger.statements import Statement
from projections.projection import Projection
from projections.runner import EVERY_PROJECTION, Runner

KEK_TEXT = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

Answer = TypeVar("Answer")


@dataclass
class World:
    """`record` and `seal` put events into the log, `runner` makes what follows it, `read` asks."""

    conninfo: str
    keys: KeyStore
    ledger: Ledger
    sealer: Sealer
    projector_pool: Pool

    def record(self, events: Iterable[RecordedEvent], *, inline: Sequence[Statement] = ()) -> None:
        recorded = list(events)
        self.keys.ensure({subject for event in recorded for subject in subjects_of(event)})
        self.ledger.save(*recorded, inline=inline)

    def seal(self) -> None:
        while self.sealer.seal_once():
            pass

    def sealed(self) -> int:
        """The position of the last event in the log."""
        with psycopg.connect(self.conninfo) as connection:
            ((position,),) = connection.execute("SELECT coalesce(max(idx) + 1, 0) FROM ledger.log").fetchall()
        return int(position)

    @contextmanager
    def runner(self, projections: Sequence[Projection] = EVERY_PROJECTION, *, batch: int = 1000) -> Iterator[Runner]:
        projector_keys = KeyStore(self.projector_pool, FileKek.from_text(KEK_TEXT))
        runner = Runner(self.conninfo, self.projector_pool, projector_keys, projections, batch=batch)
        try:
            yield runner
        finally:
            runner.close()

    def project(self, *events: RecordedEvent, batch: int = 1000) -> None:
        """Record, seal and project."""
        self.record(events)
        self.seal()
        with self.runner(batch=batch) as runner:
            runner.catch_up()

    def read(self, ask: Callable[[AsyncConnection[Any]], Awaitable[Answer]]) -> Answer:
        async def answer() -> Answer:
            conninfo = role_conninfo(self.conninfo, "dossier_reader")
            async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
                return await ask(connection)

        return asyncio.run(answer())


@contextmanager
def a_world(conninfo: str) -> Iterator[World]:
    with (
        sync_pool(conninfo, "dossier_app", min_size=2, max_size=2, autocommit=True) as pool,
        sync_pool(conninfo, "dossier_projector", min_size=2, max_size=2, autocommit=True) as projector_pool,
    ):
        # A pool's threads draw from `random` for each connection they open, which hypothesis takes for its own.
        pool.wait()
        projector_pool.wait()
        keys = KeyStore(pool, FileKek.from_text(KEK_TEXT))
        sealer = Sealer(conninfo)
        try:
            yield World(conninfo, keys, Ledger(pool, keys), sealer, projector_pool)
        finally:
            sealer.close()
