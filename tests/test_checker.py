"""Verification and the checker find what they are there for: each kind of damage, where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from psycopg import Connection

from ledger.findings import Finding
from ledger.verify import SnapshotKeys
from projections.verify import verify
from tests.checker import check, check_at_rest, check_independently
from tests.damages import Damage, do, each, undone
from tests.damages.of_read_models import OF_READ_MODELS
from tests.damages.of_requests import REQUESTS
from tests.damages.of_streams import KEYS, PARTS, STREAMS
from tests.damages.of_the_log import CHECKPOINTS, LOG, NODES, QUEUE
from tests.ledger.writing import KEK, USCC
from tests.server import TestServer
from tests.told import tell

EVERY_DAMAGE: Final = (*STREAMS, *PARTS, *KEYS, *QUEUE, *LOG, *NODES, *CHECKPOINTS, *REQUESTS, *OF_READ_MODELS)
ONLY_THE_PRODUCT_LOOKS: Final = frozenset(
    [
        *(damage.title for damage in REQUESTS[-4:]),
        "the newest checkpoints are gone",
        "a checkpoint of new events is later than they",
        "a change has another kind",
        "a profile has another boundary",
    ]
)
"""Damages that nothing but the product's own verification finds."""
SECRETS: Final = ("Acme", "Acne", "Beta", "Zhang San", "13800138000", USCC[1], "second", "third", "u-118", "u-119")


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    """The history of tests/told.py, which no test changes for good."""
    with server.database() as conninfo:
        tell(conninfo)
        check(conninfo, KEK)
        yield conninfo


def found(connection: Connection[Any]) -> list[Finding]:
    return list(verify(connection, SnapshotKeys(connection, KEK)))


@each(EVERY_DAMAGE)
def test_each_damage_is_found_where_it_is(told: str, damage: Damage) -> None:
    with undone(told) as connection:
        do(connection, damage)
        findings = found(connection)
        assert any(finding.place.startswith(damage.place) for finding in findings if finding.check == damage.check)
        assert [secret for secret in SECRETS if secret in repr(findings)] == []
        with pytest.raises(AssertionError):
            check_at_rest(connection, KEK)
        if damage.title not in ONLY_THE_PRODUCT_LOOKS:
            with pytest.raises(Exception):  # noqa: B017, PT011 - an assertion, or what the codec says of the damage
                check_independently(connection, KEK)


def test_the_checker_looks_at_what_is_stored(server: TestServer) -> None:
    with server.database() as conninfo:
        tell(conninfo)
        with psycopg.connect(conninfo) as connection:
            do(connection, OF_READ_MODELS[0])
        with pytest.raises(AssertionError, match=r"^read\.facts: customer .* differs in value"):
            check(conninfo, KEK)


def test_damage_in_one_place_hides_none_in_another(told: str) -> None:
    several = [PARTS[0], KEYS[1], LOG[0], REQUESTS[0], OF_READ_MODELS[2]]
    with undone(told) as connection:
        for damage in several:
            do(connection, damage)
        checks = {finding.check for finding in found(connection)}
    assert checks >= {damage.check for damage in several[:-1]} | {"read models"}
