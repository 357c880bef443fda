"""B3, B3b and B4: events into the store, without HTTP and without deciding: writer and recorder against others'.

Both sides are given finished events of 400 bytes, each submitter waits for its own commit before the next, and each
appends to streams of its own. What deciding costs on top is in B1, and in the notes here.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from uuid_utils.compat import uuid7

from bench.baselines.library_recorder import library_recorder
from bench.fixture import KEK_TEXT
from bench.sealer import sealing
from bench.surroundings import Surroundings
from bench.yardstick import Findings, Unsuitable, Wanted, at_least, interleaved
from db.pool import sync_pool
from db.postgres_binaries import find_bindir
from domain.decisions import Order
from domain.events import Actor, Envelope, RecordedEvent
from domain.events.classification import AttributeRecorded
from ledger import codec
from ledger.kek import FileKek
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.recorder import LedgerRecorder
from ledger.submissions import AnyVersion, Outcome, Pending, Receipt, Submission
from ledger.writer import Writer

SUBMITTERS = 16
EVENT_BYTES = 400
PLAIN = "events per second"
ENCRYPTED = "events per second, encrypted"
_ACTOR = Actor(id="svc-bench")
_PGBENCH_SCRIPT = Path(__file__).parents[1] / "baselines" / "insert.pgbench"


def single(surroundings: Surroundings) -> Findings:
    """B3: one event a commit."""
    return _against_library(surroundings, events=1, goal=10)


def batches(surroundings: Surroundings) -> Findings:
    """B3b: ten events a commit."""
    return _against_library(surroundings, events=10, goal=5)


def against_the_limit(surroundings: Surroundings) -> Findings:
    """B4: what single prepared inserts of the same bytes reach."""
    program = find_bindir().program("pgbench")
    if not os.access(program, os.X_OK):
        raise Unsuitable(f"pgbench is not at {program}")
    with surroundings.database() as ours, surroundings.database(migrated=False) as theirs, sealing(ours):
        _make_plain_table(theirs)
        comparisons = interleaved(
            surroundings,
            [Wanted(PLAIN, "1/s", at_least(0.55))],
            lambda: {PLAIN: _through_writer(ours, surroundings.seconds, 1, encrypted=False)},
            lambda: {PLAIN: _pgbench(program, theirs, surroundings.seconds)},
        )
    return Findings(comparisons, {})


def _against_library(surroundings: Surroundings, *, events: int, goal: float) -> Findings:
    with (
        surroundings.database() as ours,
        surroundings.database(migrated=False) as theirs,
        library_recorder(theirs) as recorder,
        sealing(ours),
    ):
        plain, encrypted = interleaved(
            surroundings,
            [Wanted(name, "1/s", at_least(goal)) for name in (PLAIN, ENCRYPTED)],
            lambda: {
                PLAIN: _through_writer(ours, surroundings.seconds, events, encrypted=False),
                ENCRYPTED: _through_writer(ours, surroundings.seconds, events, encrypted=True),
            },
            lambda: dict.fromkeys((PLAIN, ENCRYPTED), _through_library(recorder, surroundings.seconds, events)),
        )
    # The library encrypts nothing here, so this is no comparison of equals: a figure without a goal.
    return Findings([plain], {ENCRYPTED: encrypted.as_note})


# --- ours -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ReadyEvents(Submission):
    """A submission that needs no decision: its events, or what makes them."""

    make: Callable[[], Sequence[StoredEvent]] = list


class _Append:
    """Stands where ledger.records decides and saves: only saves, one batch in one transaction."""

    def __init__(self, pool: Pool) -> None:
        self._recorder = LedgerRecorder(pool)

    def process(self, batch: Sequence[Pending]) -> list[Outcome]:
        events = [event for pending in batch for event in cast("_ReadyEvents", pending.submission).make()]
        self._recorder.insert_events(events, recorded_at=[_now_text()] * len(events))
        return [_RECEIPT] * len(batch)


_RECEIPT = Receipt(UUID(int=0), False, 1, "1.0", (), {})


def _through_writer(conninfo: str, seconds: float, events: int, *, encrypted: bool) -> float:
    """Events per second."""
    with sync_pool(conninfo, "dossier_app", min_size=2, max_size=4, autocommit=True) as pool:
        keys = KeyStore(pool, FileKek.from_text(KEK_TEXT))
        sources = [_source(keys, events, encrypted=encrypted) for _ in range(SUBMITTERS)]
        return events * asyncio.run(_submitting(Writer(cast("Any", _Append(pool))), sources, seconds))


async def _submitting(
    writer: Writer, sources: Sequence[Iterator[Callable[[], Sequence[StoredEvent]]]], seconds: float
) -> float:
    """Let every submitter begin submissions for so long; how many were committed per second, to the last."""
    writer.start()
    started = time.perf_counter()

    async def submit(source: Iterator[Callable[[], Sequence[StoredEvent]]]) -> int:
        committed = 0
        while not committed or time.perf_counter() - started < seconds:
            order = Order(UUID(int=0), (), _ACTOR)
            await writer.submit(_ReadyEvents(order, AnyVersion(), b"", make=next(source)))
            committed += 1
        return committed

    try:
        committed = sum(await asyncio.gather(*map(submit, sources)))
        return committed / (time.perf_counter() - started)
    finally:
        await asyncio.to_thread(writer.stop)


async def paced(conninfo: str, seconds: float, events_per_second: int) -> int:
    """Append at a steady rate, or as fast as it goes, one event a submission; how many."""
    with sync_pool(conninfo, "dossier_app", min_size=2, max_size=4, autocommit=True) as pool:
        writer = Writer(cast("Any", _Append(pool)))
        writer.start()
        pause = SUBMITTERS / events_per_second
        deadline = time.perf_counter() + seconds

        async def submit(source: Iterator[Callable[[], Sequence[StoredEvent]]]) -> int:
            due, committed = time.perf_counter(), 0
            while not committed or time.perf_counter() < deadline:
                await writer.submit(_ReadyEvents(Order(UUID(int=0), (), _ACTOR), AnyVersion(), b"", make=next(source)))
                committed += 1
                due += pause
                await asyncio.sleep(max(due - time.perf_counter(), 0))
            return committed

        try:
            keys = KeyStore(pool, FileKek.from_text(KEK_TEXT))
            return sum(await asyncio.gather(*(submit(_source(keys, 1, encrypted=False)) for _ in range(SUBMITTERS))))
        finally:
            await asyncio.to_thread(writer.stop)


def _source(keys: KeyStore, events: int, *, encrypted: bool) -> Iterator[Callable[[], Sequence[StoredEvent]]]:
    """What one submitter submits: functions, so that encryption happens where it does in the service."""
    if encrypted:
        subject = uuid7()
        keys.ensure([subject])
        return _encrypted(subject, keys, events)
    return (partial(list, ready) for ready in _plain(events))


def _encrypted(subject: UUID, keys: KeyStore, events: int) -> Iterator[Callable[[], Sequence[StoredEvent]]]:
    template, version = _recorded(subject), 0
    while True:
        recorded = [_another(template, version + number) for number in range(1, events + 1)]
        version += events
        yield partial(_encode, recorded, keys)


def _encode(recorded: Sequence[RecordedEvent], keys: KeyStore) -> list[StoredEvent]:
    return [codec.encode(event, keys) for event in recorded]


def _plain(events: int) -> Iterator[list[StoredEvent]]:
    stream, state, version = uuid7(), os.urandom(EVENT_BYTES), 0
    while True:
        yield [
            StoredEvent(stream, version + number, "customer.attribute-recorded", state)
            for number in range(1, events + 1)
        ]
        version += events


def _another(template: RecordedEvent, version: int) -> RecordedEvent:
    """The event over again, without the validation that belongs to deciding."""
    now = datetime.now(UTC)
    own = {"event_id": uuid7(), "version": version, "recorded_at": now, "effective_from": now}
    return RecordedEvent(template.envelope.model_copy(update=own), template.payload)


def _recorded(subject: UUID) -> RecordedEvent:
    """An event whose content is EVENT_BYTES long, more or less, before it is encrypted."""
    now = datetime.now(UTC)
    envelope = Envelope(
        event_id=uuid7(),
        customer_id=subject,
        version=1,
        recorded_at=now,
        effective_from=now,
        actor=_ACTOR,
        policy_version=1,
    )
    return RecordedEvent(envelope, AttributeRecorded(key="note", value="x" * (EVENT_BYTES - 60)))


def _now_text() -> str:
    return datetime.now(UTC).isoformat()


# --- the others -----------------------------------------------------------------------------------------------------


def _through_library(recorder: ApplicationRecorder, seconds: float, events: int) -> float:
    """Events per second, with a thread for every submitter, as the library's applications are used."""
    started = time.perf_counter()

    def submit(ready: Iterator[list[StoredEvent]]) -> int:
        committed = 0
        while not committed or time.perf_counter() - started < seconds:
            recorder.insert_events(next(ready))
            committed += events
        return committed

    with ThreadPoolExecutor(SUBMITTERS) as threads:
        committed = sum(threads.map(submit, [_plain(events) for _ in range(SUBMITTERS)]))
    return committed / (time.perf_counter() - started)


def _make_plain_table(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "CREATE TABLE event (stream uuid, version bigint, type text, state bytea, PRIMARY KEY (stream, version))"
        )


def _pgbench(program: str, conninfo: str, seconds: float) -> float:
    """Events per second."""
    state = "\\x" + os.urandom(EVENT_BYTES).hex()
    command = [program, "--no-vacuum", "--protocol=prepared", f"--client={SUBMITTERS}", "--jobs=2"]
    timed = [f"--time={max(round(seconds), 1)}", f"--define=state={state}", f"--file={_PGBENCH_SCRIPT}", conninfo]
    done = subprocess.run([*command, *timed], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise Unsuitable(f"pgbench says: {done.stderr or done.stdout}")
    return float(found[1])
