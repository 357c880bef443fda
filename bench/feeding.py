"""Writers that append through the real ledger while some of their commits are late, and say what they wrote.

Each is a thread that takes a connection of its own, in one process or in several. What they append has causes: a
writer has often just read the head of a stream that others write to.
"""

from __future__ import annotations

import logging
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Barrier
from typing import Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier
from uuid_utils.compat import uuid7

from bench.fixture import KEK_TEXT
from bench.yardstick import Unsuitable
from db.pool import sync_pool
from domain.events import Actor, Envelope, RecordedEvent
from domain.events.classification import AttributeRecorded
from ledger import codec
from ledger.errors import AppendConflict
from ledger.factory import LedgerFactory
from ledger.kek import FileKek
from ledger.keys import KeyStore
from ledger.recorder import LedgerRecorder

KEK: Final = FileKek.from_text(KEK_TEXT)

_LATE_COMMITS: Final = """
CREATE FUNCTION public.late_commit() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- Once per transaction, whatever number of events it has.
    IF current_setting('bench.decided', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config('bench.decided', pg_current_xact_id()::text, false);
        IF random() < 0.3 THEN
            PERFORM pg_sleep(random() * 0.03);
        END IF;
    END IF;
    RETURN NULL;
END
$body$;
CREATE CONSTRAINT TRIGGER late_commit AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.late_commit();
"""

PATIENCE_SECONDS: Final = 120.0
SHARED_STREAMS: Final = 16
_ACTOR: Final = Actor(id="svc-bench")
_QUEUE: Final = ("ledger", "unsealed")
_SIZES: Final = ((1, 0), (2, 0), (3, 0), (4, 0), (4, 0), (0, 1), (0, 3), (2, 2))
"""How many events of an append go to the writer's own stream, and how many to a shared one."""
_READS: Final = 0.2
"""How often a writer reads the head of a shared stream although it appends only to its own."""


class Place(NamedTuple):
    """An event's place in its stream."""

    stream: UUID
    version: int


class Written(NamedTuple):
    """One acknowledged append: its events, what its writer had read just before, and when it had the answer."""

    places: list[Place]
    cause: Place | None
    seconds: float


@dataclass(frozen=True)
class Work:
    """What every writer does: append until it has `events` and `seconds` have passed."""

    conninfo: str
    events: int
    seconds: float = 0.0
    shared: Sequence[UUID] = field(default_factory=lambda: [uuid7() for _ in range(SHARED_STREAMS)])


def make_commits_late(conninfo: str, *table: str) -> None:
    """Have three in ten transactions sleep up to 30 ms, between their inserts into that table and being visible."""
    with psycopg.connect(conninfo) as administrator:
        administrator.execute(SQL(_LATE_COMMITS).format(table=Identifier(*table or _QUEUE)))


# --- many writers ---------------------------------------------------------------------------------------------------


def write_in_threads(work: Work, writers: int, when_ready: Callable[[], object] = lambda: None) -> list[list[Written]]:
    """Run that many writers in this process; what each had acknowledged. Raises what a writer raises."""
    own = [uuid7() for _ in range(writers)]
    data_keys = make_keys(work.conninfo, [*own, *work.shared])
    with LedgerFactory({"LEDGER_URL": work.conninfo, "LEDGER_POOL_SIZE": str(writers)}) as factory:
        team = [Writer(work, factory.application_recorder(), data_keys, stream) for stream in own]
        when_ready()
        with ThreadPoolExecutor(writers) as threads:
            return list(threads.map(Writer.run, team))


def write_in_processes(work: Work, processes: int, writers: int) -> list[list[Written]]:
    """Run that many writers in each of several processes, which begin together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, _enter, (barrier,)) as pool:
        teams = [pool.submit(_write_here, work, writers) for _ in range(processes)]
        return [written for team in teams for written in team.result()]


_barrier: Barrier


def _enter(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - how a process is given what cannot be sent to it later
    _barrier = barrier
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of every conflict


def _write_here(work: Work, writers: int) -> list[list[Written]]:
    return write_in_threads(work, writers, lambda: _barrier.wait(PATIENCE_SECONDS))


# --- one writer -----------------------------------------------------------------------------------------------------


@dataclass
class Writer:
    """Appends one to four events at a time, to a stream of its own, to a shared one, or to both."""

    work: Work
    recorder: LedgerRecorder
    data_keys: dict[UUID, bytes]
    own: UUID
    own_version: int = 0

    def run(self) -> list[Written]:
        written: list[Written] = []
        began, events = time.monotonic(), 0
        while events < self.work.events or time.monotonic() - began < self.work.seconds:
            done = self._append()
            if done is not None:
                written.append(Written(*done, time.monotonic() - began))
                events += len(done[0])
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise Unsuitable("the writers do not get their events in")
        return written

    def _append(self) -> tuple[list[Place], Place | None] | None:
        """None when another writer was first to continue the shared stream."""
        on_own, on_shared = random.choice(_SIZES)  # noqa: S311 - no secret
        places = [Place(self.own, self.own_version + number) for number in range(1, on_own + 1)]
        shared, cause = random.choice(self.work.shared), None  # noqa: S311
        if on_shared or random.random() < _READS:  # noqa: S311
            head = self.recorder.select_events(shared, desc=True, limit=1)
            cause = Place(shared, head[0].originator_version) if head else None
        after = cause.version if cause else 0
        places += [Place(shared, after + number) for number in range(1, on_shared + 1)]
        try:
            append(self.recorder, places, self.data_keys)
        except AppendConflict:
            return None
        self.own_version += on_own
        return places, cause


def append_last(conninfo: str, stream: UUID) -> Written:
    """Append the one event of a stream, after everything that was acknowledged."""
    place = Place(stream, 1)
    with LedgerFactory({"LEDGER_URL": conninfo, "LEDGER_POOL_SIZE": "1"}) as factory:
        append(factory.application_recorder(), [place], make_keys(conninfo, [stream]))
    return Written([place], None, 0.0)


def make_keys(conninfo: str, subjects: Sequence[UUID]) -> dict[UUID, bytes]:
    with sync_pool(conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        return KeyStore(pool, KEK).ensure(subjects)


def append(recorder: LedgerRecorder, places: Sequence[Place], data_keys: dict[UUID, bytes]) -> None:
    """Append an event at each of the places, in that order. Raises AppendConflict."""
    now = datetime.now(UTC)
    stored = [codec.encode(_event(place, now), data_keys) for place in places]
    recorder.insert_events(stored, recorded_at=[now.isoformat()] * len(places))


def _event(place: Place, now: datetime) -> RecordedEvent:
    envelope = Envelope(
        event_id=uuid7(),
        customer_id=place.stream,
        version=place.version,
        recorded_at=now,
        effective_from=now,
        actor=_ACTOR,
        policy_version=1,
    )
    return RecordedEvent(envelope, AttributeRecorded(key="number", value=place.version))
