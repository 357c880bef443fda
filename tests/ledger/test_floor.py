"""The floor: dead rows below it are not passed over, and nothing that is committed below it is ever overtaken."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect
from ledger.floor import FROM_THE_START, Floor, Look, Seen
from ledger.sealer import Sealer
from tests.ledger.sealing import Clock, append, check_log, log_of, seal_all


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sealer(database: str, clock: Clock) -> Iterator[Sealer]:
    sealer = Sealer(database, batch=100, clock=clock)
    yield sealer
    sealer.close()


# --- where it stands ------------------------------------------------------------------------------------------------


def test_the_floor_rises_when_every_older_transaction_has_ended() -> None:
    floor = Floor()
    assert floor.look(0) == FROM_THE_START
    floor.note(0, Seen(highest_id=500, xid=70, oldest_open=68, open=(68,)), full=False)
    assert floor.look(0.01) == FROM_THE_START
    floor.note(0.01, Seen(highest_id=510, xid=72, oldest_open=70, open=()), full=False)
    assert floor.look(0.02) == Look(500, 500)


def test_the_floor_passes_a_transaction_that_stays_open_and_names_it() -> None:
    floor = Floor()
    floor.look(0)
    floor.note(0, Seen(highest_id=500, xid=70, oldest_open=68, open=(68,)), full=False)
    floor.note(0.9, Seen(highest_id=None, xid=None, oldest_open=68, open=(68, 75)), full=False)
    assert floor.look(0.9) == FROM_THE_START
    floor.note(1, Seen(highest_id=None, xid=None, oldest_open=68, open=(68, 75)), full=False)
    assert floor.look(1) == Look(floor=500, settled=-1, named=(68,))
    floor.note(2, Seen(highest_id=None, xid=None, oldest_open=75, open=(75,)), full=False)
    assert floor.look(2) == Look(floor=500, settled=-1, named=())


def test_the_floor_does_not_rise_above_where_a_full_batch_ended() -> None:
    floor = Floor()
    floor.note(0, Seen(highest_id=500, xid=70, oldest_open=68, open=(68,)), full=False)
    floor.look(0)
    floor.note(1, Seen(highest_id=400, xid=80, oldest_open=75, open=()), full=True)
    assert floor.look(1) == Look(400, 400)


def test_the_floor_stays_when_another_sealer_has_taken_a_full_batch() -> None:
    floor = Floor()
    floor.note(0, Seen(highest_id=500, xid=70, oldest_open=68, open=(68,)), full=False)
    floor.look(0)
    floor.note(1, Seen(highest_id=None, xid=80, oldest_open=75, open=()), full=True)
    assert floor.look(1) == FROM_THE_START


def test_now_and_then_the_whole_queue_is_looked_at() -> None:
    floor = Floor()
    floor.look(0)
    floor.note(0, Seen(highest_id=500, xid=70, oldest_open=90, open=()), full=False)
    assert floor.look(59.9) == Look(500, 500)
    assert floor.look(60) == FROM_THE_START
    assert floor.look(60.1) == Look(500, 500)


# --- what it promises, on a model of the queue ----------------------------------------------------------------------


@dataclass
class Queue:
    """Transactions that draw ids, as PostgreSQL has them, and a sealer that looks where its floor says."""

    floor: Floor = field(default_factory=Floor)
    now: float = 0.0
    next_id: int = 1
    next_xid: int = 1
    ended: int = 0  # the last of all that have
    open: dict[int, list[int]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)

    def begin(self, ids: int) -> None:
        xid = self._new_xid()
        self.open[xid] = []
        for _ in range(ids):
            self._draw(xid)

    def draw(self, number: int) -> None:
        if self.open:
            self._draw(sorted(self.open)[number % len(self.open)])

    def commit(self, number: int) -> None:
        self.waiting.update(self.abort(number))

    def abort(self, number: int) -> list[int]:
        if not self.open:
            return []
        xid = sorted(self.open)[number % len(self.open)]
        self.ended = max(self.ended, xid)
        return self.open.pop(xid)

    def wait(self, seconds: int) -> None:
        self.now += seconds

    def seal(self, most: int) -> None:
        look = self.floor.look(self.now)
        listed = tuple(sorted(xid for xid in self.open if xid <= self.ended))  # as a snapshot lists them
        above = look.settled if any(xid <= self.ended and xid not in listed for xid in look.named) else look.floor
        assert all(queue_id > above for queue_id in self.waiting), "committed, and not looked at"
        taken = sorted(self.waiting)[: most + 1]
        oldest_open = min(listed, default=self.ended + 1)
        seen = Seen(max(taken, default=None), self._new_xid() if taken else None, oldest_open, listed)
        self.waiting -= set(taken)
        self.ended = max(self.ended, seen.xid or 0)
        self.floor.note(self.now, seen, full=len(taken) == most + 1)

    def _draw(self, xid: int) -> None:
        self.open[xid].append(self.next_id)
        self.next_id += 1

    def _new_xid(self) -> int:
        self.next_xid += 1
        return self.next_xid - 1


_VERBS = "begin begin draw draw commit commit abort seal seal wait".split()


def test_whatever_is_committed_is_looked_at_next() -> None:
    """On random walks: where it goes wrong are rare meetings of long transactions, full batches and time."""
    for seed in range(4000):
        chance, queue = random.Random(seed), Queue()  # noqa: S311 - no secret
        for _ in range(chance.randrange(60)):
            getattr(queue, chance.choice(_VERBS))(chance.randrange(4))
        queue.begin(1)
        while queue.open:
            queue.commit(0)
        while queue.waiting:
            queue.seal(3)
        queue.seal(3)
        queue.floor.look(queue.now)  # which may be of the whole queue
        assert queue.floor.look(queue.now)[::2] == (queue.next_id - 1, ())


# --- what it promises, in the database ------------------------------------------------------------------------------


@pytest.fixture
def late(database: str, app: Connection[TupleRow], sealer: Sealer, clock: Clock) -> tuple[Connection[TupleRow], UUID]:
    """A transaction that has put version 1 of a stream into the queue; the floor has passed it."""
    stream = uuid4()
    append(app, stream, 1)
    write(database, uuid4())
    assert sealer.seal_once() == 1
    clock.now += 10
    assert sealer.seal_once() == 0
    return app, stream


def write(database: str, stream: UUID, version: int = 1) -> None:
    with connect(database, "dossier_app") as connection:
        append(connection, stream, version)


def test_a_late_commit_below_the_floor_is_in_the_next_batch(
    database: str, late: tuple[Connection[TupleRow], UUID], sealer: Sealer
) -> None:
    connection, _ = late
    connection.commit()
    assert sealer.seal_once() == 1
    check_log(database)


def test_what_is_recorded_after_a_late_commit_is_sealed_after_it(
    database: str, late: tuple[Connection[TupleRow], UUID], sealer: Sealer
) -> None:
    """Its own stream goes on above the floor, and so does another, whose writer has read the late event."""
    connection, stream = late
    connection.commit()
    write(database, stream, 2)
    write(database, other := uuid4())
    assert sealer.seal_once() == 3
    assert [row[1:3] for row in log_of(database)][1:] == [(stream, 1), (stream, 2), (other, 1)]
    check_log(database)


def test_many_late_commits_are_taken_in_full_batches(
    database: str, late: tuple[Connection[TupleRow], UUID], sealer: Sealer
) -> None:
    connection, stream = late
    for version in range(2, 252):
        append(connection, stream, version)
    connection.commit()
    assert [sealer.seal_once() for _ in range(4)] == [100, 100, 51, 0]
    check_log(database)


def put_by_hand(database: str, stream: UUID, version: int) -> None:
    """What repairs a queue: an event's row under an id of long ago."""
    with psycopg.connect(database) as administrator:
        append(administrator, stream, version)
        administrator.execute("DELETE FROM ledger.unsealed WHERE stream = %s", [stream])
        administrator.execute(
            "INSERT INTO ledger.unsealed OVERRIDING SYSTEM VALUE VALUES (0, %s, %s, now())", [stream, version]
        )


def test_a_row_put_by_hand_below_the_floor_is_found_within_a_minute(
    database: str, sealer: Sealer, clock: Clock
) -> None:
    settle(database, sealer)
    put_by_hand(database, uuid4(), 1)
    clock.now += 60
    assert sealer.seal_once() == 1
    check_log(database)


def test_a_row_put_by_hand_below_the_floor_is_found_after_a_lost_connection(database: str, sealer: Sealer) -> None:
    settle(database, sealer)
    put_by_hand(database, uuid4(), 1)
    sealer.close()
    assert sealer.seal_once() == 1
    check_log(database)


def test_a_version_above_the_floor_waits_for_its_predecessor_put_by_hand_below(database: str, sealer: Sealer) -> None:
    settle(database, sealer)
    stream = uuid4()
    put_by_hand(database, stream, 1)
    write(database, stream, 2)
    assert seal_all(sealer) == 2  # not version 2 alone, which would stand before version 1
    check_log(database)


def settle(database: str, sealer: Sealer) -> None:
    """Let the floor rise above an event, as it does unless another test's transaction is open all the while."""
    write(database, uuid4())
    assert [sealer.seal_once() for _ in range(3)] == [1, 0, 0]
