"""The eventsourcing Application of the write side: `save` appends recorded events, `history` reads a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.persistence import InfrastructureFactory, Recording
from eventsourcing.utils import Environment

from domain.events import RecordedEvent
from ledger import codec
from ledger.factory import LedgerFactory
from ledger.frame import unframed
from ledger.keys import KeyStore
from ledger.mapper import LedgerMapper
from ledger.pool import Pool
from ledger.recorder import LedgerRecorder


class Ledger(Application[UUID]):
    """`save(*events, inline=statements)` is one transaction; the events' data keys must exist (KeyStore.ensure).

    Raises what LedgerRecorder.insert_events and codec.encode raise. It does not own the pool.
    """

    name = "dossier"

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._keys = keys
        super().__init__(env={})

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        # The base class asks for a factory of any tracking recorder, and its parameter is invariant.
        return cast("InfrastructureFactory", LedgerFactory(env, self._pool))

    def construct_mapper(self) -> LedgerMapper:
        return LedgerMapper(self._keys)

    def save(self, *events: Any, **kwargs: Any) -> list[Recording[UUID]]:
        """Append recorded events; `kwargs` go to the recorder.

        The base class would find out by reflection, for each object, whether it is an event or an aggregate. There are
        no aggregates here, and the reflection took a twentieth of the writer's time.
        """
        processing: ProcessingEvent[UUID] = ProcessingEvent()
        processing.events.extend(events)
        processing.saved_kwargs.update(kwargs)
        return self._record(processing)

    def history(self, customer_id: UUID, *, gt: int | None = None, lte: int | None = None) -> list[RecordedEvent]:
        """A customer's events with gt < version <= lte, in order; empty when there are none.

        What was erased by now is erased in all of them, also in those recorded before.
        """
        stored = self.recorder.select_events(customer_id, gt=gt, lte=lte)
        whole = lte is None and gt is None
        erased = codec.erasures_in(stored) if whole else self.erasures([customer_id]).get(customer_id, {})
        return [codec.decode(event, self._keys, erased) for event in stored]

    def erasures(self, customer_ids: Iterable[UUID]) -> dict[UUID, dict[UUID, UUID]]:
        """What was erased of these customers' streams by now; only those of which anything was."""
        return cast("LedgerRecorder", self.recorder).select_erasures(customer_ids)

    def entry_hashes(self, customer_id: UUID, first: int, last: int) -> list[bytes]:
        """By which hashes the log knows a customer's events of those versions."""
        stored = self.recorder.select_events(customer_id, gt=first - 1, lte=last)
        return [codec.entry_hash(unframed(event.state).entry) for event in stored]
