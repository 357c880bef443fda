"""History rewritten by somebody who has everything but what lies outside: other content, and all that follows from it.

Written beside the service's own sealer: what comes out fits together because of the formats.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from ledger import codec
from ledger.checkpoint import Checkpoint
from ledger.frame import framed, unframed
from ledger.merkle import Frontier, leaf_hash
from ledger.notes import SigningKey, new_note
from ledger.snapshot_keys import SnapshotKeys
from tests.damages import disarm
from tests.ledger.writing import KEK
from tests.told import ACME

REWRITTEN: Final = 6
"""The log index of ACME's version 7, the first to give an attribute."""


def rewrite(boss: Connection[Any], *, thief: SigningKey | None = None) -> None:
    """Let ACME's attribute have had another value all along; a thief signs that as well."""
    disarm(boss)
    _tell_otherwise(boss, ACME, 7)
    reseal(boss, thief=thief)


def _tell_otherwise(boss: Connection[Any], customer: UUID, version: int) -> None:
    place = {"stream": customer, "version": version}
    ((name, entry),) = boss.execute(
        "SELECT type, entry FROM ledger.event WHERE stream = %(stream)s AND version = %(version)s", place
    ).fetchall()
    parts = boss.execute(
        "SELECT part, ct FROM ledger.payload WHERE stream = %(stream)s AND version = %(version)s ORDER BY part", place
    ).fetchall()
    keys = SnapshotKeys(boss, KEK)
    keys.hold([customer])
    event = codec.decode(StoredEvent(customer, version, name, framed(entry, parts)), keys)
    payload = event.payload.model_copy(update={"value": 1_000_000})
    told = unframed(codec.encode(replace(event, payload=payload), keys).state)
    boss.execute(
        "UPDATE ledger.event SET entry = %(entry)s WHERE stream = %(stream)s AND version = %(version)s",
        {**place, "entry": told.entry},
    )
    for part, ciphertext in told.parts:
        boss.execute(
            "UPDATE ledger.payload SET ct = %(ct)s"
            " WHERE stream = %(stream)s AND version = %(version)s AND part = %(part)s",
            {**place, "part": part, "ct": ciphertext},
        )


def reseal(boss: Connection[Any], *, thief: SigningKey | None = None) -> None:
    """Compute every hash, node and root anew from the entries; without the key, notes can only be taken away."""
    leaves = [
        leaf_hash(entry)
        for (entry,) in boss.execute(
            "SELECT entry FROM ledger.log JOIN ledger.event USING (stream, version) ORDER BY idx"
        )
    ]
    roots, tree = [Frontier().root], Frontier()
    boss.execute("DELETE FROM ledger.node")
    for idx, leaf in enumerate(leaves):
        boss.execute("UPDATE ledger.log SET hash = %s WHERE idx = %s", [leaf, idx])
        for node in tree.append(leaf):
            boss.execute("INSERT INTO ledger.node VALUES (%s, %s, %s)", [*node])
        roots.append(tree.root)
    for (size,) in boss.execute("SELECT DISTINCT size FROM ledger.checkpoint").fetchall():
        boss.execute("UPDATE ledger.checkpoint SET root = %s WHERE size = %s", [roots[size], size])
    if thief is None:
        boss.execute("DELETE FROM ledger.signature")
        return
    for (size,) in boss.execute("SELECT size FROM ledger.signature").fetchall():
        note = bytes(new_note(Checkpoint(thief.name, size, roots[size]).text, thief)).decode()
        boss.execute("UPDATE ledger.signature SET note = %s WHERE size = %s", [note, size])
