"""Scrubbing: what erasures deleted leaves the files of the databases, of the ledger and of the keys.

    a new epoch of the key  ->  tables rewritten, log dropped  ->  the certificates say since when

What must stay true: an erasure is certified as scrubbed only when it had been carried out, and passed by the read
models, before the scrubbing began, and when nothing of the cluster was left out. Whatever is interrupted is done again
by the next one, from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection

from db.conninfo import with_settings
from db.queries import load
from db.scrub import Scrubbed, scrub
from ledger.errors import KekNotInFile
from ledger.ring import KekRing
from ledger.rotation import rotate, rotating

_QUERIES: Final = load("ledger", "scrubbing.sql")
_SCHEMAS: Final = ("read", "shadow", "keys")
_TABLES: Final = ("ledger.payload",)
"""What erasures delete from. Nothing else of the schema `ledger` ever says anything about a person."""


@dataclass(slots=True)
class Report:
    """What came of a scrubbing.

    `erasures` are certified now; `waiting` ones are not carried out yet, or not everywhere. `kek` wraps from now on;
    None where somebody else has to see to that.
    """

    erasures: int = 0
    waiting: int = 0
    kek: str | None = None
    scrubbed: dict[str, Scrubbed] = field(default_factory=dict)
    """By which database: ledger, keys."""

    @property
    def residues(self) -> list[str]:
        return [residue for each in self.scrubbed.values() for residue in each.residues]


def scrub_erasures(
    conninfo: str,
    ring: KekRing,
    keys_conninfo: str | None = None,
    *,
    patience_seconds: float = 600.0,
    doing: Callable[[str], None] = lambda _: None,
) -> Report:
    """Scrub the database of the ledger and that of the keys, as the login that owns them.

    `keys_conninfo` names the latter if it is another one. Raises a ScrubError, AnotherRotation, KeyEncryptionError,
    OSError or psycopg.Error; run it again then.
    """
    report = Report()
    with psycopg.connect(with_settings(conninfo, {"timezone": "UTC"}, application_name="dossier_scrub")) as owner:
        covered = _covered(owner)
        owner.commit()
        doing("rotating the key that wraps the data keys")
        report.kek = _rotated(keys_conninfo or conninfo, ring)
        report.scrubbed["ledger"] = scrub(
            conninfo, schemas=_SCHEMAS, tables=_TABLES, patience_seconds=patience_seconds, doing=doing
        )
        if keys_conninfo is not None:
            report.scrubbed["keys"] = scrub(
                keys_conninfo, schemas=["keys"], patience_seconds=patience_seconds, doing=doing
            )
        if not report.residues:
            report.erasures = _mark(owner, covered)
        report.waiting = _waiting(owner)
    return report


def _rotated(keys_conninfo: str, ring: KekRing) -> str | None:
    try:
        with rotating(keys_conninfo) as rotation:
            return rotate(rotation, ring).kek
    except KekNotInFile:
        return None


def _covered(owner: Connection[Any]) -> list[tuple[UUID, int]]:
    return owner.execute(_QUERIES["covered"]).fetchall()


def _mark(owner: Connection[Any], covered: list[tuple[UUID, int]]) -> int:
    streams, versions = [stream for stream, _ in covered], [version for _, version in covered]
    return owner.execute(_QUERIES["mark"], {"streams": streams, "versions": versions}).rowcount


def _waiting(owner: Connection[Any]) -> int:
    row = owner.execute(_QUERIES["uncovered"]).fetchone()
    return int(row[0]) if row else 0
