"""The sealed log as the runner reads it: decrypted events in the order of their positions, and single streams."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import cast
from uuid import UUID

from eventsourcing.persistence import Notification

from domain.fold import History
from ledger import codec
from ledger.application import Ledger
from ledger.errors import DataKeyMissing, SubjectErased, UnreadableEvent
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
        """The next events after `position`, up to the first one that cannot be read.

        Raises EventUnreadable if that is the very next; ledger.errors when keys or database are out of reach.
        """
        notifications = cast(
            "list[Notification]",
            self._ledger.recorder.select_notifications(position, limit, inclusive_of_start=False),
        )
        # The customers' keys at once; those of contact persons one by one, as entries name them, and then remembered.
        with suppress(SubjectErased):
            self._keys.load({cast("UUID", sealed.originator_id) for sealed in notifications})
        entries: list[Positioned] = []
        for sealed in notifications:
            try:
                entries.append(Positioned.of(sealed.id, codec.decode(sealed, self._keys)))
            except (UnreadableEvent, DataKeyMissing, SubjectErased) as error:
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
