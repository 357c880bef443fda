"""What tests of the signer share: a log to sign, a signer for it, and what it gave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from db.pool import connect
from ledger.checkpoint import Checkpoint, opened
from ledger.notes import SigningKey
from ledger.refusal_file import RefusalFile
from ledger.sealer import Sealer
from ledger.signer import Signer
from ledger.signer_memory import SignerMemory
from tests.damages import disarm
from tests.ledger.sealing import Clock, append, seal_all

KEY: Final = SigningKey("dossier.test/log", bytes(range(32)))
OTHER_KEY: Final = SigningKey("dossier.test/other", bytes(range(1, 33)))


_GROW: Final = """
WITH made AS (
    INSERT INTO ledger.event (stream, version, type, entry)
    SELECT gen_random_uuid(), 0, 'type', convert_to(format('{"entry":%%s}', number), 'UTF8')
    FROM generate_series(1, %(number)s) AS number
    RETURNING stream
)
INSERT INTO ledger.unsealed (stream, version, recorded_at) SELECT stream, 0, clock_timestamp() FROM made
"""


@dataclass
class Signing:
    """A log, and a signer that signs when a test says so."""

    database: str
    folder: Path
    key: SigningKey = KEY
    most_leaves: int = 20_000
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.memory = SignerMemory(self.path, self.key.verifier)
        self.refusals = RefusalFile(self.path)
        self.signer = self.another()
        self._sealer = Sealer(self.database)

    @property
    def path(self) -> Path:
        """The memory's file."""
        return self.folder / "signer" / "signed"

    def another(self, key: SigningKey | None = None) -> Signer:
        """A signer of the same log with the same memory, unless its key is another."""
        key = key or self.key
        memory = SignerMemory(self.path, key.verifier)
        return Signer(self.database, key, memory, self.refusals, clock=self.clock, most_leaves=self.most_leaves)

    def grow(self, *entries: bytes) -> None:
        """Record and seal entries."""
        with connect(self.database, "dossier_app") as connection:
            for entry in entries:
                append(connection, _stream_of(connection), 0, entry=entry)
        self.seal()

    def seal(self) -> None:
        seal_all(self._sealer)
        self._sealer.tick()

    def grow_by(self, number: int) -> None:
        """Record and seal that many entries, in one statement."""
        with psycopg.connect(self.database) as connection:
            connection.execute(_GROW, {"number": number})
        self.seal()

    def restart_sealer(self) -> None:
        """A sealer that knows nothing but what is stored."""
        self._sealer.close()
        self._sealer = Sealer(self.database)

    def sign(self) -> Checkpoint:
        """Let the signer look once; what was given out last."""
        self.signer.sign_once()
        return opened(self.notes()[-1].encode(), [self.key.verifier])

    def compare(self) -> None:
        """Let the signer look after a time at which it compares even a log that has not grown."""
        self.clock.now += 3600
        self.signer.sign_once()

    def notes(self) -> list[str]:
        return [note for (note,) in self.rows("SELECT note FROM ledger.signature ORDER BY size")]

    def signed_size(self) -> int:
        """Of the newest note; -1 when there is none."""
        ((size,),) = self.rows("SELECT coalesce(max(size), -1) FROM ledger.signature")
        return int(size)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def attack(self, *statements: str) -> None:
        """Run statements as a superuser in whose way no trigger stands."""
        with psycopg.connect(self.database) as connection:
            disarm(connection)
            for statement in statements:
                connection.execute(statement.encode())

    def close(self) -> None:
        self.signer.close()
        self._sealer.close()


def numbered(size: int, begin: int = 0) -> Sequence[bytes]:
    """As many entries, each another."""
    return [b'{"entry":%d}' % number for number in range(begin, begin + size)]


def _stream_of(connection: psycopg.Connection[Any]) -> UUID:
    ((stream,),) = connection.execute("SELECT gen_random_uuid()").fetchall()
    assert isinstance(stream, UUID)
    return stream
