"""A real log with three customers that was sealed, signed, scrubbed and taken home, and what each guard says of it.

Whoever attacks it is a superuser of PostgreSQL. What he does not have lies in `outside`: the signer's memory and the
scrubber's record, and the notes that an auditor took home.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection

from db.pool import connect
from domain.decisions.classification import RecordAttribute
from ledger.believed import believed
from ledger.errors import LedgerError
from ledger.evidence import Asked, Disclosure, write_pack
from ledger.log_errors import LogRefused
from ledger.publishing import publish
from ledger.scrub_record import ScrubRecord
from ledger.scrubber import Scrubber
from ledger.snapshot_keys import SnapshotKeys
from ledger.verify import extent_of, one_moment, verify_evidence
from ledger.verify_against import against_findings
from tests.damages import disarm
from tests.ledger.forge import Files, audited
from tests.ledger.signing import KEY, Signing
from tests.ledger.writing import KEK, order, registration, write_path
from tests.told import ACME, tell

CORP: Final = UUID("00000000-0000-7000-8000-00000000000c")
"""Versions 1 to 305 at log indices 15 to 319, so that the tree has a node."""
EARLY: Final = 15
"""The size of the log when the auditor took the first note home."""
SIZE: Final = 320


def found_world(database: str, outside: Path) -> None:
    """Tell it, sign it at two sizes, scrub it once."""
    tell(database)
    with closing(Signing(database, outside)) as signing:
        signing.sign()
        with write_path(database) as path:
            path.accept(registration("Corp", customer_id=CORP))
            for begin in range(0, 300, 50):
                path.accept(order(CORP, *(RecordAttribute(key=f"n{n}", value=n) for n in range(begin, begin + 50))))
        signing.seal()
        assert signing.sign().size == SIZE
    world = World(database, outside)
    assert world.scrubber() is None


@dataclass(frozen=True)
class World:
    database: str
    outside: Path

    def attack(self, *statements: str) -> None:
        """Run statements as a superuser in whose way no trigger stands; each must change something."""
        with psycopg.connect(self.database) as connection:
            disarm(connection)
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount != 0, statement

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def kept(self, size: int) -> bytes:
        """The note of a size, as it was given out."""
        ((note,),) = self.rows(f"SELECT note FROM ledger.signature WHERE size = {size}")
        return bytes(note, "utf-8")

    @contextmanager
    def signing(self) -> Iterator[Signing]:
        """Sealer and signer at work, the signer with the memory that is outside."""
        with closing(Signing(self.database, self.outside)) as signing:
            yield signing

    # --- what the guards say ------------------------------------------------------------------------------------------

    def verifier(self) -> dict[str, list[str]]:
        """What `dossier verify` finds of the evidence: places by check."""
        told: dict[str, list[str]] = {}
        with one_moment(self.database) as connection:
            for finding in verify_evidence(connection, SnapshotKeys(connection, KEK)):
                told.setdefault(finding.check, []).append(finding.place)
        return told

    def auditor(self, note: bytes) -> str | None:
        """What `dossier verify --against` says of a note that was taken home."""
        with one_moment(self.database) as connection:
            size = extent_of(connection).positions
            findings = list(against_findings(connection, believed(note, [KEY.verifier]), size))
        return findings[0].detail if findings else None

    def signer(self) -> tuple[str, int | None] | None:
        """Why the signer refuses, and from which index on."""
        with self.signing() as signing:
            return _refusal(signing.compare)

    def publisher(self, folder: Path) -> tuple[str, int | None] | None:
        """Why `dossier log publish` refuses, into a folder that may hold what was published before."""

        def to_folder(connection: Connection[Any]) -> None:
            publish(connection, folder, KEY.verifier)

        with connect(self.database, "dossier_reader", autocommit=True) as connection:
            return _refusal(lambda: to_folder(connection))

    def scrubber(self) -> tuple[str, int | None] | None:
        """Check and index of the first finding of a lap."""
        record = ScrubRecord.of(self.outside)
        with closing(Scrubber(self.database, record, events_per_second=1_000_000, lap_seconds=0)) as scrubber:
            while True:
                step = scrubber.step()
                if step.findings:
                    return step.findings[0].check, step.findings[0].index
                if step.is_lap:
                    return None

    def pack(self, kept: bytes) -> dict[str, str] | str:
        """What `verify.py` says of an evidence pack for whoever has the key and a note; why there is none, if so."""
        try:
            files = self.packed(kept)
        except LedgerError as error:
            return type(error).__name__
        faults = audited(files, keys=[str(KEY.verifier)], kept=kept).findings.faults
        return {place: finding.verdict.name for place, finding in faults.items()}

    def packed(self, earlier: bytes, customer: UUID = ACME) -> Files:
        file = io.BytesIO()
        with write_path(self.database) as path, one_moment(self.database) as connection:
            write_pack(connection, path.keys, [KEY.verifier], Asked(customer, Disclosure(), earlier), file)
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _refusal(act: Any) -> tuple[str, int | None] | None:
    try:
        act()
    except LogRefused as refusal:
        return refusal.reason, refusal.idx
    return None
