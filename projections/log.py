"""The sealed log as the runner reads it: decrypted events in the order of their positions, and single streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent

from domain.fold import History
from domain.streams import StreamKind, stream_kind
from ledger import codec
from ledger.application import Ledger
from ledger.epochs import is_of_log
from ledger.errors import DataKeyMissing, UnreadableEvent, translated
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.streams import read_streams
from projections.errors import EventUnreadable
from projections.moves import Positioned


class Stretch(NamedTuple):
    """Events of customers and of the service itself, and up to which position these are all.

    The log's own entries are passed over.
    """

    entries: list[Positioned]
    of_service: list[Positioned]
    reached: int


class LogReader:
    """Reads through `pool`, whose role may read the evidence, with the keys of `keys`."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._keys = keys
        self._ledger = Ledger(pool, keys)

    def after(self, position: int, limit: int) -> Stretch:
        """The next places after `position`, up to the first one that cannot be read, without what was erased by now.

        Raises EventUnreadable if that is the very next; ledger.errors when keys or database are out of reach.
        """
        notifications = cast(
            "list[Notification]",
            self._ledger.recorder.select_notifications(position, limit, inclusive_of_start=False),
        )
        kinds = [_kind(sealed) for sealed in notifications]
        customer_ids = {
            cast("UUID", sealed.originator_id)
            for sealed, kind in zip(notifications, kinds, strict=True)
            if kind is StreamKind.CUSTOMER
        }
        # The customers' keys at once; those of contact persons one by one, as entries name them, and then remembered.
        self._keys.read_ahead(customer_ids)
        erased = self._ledger.erasures(customer_ids)
        stretch = Stretch([], [], position)
        reached = position
        for sealed, kind in zip(notifications, kinds, strict=True):
            of_stream = erased.get(cast("UUID", sealed.originator_id), codec.NOTHING_ERASED)
            try:
                if kind is not StreamKind.LOG:
                    entries = stretch.of_service if kind.is_of_service else stretch.entries
                    entries.append(self._opened(sealed.id, sealed, of_stream))
            except EventUnreadable:
                if reached == position:
                    raise
                break
            reached = sealed.id
        return stretch._replace(reached=reached)

    def streams(self, customer_ids: Iterable[UUID], up_to: int) -> Iterator[list[Positioned]]:
        """All events of these customers up to a position, without what was erased by now.

        Raises EventUnreadable; ledger.errors when keys or database are out of reach.
        """
        with translated(), self._pool.connection() as connection, connection.transaction():
            for stream in read_streams(connection, customer_ids=sorted(customer_ids)):
                erased = codec.erasures_in(stream.events)
                sealed = zip(stream.positions, stream.events, strict=True)
                known = [(position, stored) for position, stored in sealed if position and position <= up_to]
                # A stream's events stand in the log in their order.
                yield [self._opened(position, stored, erased) for position, stored in known]

    def histories(self, streams: Iterable[tuple[UUID, int]]) -> dict[UUID, History]:
        """The folds of customers' streams, each up to (not including) a version. Raises ledger.errors."""
        return {
            customer_id: History.of(self._ledger.history(customer_id, lte=version - 1))
            for customer_id, version in streams
        }

    def _opened(self, position: int, stored: StoredEvent, erased: codec.Erasures) -> Positioned:
        try:
            return Positioned.of(position, codec.decode(stored, self._keys, erased))
        except (UnreadableEvent, DataKeyMissing) as error:
            raise EventUnreadable(position, str(error)) from error


def _kind(sealed: Notification) -> StreamKind:
    return StreamKind.LOG if is_of_log(sealed.originator_id) else stream_kind(sealed.topic)
