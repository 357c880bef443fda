"""What can be done to the requests that are remembered by their idempotency keys."""

from __future__ import annotations

from typing import Final

from tests.damages import Damage
from tests.told import ACME, BETA, place

REQUESTS: Final = (
    Damage(
        "a request is forgotten", "DELETE FROM ledger.idempotency WHERE key = 'second'", "idempotency", place(ACME, 8)
    ),
    Damage(
        "a request has another key",
        "UPDATE ledger.idempotency SET key = 'other' WHERE key = 'second'",
        "idempotency",
        place(ACME, 8),
    ),
    Damage(
        "two requests exchanged their keys",
        "UPDATE ledger.idempotency SET (stream, first_version, last_version) = (SELECT %(beta)s::uuid, 6, 6"
        " WHERE key = 'second' UNION ALL SELECT %(acme)s, 8, 8 WHERE key = 'third') WHERE key <> 'first'",
        "idempotency",
        place(BETA, 6),
    ),
    Damage(
        "a request is another customer's",
        "UPDATE ledger.idempotency SET stream = %(beta)s WHERE key = 'second'",
        "idempotency",
        f"stream {BETA} version 8",
    ),
    Damage(
        "a request is nobody's",
        "UPDATE ledger.idempotency SET stream = '00000000-0000-7000-8000-00000000000c' WHERE key = 'third'",
        "idempotency",
        "stream 00000000-0000-7000-8000-00000000000c version 6",
    ),
    Damage(
        "a request has an event more",
        "UPDATE ledger.idempotency SET last_version = 7 WHERE key = 'first'",
        "idempotency",
        place(ACME, 1),
    ),
    Damage(
        "a request has events without end",
        "UPDATE ledger.idempotency SET last_version = 9223372036854775807 WHERE key = 'first'",
        "idempotency",
        place(ACME, 1),
    ),
    Damage(
        "a request has an event less",
        "UPDATE ledger.idempotency SET first_version = 2, status = 200 WHERE key = 'first'",
        "idempotency",
        place(ACME, 1),
    ),
    Damage(
        "a request is another actor's",
        "UPDATE ledger.idempotency SET actor = 'u-119' WHERE key = 'third'",
        "idempotency",
        place(BETA, 6),
    ),
    Damage(
        "a request was answered otherwise",
        "UPDATE ledger.idempotency SET status = 200 WHERE key = 'first'",
        "idempotency",
        place(ACME, 1),
    ),
    Damage(
        "a request was answered with a version to come",
        "UPDATE ledger.idempotency SET profile_version = 9 WHERE key = 'second'",
        "idempotency",
        place(ACME, 8),
    ),
    Damage(
        "a request's code is cut short",
        "UPDATE ledger.idempotency SET request_mac = substr(request_mac, 2) WHERE key = 'third'",
        "idempotency",
        place(BETA, 6),
    ),
)
