"""Requests that took effect, by idempotency key: told from reuse (rule I22), answered again, remembered.

Only accepted orders are remembered, in the transaction of their events, and for ever. No answer is kept: it is
rebuilt from the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from db import arrays
from db.queries import load
from domain.errors import FieldError, IdempotencyKeyReuse, Refusal
from domain.file import CustomerFile
from ledger import request_mac
from ledger.application import Ledger
from ledger.keys import KeyStore
from ledger.statements import Joinable, Statement
from ledger.submissions import Receipt, Submission

_QUERIES: Final = load("ledger", "records.sql")


@dataclass(frozen=True, slots=True)
class Earlier:
    """A row of ledger.idempotency: the request that took effect under a key."""

    actor: str
    mac: bytes
    stream: UUID
    first_version: int
    last_version: int
    registered: bool
    profile_version: int
    masked: dict[str, str] | None


class Idempotency:
    """What the write path knows about keys used before."""

    def __init__(self, ledger: Ledger, keys: KeyStore) -> None:
        self._ledger = ledger
        self._keys = keys

    def earlier(self, keys: Sequence[str]) -> Statement:
        """The statement that brings (key, fields of Earlier) of those among `keys` that were used."""
        return Statement(_QUERIES["earlier"], {"keys": arrays.texts(keys)})

    def replay(self, submission: Submission, earlier: Earlier) -> Receipt:
        """The answer given before. Raises IdempotencyKeyReuse for another request."""
        data_key = self._keys.load([earlier.stream]).get(earlier.stream)
        expected = request_mac.of(data_key, submission.digest) if data_key else None
        if earlier.actor != submission.order.actor.id or not request_mac.equal(expected, earlier.mac):
            raise _reused()
        events = self._ledger.history(earlier.stream, gt=earlier.first_version - 1, lte=earlier.last_version)
        return Receipt(
            earlier.stream,
            earlier.registered,
            earlier.profile_version,
            self._revision(earlier),
            tuple(events),
            {int(version): datetime.fromisoformat(at) for version, at in (earlier.masked or {}).items()},
            replayed=True,
            entry_hashes=self._ledger.entry_hashes(earlier.stream, earlier.first_version, earlier.last_version),
        )

    def _revision(self, earlier: Earlier) -> str:
        if earlier.profile_version >= earlier.first_version:
            return f"{earlier.profile_version}.0"
        # It moved nothing that shows, so boundaries may have been passed since what did.
        return CustomerFile.folded(
            earlier.stream, self._ledger.history(earlier.stream, lte=earlier.last_version)
        ).revision

    def statements(self, accepted: Iterable[tuple[Submission, Receipt]]) -> list[Statement]:
        """What remembers the keys of a batch, in their order; the customers' data keys must exist."""
        keyed = sorted(
            (
                (key, submission, receipt)
                for submission, receipt in accepted
                if (key := submission.order.idempotency_key)
            ),
            key=lambda row: row[0],
        )
        if not keyed:
            return []
        data_keys = self._keys.load({receipt.customer_id for _, _, receipt in keyed})
        columns = {
            "keys": arrays.texts([key for key, _, _ in keyed]),
            "actors": arrays.texts([submission.order.actor.id for _, submission, _ in keyed]),
            "macs": arrays.byteas(
                [request_mac.of(data_keys[receipt.customer_id], submission.digest) for _, submission, receipt in keyed]
            ),
            "key_streams": arrays.uuids([receipt.customer_id for _, _, receipt in keyed]),
            "first_versions": arrays.bigints([receipt.events[0].envelope.version for _, _, receipt in keyed]),
            "last_versions": arrays.bigints([receipt.version for _, _, receipt in keyed]),
            "statuses": arrays.smallints([201 if receipt.registered else 200 for _, _, receipt in keyed]),
            "answered_versions": arrays.bigints([receipt.profile_version for _, _, receipt in keyed]),
            "masked": arrays.jsonbs([_masked_json(receipt) for _, _, receipt in keyed]),
        }
        return [Joinable(_QUERIES["remember"], columns)]


def repeated(submission: Submission, first: Submission, receipt: Receipt) -> Receipt:
    """The answer of the same request earlier in this batch. Raises IdempotencyKeyReuse for another request."""
    if first.digest != submission.digest or first.order.actor.id != submission.order.actor.id:
        raise _reused()
    return receipt.again()


def _reused() -> Refusal:
    return IdempotencyKeyReuse(
        "this key already belongs to another request",
        FieldError("Idempotency-Key", "was used by somebody else or with another body"),
    )


def _masked_json(receipt: Receipt) -> bytes | None:
    if not receipt.masked:
        return None
    return orjson.dumps({str(version): at.isoformat() for version, at in receipt.masked.items()})
