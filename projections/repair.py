"""Puts right, in place and customer by customer, what is written with the events: profiles and identifiers.

Writers go on meanwhile. What must stay true: a profile row is locked only while it is held against a fold that was
made before, so a writer waits for moments; nobody is robbed of an identifier; and what was put right is looked at
once more, because an order that was decided on a broken row just before may have written what follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from psycopg import Connection, errors

from db.pool import connect, sync_pool
from db.queries import load
from domain.file import CustomerFile
from ledger.application import Ledger
from ledger.kek import KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.pool import pool_of_keys
from ledger.statements import FileChange
from ledger.verify import keys_at, one_moment
from projections.comparison import compare
from projections.differences import Difference, IdentifierRow, ProfileRow, identifier_differences, profile_differences
from projections.identifiers import recording_version
from projections.profile import ProfileView

_QUERIES: Final = load("projections", "repair.sql")
_ROUNDS: Final = 5
_PAUSE_SECONDS: Final = 0.5
"""Longer than an order takes from reading a file to saving it."""

_Claim = tuple[str, str]


def repair(
    conninfo: str,
    kek: KeyEncryptionKey,
    customer_ids: Collection[UUID],
    names: Collection[str],
    *,
    keys_conninfo: str | None = None,
) -> list[Difference]:
    """Put the rows of customers right in the tables of these names; what could not be put right.

    `keys_conninfo` names the data keys' own database, if they have one. Raises UnreadableEvent, or psycopg.Error; the
    customers before are then put right.
    """
    wrong, remaining, before = sorted(customer_ids), list[Difference](), None
    for _ in range(_ROUNDS):
        if not wrong or remaining == before:
            break
        before = remaining
        with _repairs(conninfo, kek, keys_conninfo) as repairs:
            repairs.run(wrong, names)
        time.sleep(_PAUSE_SECONDS)
        found = _differences(conninfo, kek, keys_conninfo, wrong, names)
        remaining = [repairs.told(difference) for difference in found]
        wrong = sorted({difference.customer_id for difference in remaining})
    return remaining


def _differences(
    conninfo: str, kek: KeyEncryptionKey, keys_conninfo: str | None, customer_ids: list[UUID], names: Collection[str]
) -> Iterator[Difference]:
    with one_moment(conninfo) as moment, keys_at(moment, kek, keys_conninfo) as keys:
        for compared in compare(moment, keys, names, customer_ids=customer_ids):
            yield from compared.differences


@contextmanager
def _repairs(conninfo: str, kek: KeyEncryptionKey, keys_conninfo: str | None) -> Iterator[_Repairs]:
    with (
        connect(conninfo, "dossier_app", autocommit=True) as connection,
        sync_pool(conninfo, "dossier_projector", min_size=1, max_size=1, autocommit=True) as pool,
        pool_of_keys(keys_conninfo, "dossier_projector", pool) as keys,
    ):
        yield _Repairs(connection, Ledger(pool, KeyStore(keys, kek)))


class _Repairs:
    """One round, in the role and with the patience of a writer; streams are read with more of it."""

    def __init__(self, connection: Connection[Any], ledger: Ledger) -> None:
        self._connection = connection
        self._ledger = ledger
        self._held_by_others: set[tuple[UUID, str]] = set()

    def run(self, customer_ids: Iterable[UUID], names: Collection[str]) -> None:
        """Identifiers that are held wrongly first: they are free before their owner's turn comes."""
        steps = [("identifier", self._release), ("identifier", self._claim), ("profile", self._put_profile_right)]
        for name, step in steps:
            for customer_id in customer_ids if name in names else ():
                # A writer was in the way; there is another round.
                with suppress(errors.QueryCanceled, errors.DeadlockDetected):
                    step(customer_id)

    def told(self, difference: Difference) -> Difference:
        """The difference, with what is known of why it is still there."""
        if (difference.customer_id, difference.key) in self._held_by_others:
            return replace(difference, detail="is missing, and another customer holds it by now")
        return difference

    def _release(self, customer_id: UUID) -> None:
        file = self._folded(customer_id)
        if surplus := sorted({(row.scheme, row.value) for row in self._held(customer_id)} - file.claims()):
            self._connection.execute(_QUERIES["release"], {"customer_id": customer_id, **_columns(surplus)})

    def _claim(self, customer_id: UUID) -> None:
        events = self._ledger.history(customer_id)
        file = CustomerFile.folded(customer_id, events)
        wrong = identifier_differences(customer_id, file, events, self._held(customer_id))
        keys = {difference.key for difference in wrong}
        for claim in sorted(file.claims()):
            if ":".join(claim) in keys:
                version = {"versions": [recording_version(file, *claim)]}
                parameters = {"customer_id": customer_id, **_columns([claim]), **version}
                if not self._connection.execute(_QUERIES["claim"], parameters).rowcount:
                    self._held_by_others.add((customer_id, ":".join(claim)))

    def _put_profile_right(self, customer_id: UUID) -> None:
        file = self._folded(customer_id)
        with self._connection.transaction():
            row = self._locked(customer_id)
            for event in self._ledger.history(customer_id, gt=file.version):
                file.advance(event.envelope.recorded_at)
                file.apply(event)
            known = file if file.version else None
            if not any(profile_differences(customer_id, known, row)):
                return
            if known is None:
                self._connection.execute(_QUERIES["delete_profile"], {"customer_id": customer_id})
            else:
                for statement in ProfileView().statements([FileChange(None, file)]):
                    self._connection.execute(statement.sql, statement.params)

    def _folded(self, customer_id: UUID) -> CustomerFile:
        return CustomerFile.folded(customer_id, self._ledger.history(customer_id))

    def _held(self, customer_id: UUID) -> list[IdentifierRow]:
        rows = self._connection.execute(_QUERIES["held"], {"customer_id": customer_id}).fetchall()
        return [IdentifierRow(*row) for row in rows]

    def _locked(self, customer_id: UUID) -> ProfileRow | None:
        with self._connection.cursor(binary=True) as cursor:
            row = cursor.execute(_QUERIES["lock_profile"], {"customer_id": customer_id}).fetchone()
        return None if row is None else ProfileRow(*row)


def _columns(claims: Iterable[_Claim]) -> dict[str, list[str]]:
    schemes, values = zip(*claims, strict=True)
    return {"schemes": list(schemes), "values": list(values)}
