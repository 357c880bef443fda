"""What stands between the eventsourcing library's event store and our codec: the keys."""

from __future__ import annotations

from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from domain.events import RecordedEvent
from ledger import codec
from ledger.keys import KeyStore


class LedgerMapper(Mapper[UUID]):
    """Encodes and decodes recorded events with the keys of a KeyStore; it never makes a key.

    Whoever writes has called `KeyStore.ensure` just before, so encoding finds its keys without a query.
    """

    def __init__(self, keys: KeyStore) -> None:
        super().__init__(transcoder=JSONTranscoder())  # for the base class only: nothing of ours passes through it
        self._keys = keys

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        if not isinstance(domain_event, RecordedEvent):
            raise TypeError(f"the ledger records RecordedEvent, not {type(domain_event).__name__}")
        return codec.encode(domain_event, self._keys)

    def to_domain_event(self, stored_event: StoredEvent) -> RecordedEvent:
        return codec.decode(stored_event, self._keys)
