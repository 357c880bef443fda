"""Computes the read models anew from the evidence, tells where they were wrong, and puts that right.

Those that follow the log are built as a shadow, compared, kept up with the log and switched; those written with the
events are compared and put right in place. Readers, writers and the runner go on meanwhile. What must stay true: of
the tables that follow the log nothing changes until everything does; if we die before, they are as they were, and the
next rebuild removes what we left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection

from db.conninfo import with_settings
from db.pool import sync_pool
from db.queries import load
from ledger.kek import KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.pool import pool_of_keys
from ledger.snapshot_keys import SnapshotKeys
from ledger.verify import keys_at, one_moment
from projections.checksums import TableChecksums
from projections.comparison import (
    FOLLOWED,
    INLINE,
    Compared,
    compare,
    differences_from_shadow,
    hold_tables,
    live_checksums,
)
from projections.differences import Difference
from projections.errors import AnotherRebuild, NeverFree, StreamUnreadable
from projections.expected import Followed
from projections.repair import repair
from projections.runner import EVERY_PROJECTION, Runner
from projections.shadow import Shadow, cursor_on_shadow

EVERY_TABLE: Final = (*FOLLOWED, *INLINE)
"""The names of all read models."""
PATIENCE_SECONDS: Final = 600.0

_QUERIES: Final = load("projections", "rebuild.sql")
_SETTINGS: Final = {
    "timezone": "UTC",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "warning",
}
_FEW_EVENTS: Final = 200
_MOST_EVENTS: Final = 1600
"""So many may be left to follow while the live runner stands still, the more the longer it took to come so close."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what happens: each difference as it is found, events as they are passed, what is being done."""

    found: Callable[[Difference], None]
    passed: Callable[[int], None] = lambda _: None
    doing: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Summary:
    """What was looked at, how many differences were found, which streams and rows could not be seen to.

    `customers` are those of whom there are events.
    """

    customers: int = 0
    events: int = 0
    differences: int = 0
    unreadable: list[StreamUnreadable] = field(default_factory=list)
    unrepaired: list[Difference] = field(default_factory=list)
    wrong_in_place: set[UUID] = field(default_factory=set)
    """The customers whose rows are to be put right in place."""
    checksums: list[TableChecksums] = field(default_factory=list)
    """Of the tables that follow the log: the live one as it was found, and the shadow, both at the same position."""

    def take(self, compared: Compared, watch: Watch) -> None:
        self.customers += compared.events > 0 and compared.is_customer
        self.events += compared.events
        for difference in compared.differences:
            self.note(difference, watch)
        watch.passed(compared.events)

    def note(self, difference: Difference, watch: Watch) -> None:
        self.differences += 1
        watch.found(difference)
        if difference.table.removeprefix("read.") in INLINE:
            self.wrong_in_place.add(difference.customer_id)


def count_events(conninfo: str) -> int:
    """How many events a rebuild or a check will pass."""
    with one_moment(conninfo) as moment:
        ((events,),) = moment.execute(_QUERIES["events"]).fetchall()
    return int(events)


def check(
    conninfo: str,
    kek: KeyEncryptionKey,
    watch: Watch,
    names: Collection[str] = EVERY_TABLE,
    *,
    keys_conninfo: str | None = None,
) -> Summary:
    """Compare and change nothing. Streams that cannot be read are left out, and told in the summary.

    `keys_conninfo` names the data keys' own database, if they have one.

    Raises KeyEncryptionError when the key at hand is not that of the database, or psycopg.Error.
    """
    summary = Summary()
    with one_moment(conninfo) as moment:
        hold_tables(moment)
        with _keys(moment, kek, keys_conninfo) as keys:
            for compared in compare(moment, keys, names, skip=summary.unreadable.append):
                summary.take(compared, watch)
        summary.checksums = live_checksums(moment, names)
    return summary


def rebuild(
    conninfo: str,
    kek: KeyEncryptionKey,
    watch: Watch,
    names: Collection[str] = EVERY_TABLE,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    keys_conninfo: str | None = None,
) -> Summary:
    """Rebuild the read models of these names, as the login that owns them.

    `keys_conninfo` names the data keys' own database, if they have one. Waits up to `patience_seconds` for an instant
    at which nobody reads the tables to be switched. Raises RebuildRefused, StreamUnreadable, ProjectionFailed,
    EventUnreadable, ledger.errors or psycopg.Error. The tables that follow the log are then untouched, or switched
    already if it happened while rows were put right in place.
    """
    summary = Summary()
    tables = [FOLLOWED[name] for name in FOLLOWED if name in names]
    with owner_of(conninfo) as owner:
        work = _Rebuild(conninfo, kek, watch, owner, keys_conninfo)
        if tables:
            work.build_and_switch(tables, names, summary, patience_seconds)
        else:
            work.compare(names, summary)
        if summary.wrong_in_place:
            watch.doing("putting rows right")
            in_place = [name for name in INLINE if name in names]
            summary.unrepaired = repair(conninfo, kek, summary.wrong_in_place, in_place, keys_conninfo=keys_conninfo)
    return summary


@contextmanager
def owner_of(conninfo: str) -> Iterator[Connection[Any]]:
    """The owner's connection. Raises AnotherRebuild while one has it."""
    url = with_settings(conninfo, _SETTINGS, application_name="dossier_rebuild")
    with psycopg.connect(url, autocommit=True) as owner:
        if owner.execute(_QUERIES["take_turn"]).fetchone() != (True,):
            raise AnotherRebuild
        try:
            yield owner
        finally:
            # At once; after a mere goodbye the server might hold it a moment longer.
            with suppress(psycopg.Error):
                owner.execute(_QUERIES["end_turn"])


@contextmanager
def _keys(moment: Connection[Any], kek: KeyEncryptionKey, keys_conninfo: str | None) -> Iterator[SnapshotKeys]:
    with keys_at(moment, kek, keys_conninfo) as keys:
        keys.require_kek()
        yield keys


class _Rebuild:
    """What the steps of one rebuild have in common."""

    def __init__(
        self, conninfo: str, kek: KeyEncryptionKey, watch: Watch, owner: Connection[Any], keys_conninfo: str | None
    ) -> None:
        self._conninfo = conninfo
        self._keys_conninfo = keys_conninfo
        self._kek = kek
        self._watch = watch
        self._owner = owner

    def compare(self, names: Collection[str], summary: Summary, shadow: Shadow | None = None) -> dict[str, int]:
        """Walk over all customers, fill the shadow; where the projections stood at that moment."""
        self._watch.doing("comparing")
        with (
            one_moment(self._conninfo) as moment,
            _keys(moment, self._kek, self._keys_conninfo) as keys,
        ):
            unsettled: set[UUID] = set()
            for compared in compare(moment, keys, names, followed_too=False):
                summary.take(compared, self._watch)
                if not compared.settled:
                    unsettled.add(compared.customer_id)
                if shadow is not None:
                    shadow.add(compared.rows)
            if shadow is not None:
                shadow.flush()
                found = partial(summary.note, watch=self._watch)
                summary.checksums = differences_from_shadow(moment, self._owner, shadow.tables, found, unsettled)
            return self._positions(moment)

    def build_and_switch(
        self, tables: Sequence[Followed], names: Collection[str], summary: Summary, patience_seconds: float
    ) -> None:
        tracked = {"names": [projection.name for projection in EVERY_PROJECTION]}
        self._owner.execute(_QUERIES["enter"], tracked)
        shadow = Shadow(self._owner, tables)
        with self._owner.transaction():
            shadow.begin()
            positions = self.compare(names, summary, shadow)
            self._watch.doing("building indexes")
            shadow.complete({table.name: positions[table.name] for table in tables})
        # If we die here, the live tables are as they were, and the shadow lies there for the next rebuild.
        try:
            self._follow_and_switch(shadow, tables, patience_seconds)
        except BaseException:
            with suppress(psycopg.Error):
                shadow.discard()
            raise

    def _follow_and_switch(self, shadow: Shadow, tables: Sequence[Followed], patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        with self._follower(tables) as follower:
            while True:
                caught_up = self._catch_up(follower, deadline)
                self._watch.doing("switching")
                if caught_up and shadow.switch(follower.catch_up):
                    return
                follower.close()  # the server ends a projector that is silent for long
                if time.monotonic() > deadline:
                    raise NeverFree(patience_seconds, shadow.who_reads() if caught_up else None)
                time.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _catch_up(self, follower: Runner, deadline: float) -> bool:
        """Whether, before the deadline, the shadow came so close that the live runner can stand still for the rest."""
        self._watch.doing("catching up")
        few = _FEW_EVENTS
        while (position := self._live_position()) - follower.status.position > few:
            if time.monotonic() > deadline:
                return False
            follower.catch_up(position)
            few = min(few * 2, _MOST_EVENTS)
        return True

    @contextmanager
    def _follower(self, tables: Sequence[Followed]) -> Iterator[Runner]:
        """The runner of the shadow: everyday code, on other tables."""
        names = {table.name for table in tables}
        projections = [projection for projection in EVERY_PROJECTION if projection.name in names]
        with (
            sync_pool(self._conninfo, "dossier_projector", min_size=1, max_size=2, autocommit=True) as pool,
            pool_of_keys(self._keys_conninfo, "dossier_projector", pool) as keys_pool,
        ):
            keys = KeyStore(keys_pool, self._kek)
            follower = Runner(self._conninfo, pool, keys, projections, cursor_factory=cursor_on_shadow(tables))
            try:
                yield follower
            finally:
                follower.close()

    def _live_position(self) -> int:
        return min(self._positions(self._owner).values())

    def _positions(self, connection: Connection[Any]) -> dict[str, int]:
        tracked = {"names": [projection.name for projection in EVERY_PROJECTION]}
        return dict(connection.execute(_QUERIES["positions"], tracked).fetchall())
