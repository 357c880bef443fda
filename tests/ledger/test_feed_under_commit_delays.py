"""The feed while commits are late: every acknowledged event once, in order, after what its writer had read.

Sixteen writers share streams and have streams of their own; three in ten of their transactions sleep between drawing
queue ids and being visible. The log is followed in the three ways there are: page by page, by a subscription, and by
the runner of the read models.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from threading import Event
from typing import cast
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import Notification, StoredEvent
from uuid_utils.compat import uuid7

from bench.feeding import (
    KEK,
    PATIENCE_SECONDS,
    Place,
    Work,
    Written,
    append_last,
    make_commits_late,
    write_in_processes,
    write_in_threads,
)
from bench.fixture import KEK_TEXT
from cli.lifeline import Lifeline
from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.recorder import LedgerRecorder
from ledger.sealer import Sealer
from projections.runner import EVERY_PROJECTION, Runner
from tests.ledger.sealing import check_log, running, wait_until
from tests.ledger.writing import rows

Feed = list[Notification]
_PROJECT = Path(__file__).parents[2]


def test_late_commits_are_followed_without_gap_or_repetition(database: str) -> None:
    work = Work(database, events=125)
    write_and_follow(database, following(database), lambda: write_in_threads(work, 16))


def test_nothing_is_lost_or_repeated_while_those_who_seal_and_project_are_killed(database: str) -> None:
    work = Work(database, events=25, seconds=0.7)

    def write() -> list[list[Written]]:
        with running(Killer(database)):
            return write_in_threads(work, 16)

    write_and_follow(database, following(database), write)


@pytest.mark.long
def test_ten_thousand_events_with_late_commits_are_followed_without_gap_or_repetition(
    database: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With the service's own follower, which gives way to writers when the processor is short."""
    work = Work(database, events=625, seconds=5.0)
    follower = following_in_a_process(database, tmp_path / "kek")
    written = write_and_follow(database, follower, lambda: write_in_processes(work, 2, 8))
    in_time = [append for writer in written for append in writer if append.seconds <= work.seconds]
    record_property("events committed in 5 s", sum(len(append.places) for append in in_time))
    record_property("transactions committed in 5 s", len(in_time))


def write_and_follow(
    database: str, follower: AbstractContextManager[None], write: Callable[[], list[list[Written]]]
) -> list[list[Written]]:
    """Follow the log while `write` runs and to its end, check what was read, and return what was written."""
    make_commits_late(database)
    last = uuid7()
    with ExitStack() as stack:
        stack.enter_context(follower)
        pool = stack.enter_context(sync_pool(database, "dossier_reader", min_size=2, max_size=2, autocommit=True))
        recorder = LedgerRecorder(pool)
        readers = stack.enter_context(ThreadPoolExecutor(2))
        abandoned = Event()
        stack.callback(abandoned.set)
        subscription = stack.enter_context(recorder.subscribe(gt=0))
        feeds = [
            readers.submit(until, last, pages(recorder, abandoned)),
            readers.submit(until, last, subscription),
        ]
        written = write()
        final = append_last(database, last)
        by_page, by_subscription = (feed.result(PATIENCE_SECONDS) for feed in feeds)
        wait_until(lambda: positions_projected(database) == [(len(EVERY_PROJECTION), len(by_page), len(by_page))])
        check_feed(by_page, [*written, [final]])
        check_streams(by_page, recorder)
    assert by_subscription == by_page
    check_log(database)
    check_read_models(database, by_page)
    return written


# --- who follows ----------------------------------------------------------------------------------------------------


@contextmanager
def following(database: str) -> Iterator[None]:
    """Two sealers, of which one waits for its turn, and a runner."""
    with sync_pool(database, "dossier_projector", min_size=2, max_size=2, autocommit=True) as pool:
        runner = Runner(database, pool, KeyStore(pool, KEK))
        with running(Sealer(database), Sealer(database), runner):
            yield


@contextmanager
def following_in_a_process(database: str, kek_file: Path) -> Iterator[None]:
    kek_file.touch(0o600)
    kek_file.write_text(KEK_TEXT, encoding="ascii")
    lifeline = Lifeline()
    surroundings = {"DATABASE_URL": database, "DOSSIER_KEK_FILE": str(kek_file), "DOSSIER_DATA": str(kek_file.parent)}
    environment = os.environ | surroundings
    command = [sys.executable, "-m", "cli.follow"]
    with Popen(command, stdin=lifeline.theirs.fileno(), env=environment, cwd=_PROJECT) as process:
        lifeline.handed_over()
        try:
            wait_until(lifeline.child_is_up)
            yield
        finally:
            lifeline.close()
    assert process.returncode == 0


@dataclass
class Killer:
    """Kills the connections of sealers and runners at random moments."""

    conninfo: str

    def run(self, stop: Event) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as administrator:
            while not stop.wait(random.uniform(0, 0.2)):  # noqa: S311 - no secret
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name IN ('dossier_sealer', 'dossier_projector')"
                )


def until(last: UUID, feed: Iterable[Notification]) -> Feed:
    """What comes up to and with the last event."""
    seen: Feed = []
    for notification in feed:
        seen.append(notification)
        if notification.originator_id == last:
            break
    return seen


def pages(recorder: LedgerRecorder, abandoned: Event) -> Iterator[Notification]:
    """The log from its beginning, asking again and again for what comes after the last position."""
    position: int | None = None
    while not abandoned.is_set():
        page = recorder.select_notifications(position, 500, inclusive_of_start=False)
        for notification in cast("Feed", page):
            position = notification.id
            yield notification
        if not page:
            time.sleep(0.01)


def positions_projected(database: str) -> list[tuple[int, int, int]]:
    return rows(database, "SELECT count(*), min(position), max(position) FROM read.tracking")


# --- what must be true ----------------------------------------------------------------------------------------------


def check_feed(feed: Feed, written: Sequence[Sequence[Written]]) -> None:
    """Everything acknowledged is in it once, at dense positions, after what came before it."""
    assert [notification.id for notification in feed] == list(range(1, len(feed) + 1))
    positions = {Place(cast("UUID", each.originator_id), each.originator_version): each.id for each in feed}
    appends = [append for writer in written for append in writer]
    acknowledged = [place for append in appends for place in append.places]
    assert len(feed) == len(positions) == len(acknowledged)
    assert positions.keys() == set(acknowledged)
    for append in appends:  # in the order given, and after what had been read
        line = [positions[place] for place in ([append.cause] if append.cause else []) + append.places]
        assert line == sorted(line)
    for writer in written:  # a writer appends when it has the answer to what it appended before
        for before, after in pairwise(writer):
            assert positions[before.places[-1]] < positions[after.places[0]]
    assert feed[-1].originator_id == appends[-1].places[0].stream


def check_streams(feed: Feed, recorder: LedgerRecorder) -> None:
    """Each stream is in it as it is stored, version after version."""
    streams: dict[UUID | str, list[StoredEvent]] = defaultdict(list)
    for each in feed:
        stored = StoredEvent(each.originator_id, each.originator_version, each.topic, each.state)
        streams[each.originator_id].append(stored)
    for stream, events in streams.items():
        assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
        assert events == recorder.select_events(stream)


def check_read_models(database: str, feed: Feed) -> None:
    """The runner has projected each event once, at its position."""
    projected = rows(database, "SELECT position, customer_id, version FROM read.events ORDER BY position")
    assert projected == [(each.id, each.originator_id, each.originator_version) for each in feed]
