"""B15: what a reader of the log sees while commits are late, and how many writers get in meanwhile."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent
from uuid_utils.compat import uuid7

from bench.baselines.library_recorder import TABLE, library_recorder
from bench.feeding import PATIENCE_SECONDS, Place, Work, append_last, make_commits_late, write_in_processes
from bench.sealer import sealing
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Findings, at_least
from db.pool import sync_pool
from ledger.recorder import LedgerRecorder

_PROCESSES = 2
_WRITERS = 16
_SECONDS = 5.0
_LEAST_PER_SECOND = 2_000.0


def feed(surroundings: Surroundings) -> Findings:
    """Sixteen writers of ours against sixteen of the library's, in turn."""
    seconds = surroundings.seconds if surroundings.is_smoke else _SECONDS
    ours: list[Followed] = []
    library: list[float] = []
    for number in range(surroundings.rounds):
        surroundings.say(f"round {number + 1} of {surroundings.rounds}")
        ours.append(_ours(surroundings, seconds))
        library.append(_library(surroundings, seconds))
    committed = [round_.per_second for round_ in ours]
    at_one = at_least(1)
    comparisons = [
        Comparison(
            "read once and in order, of what was committed",
            "events",
            at_one,
            [float(round_.right) for round_ in ours],
            [float(round_.committed) for round_ in ours],
        ),
        Comparison("committed meanwhile", "1/s", at_one, committed, [_LEAST_PER_SECOND] * len(ours)),
        Comparison("committed meanwhile, against the library's recorder", "1/s", at_one, committed, library),
    ]
    wrong = {name: sum(round_.wrong[name] for round_ in ours) for name in ours[0].wrong}
    return Findings(comparisons, {"events in all rounds": wrong})


@dataclass(frozen=True)
class Followed:
    """One round: how many events were acknowledged, and how many of them the reader had wrong, in which way."""

    per_second: float
    committed: int
    wrong: dict[str, int]

    @property
    def right(self) -> int:
        return self.committed - sum(self.wrong.values())


def compared(seen: Iterable[Place], acknowledged: Sequence[Place]) -> dict[str, int]:
    """What is wrong with what a reader has seen, in that order."""
    counted = Counter(seen)
    latest: dict[UUID, int] = {}
    disordered = 0
    for place in counted:  # in the order in which each was seen first
        disordered += place.version < latest.get(place.stream, 0)
        latest[place.stream] = max(place.version, latest.get(place.stream, 0))
    known = set(acknowledged)
    return {
        "missing": len(known - counted.keys()),
        "duplicate": counted.total() - len(counted),
        "out of order": disordered,
        "unknown": len(counted.keys() - known),
    }


def _ours(surroundings: Surroundings, seconds: float) -> Followed:
    with surroundings.database() as conninfo, sealing(conninfo):
        make_commits_late(conninfo)
        last = uuid7()
        with _reading(conninfo, last) as seen:
            work = Work(conninfo, events=0, seconds=seconds)
            written = write_in_processes(work, _PROCESSES, _WRITERS // _PROCESSES)
            appends = [append for writer in written for append in writer] + [append_last(conninfo, last)]
    in_time = sum(len(append.places) for append in appends if append.seconds <= seconds)
    acknowledged = [place for append in appends for place in append.places]
    return Followed(in_time / seconds, len(acknowledged), compared(seen, acknowledged))


@contextmanager
def _reading(conninfo: str, last: UUID) -> Iterator[list[Place]]:
    """Follow the log from its beginning; what is lent is whole when the context has ended, which is at that event."""
    seen: list[Place] = []

    def read(subscription: Iterable[Notification]) -> None:
        for event in subscription:
            seen.append(Place(cast("UUID", event.originator_id), event.originator_version))
            if event.originator_id == last:
                return

    with ExitStack() as stack:
        pool = stack.enter_context(sync_pool(conninfo, "dossier_reader", min_size=2, max_size=2, autocommit=True))
        thread = stack.enter_context(ThreadPoolExecutor(1))
        subscription = stack.enter_context(LedgerRecorder(pool).subscribe(gt=0))
        reading = thread.submit(read, subscription)
        yield seen
        reading.result(PATIENCE_SECONDS)


def _library(surroundings: Surroundings, seconds: float) -> float:
    """Events per second that the library's recorder commits with commits as late."""
    with surroundings.database(migrated=False) as conninfo, library_recorder(conninfo, _WRITERS) as recorder:
        make_commits_late(conninfo, *TABLE)
        started = time.perf_counter()
        with ThreadPoolExecutor(_WRITERS) as threads:
            counts = list(threads.map(lambda _: _append(recorder, started + seconds), range(_WRITERS)))
        return sum(counts) / (time.perf_counter() - started)


def _append(recorder: ApplicationRecorder, deadline: float) -> int:
    stream, version = uuid7(), 0
    while not version or time.perf_counter() < deadline:
        events = random.randint(1, 4)  # noqa: S311 - no secret
        places = range(version + 1, version + events + 1)
        recorder.insert_events([StoredEvent(stream, place, "customer.attribute-recorded", b"{}") for place in places])
        version += events
    return version
