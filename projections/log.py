"""The sealed log as the runner reads it: decrypted events in the order of their positions, and single streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from eventsourcing.persistence import Notification

from domain.fold import History
from ledger import codec
from ledger.application import Ledger
from ledger.errors import DataKeyMissing, UnreadableEvent
from ledger.keys import KeyStore
from ledger.pool import Pool
from projections.errors import EventUnreadable
from projections.moves import Positioned


class LogReader:
    """Reads through `pool`, whose role may read the evidence, with the keys of `keys`."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._keys = keys
        self._ledger = Ledger(pool, keys)

    def after(self, position: int, limit: int) -> list[Positioned]:
        """The next events after `position`, up to the first one that cannot be read, without what was erased by now.

        Raises EventUnreadable if that is the very next; ledger.errors when keys or database are out of reach.
        """
        notifications = cast(
            "list[Notification]",
            self._ledger.recorder.select_notifications(position, limit, inclusive_of_start=False),
        )
        customer_ids = {cast("UUID", sealed.originator_id) for sealed in notifications}
        # The customers' keys at once; those of contact persons one by one, as entries name them, and then remembered.
        self._keys.read_ahead(customer_ids)
        erased = self._ledger.erasures(customer_ids)
        entries: list[Positioned] = []
        for sealed in notifications:
            of_stream = erased.get(cast("UUID", sealed.originator_id), codec.NOTHING_ERASED)
            try:
                entries.append(Positioned.of(sealed.id, codec.decode(sealed, self._keys, of_stream)))
            except (UnreadableEvent, DataKeyMissing) as error:
                if not entries:
                    raise EventUnreadable(sealed.id, str(error)) from error
                break
        return entries

    def histories(self, streams: Iterable[tuple[UUID, int]]) -> dict[UUID, History]:
        """The folds of customers' streams, each up to (not including) a version. Raises ledger.errors."""
        return {
            customer_id: History.of(self._ledger.history(customer_id, lte=version - 1))
            for customer_id, version in streams
        }
