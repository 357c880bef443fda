"""A short history of two customers, told to a database: sealed in four batches with ticks between, and projected.

What the tests of verification damage. Both customers have events with and without an idempotency key. Beta's first
events were recorded before a tick and sealed after it, so that the tick is the time from which they are known.
"""

from __future__ import annotations

from uuid import UUID

from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.sealer import Sealer
from projections.runner import Runner
from tests.ledger.writing import KEK, USCC, attribute, registration, write_path

ACME = UUID("00000000-0000-7000-8000-00000000000a")
"""Versions 1 to 6 at log indices 0 to 5 (key `first`), 7 and 8 at 6 and 7 (8 with key `second`), 9 at 14."""
BETA = UUID("00000000-0000-7000-8000-00000000000b")
"""Versions 1 to 5 at log indices 8 to 12, 6 at 13 (key `third`)."""


def tell(conninfo: str) -> None:
    sealer = Sealer(conninfo)
    with write_path(conninfo) as path:
        path.accept(registration("Acme", USCC, customer_id=ACME, key="first"))
        sealer.seal_once()
        path.accept(attribute(ACME, "n", 1))
        path.accept(attribute(ACME, "n", 2, key="second"))
        sealer.seal_once()
        path.accept(registration("Beta", customer_id=BETA))
        sealer.tick()
        sealer.seal_once()
        path.accept(attribute(BETA, "n", 3, key="third"))
        path.accept(attribute(ACME, "n", 4))
        sealer.seal_once()
        sealer.tick()
    sealer.close()
    settle(conninfo)


def settle(conninfo: str) -> None:
    """Seal what waits, and bring the read models to the end of the log."""
    sealer = Sealer(conninfo)
    while sealer.seal_once():
        pass
    sealer.close()
    with sync_pool(conninfo, "dossier_projector", min_size=1, max_size=2, autocommit=True) as pool:
        runner = Runner(conninfo, pool, KeyStore(pool, KEK))
        runner.catch_up()
        runner.close()


def place(customer: UUID, version: int) -> str:
    """Where a finding says that an event of the history stands."""
    idx = version - 1 if version <= 8 else 14
    if customer == BETA:
        idx = version + 7
    return f"log index {idx} (stream {customer} version {version})"
