"""Who held an identifier, all along the log."""

from __future__ import annotations

from uuid import UUID

import psycopg

from db.pool import sync_pool
from domain.file import CustomerFile
from ledger.application import Ledger
from ledger.kek import KeyEncryptionKey
from ledger.keys import KeyStore


def assert_one_holder_all_along(conninfo: str, kek: KeyEncryptionKey) -> None:
    """At no position of the log do two files hold one identifier; all of it must be sealed."""
    with sync_pool(conninfo, "dossier_app", min_size=1, max_size=2, autocommit=True) as pool:
        ledger = Ledger(pool, KeyStore(pool, kek))
        with psycopg.connect(conninfo) as connection:
            in_order = connection.execute(
                "SELECT stream, version FROM ledger.log JOIN ledger.event USING (stream, version)"
                " WHERE starts_with(type, 'customer.') ORDER BY idx"
            ).fetchall()
        streams = {stream: ledger.history(stream) for stream in {stream for stream, _ in in_order}}
    files = {stream: CustomerFile.folded(stream, ()) for stream in streams}
    holders: dict[tuple[str, str], UUID] = {}
    for stream, version in in_order:
        file, event = files[stream], streams[stream][version - 1]
        before = file.claims()
        file.advance(event.envelope.recorded_at)
        file.apply(event)
        for claim in before - file.claims():
            del holders[claim]
        for claim in file.claims() - before:
            assert holders.setdefault(claim, stream) == stream, (claim, holders[claim], stream)
