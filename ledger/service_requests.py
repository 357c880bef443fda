"""Requests about the service's own streams that took effect, by idempotency key: in the table that customers' are in.

The code of a request is keyed with the key of the records, which outlives every erasure. What must stay true: a key is
remembered in the transaction of the event that was recorded under it, so that whoever repeats it is told of that event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from db import arrays
from db.queries import load
from domain.errors import FieldError, IdempotencyKeyReuse
from domain.events.privacy import RECORDS_SUBJECT
from ledger import request_mac
from ledger.errors import translated
from ledger.idempotency import Earlier
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.statements import Joinable, Statement

_QUERIES: Final = load("ledger", "records.sql")


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """Under which key, by whom, and what: `digest` is the SHA-256 of method, path and body."""

    key: str
    actor: str
    digest: bytes


class ServiceRequests:
    """Safe to use from several threads. Everything blocks."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._keys = keys

    def version_of(self, request: ServiceRequest, stream: UUID) -> int | None:
        """The version of `stream` that this request led to; None when its key is new.

        Raises IdempotencyKeyReuse when the key was another request's.
        """
        query, columns = Statement(_QUERIES["earlier"], {"keys": arrays.texts([request.key])})
        with translated(), self._pool.connection() as connection:
            row = connection.execute(query, columns).fetchone()
        if row is None:
            return None
        earlier = Earlier(*row[1:])
        is_same = request_mac.equal(self._code(request), earlier.mac)
        if not is_same or (earlier.actor, earlier.stream) != (request.actor, stream):
            raise IdempotencyKeyReuse(
                "this key already belongs to another request",
                FieldError("Idempotency-Key", "was used by somebody else or with another body"),
            )
        return earlier.first_version

    def remember(self, request: ServiceRequest, stream: UUID, version: int) -> Statement:
        """The statement that remembers it, for the transaction of its event."""
        columns = {
            "keys": arrays.texts([request.key]),
            "actors": arrays.texts([request.actor]),
            "macs": arrays.byteas([self._code(request)]),
            "key_streams": arrays.uuids([stream]),
            "first_versions": arrays.bigints([version]),
            "last_versions": arrays.bigints([version]),
            "statuses": arrays.smallints([201 if version == 1 else 200]),
            "answered_versions": arrays.bigints([version]),
            "masked": arrays.jsonbs([None]),
        }
        return Joinable(_QUERIES["remember"], columns)

    def _code(self, request: ServiceRequest) -> bytes:
        self._keys.ensure([RECORDS_SUBJECT])
        return request_mac.of(self._keys.load([RECORDS_SUBJECT])[RECORDS_SUBJECT], request.digest)
