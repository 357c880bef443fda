"""The checker finds what it is there for: each kind of damage makes it fail."""

from __future__ import annotations

import psycopg
import pytest
from uuid_utils.compat import uuid7

from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.sealer import Sealer
from projections.runner import Runner
from tests.checker import check
from tests.ledger.writing import KEK, USCC, attribute, registration, write_path


@pytest.fixture
def told(database: str) -> str:
    """A database with one customer's short history, sealed and projected."""
    customer_id = uuid7()
    with write_path(database) as path:
        path.accept(registration("Acme", USCC, customer_id=customer_id, key="first"))
        path.accept(attribute(customer_id, "n", 1))
        path.accept(attribute(customer_id, "n", 2))
    sealer = Sealer(database)
    sealer.seal_once()
    sealer.close()
    with sync_pool(database, "dossier_projector", min_size=1, max_size=2, autocommit=True) as pool:
        runner = Runner(database, pool, KeyStore(pool, KEK))
        runner.catch_up()
        runner.close()
    check(database, KEK)
    return database


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE read.facts SET value = '3' WHERE value = '2'""",
        """UPDATE read.facts SET valid = tstzrange(lower(valid), lower(valid) + interval '1 microsecond')
           WHERE value = '2'""",
        """DELETE FROM read.facts WHERE slot = '/identity/legal_name'""",
        """DELETE FROM read.changes WHERE slot = '/primary_contact'""",
        """UPDATE read.events SET body = jsonb_set(body, '{actor,id}', '"u-1"') WHERE version = 2""",
        """DELETE FROM read.identifier""",
        """UPDATE read.profile SET version = version + 1""",
        """UPDATE read.profile SET next_boundary = now()""",
        """UPDATE ledger.log SET known_at = known_at + interval '1 second' WHERE idx = 1""",
        """UPDATE ledger.log SET hash = sha256('') WHERE idx = 1""",
        """DELETE FROM ledger.event WHERE version = 2""",
        """UPDATE ledger.event SET type = 'customer.archived' WHERE version = 2""",
        """UPDATE ledger.payload SET ct = set_byte(ct, 3, get_byte(ct, 3) # 1) WHERE version = 2""",
        """DELETE FROM ledger.idempotency""",
        """INSERT INTO ledger.payload SELECT gen_random_uuid(), version, part, ct FROM ledger.payload LIMIT 1""",
    ],
)
def test_the_checker_finds_damage(told: str, damage: str) -> None:
    with psycopg.connect(told) as connection:
        for table in ("event", "payload", "log", "idempotency"):
            connection.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL")
        assert connection.execute(damage.encode()).rowcount
    with pytest.raises(Exception):  # noqa: B017, PT011 - an assertion, or what the codec says of damaged evidence
        check(told, KEK)
