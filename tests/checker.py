"""The one checker: everything that must hold of the database, whatever happened before.

`check_stored` looks at what a write leaves at once: evidence, current profiles, identifiers, idempotency keys.
`check` also lets the log and the read models come to rest and holds them against the evidence and the oracle.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import StoredEvent

from domain.events import RecordedEvent
from domain.facts import ABSENT, same_json
from domain.file import CustomerFile
from domain.fold import History
from ledger import codec
from ledger.frame import framed
from ledger.kek import FileKek
from projections.events import body_of
from projections.profile import ProfileView
from tests import oracle

PATIENCE_SECONDS = 60.0
_POINTS = 12
"""(known, valid) points of a customer at which the rectangles are compared with the oracle, which is slow."""

Connection = psycopg.Connection[Any]
Streams = dict[UUID, list[RecordedEvent]]


def check(conninfo: str, kek: FileKek) -> None:
    """Wait until all is sealed and projected, then verify everything."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _wait_for_rest(connection)
    files = check_stored(conninfo, kek)
    with psycopg.connect(conninfo) as connection:
        streams = _streams(connection, kek)
        positions = _check_log(connection, streams)
        _check_events(connection, streams, positions)
        _check_changes(connection, streams)
        _check_profiles_by_oracle(streams, files)
        _check_rectangles(connection, streams, positions)


def check_stored(conninfo: str, kek: FileKek) -> dict[UUID, CustomerFile]:
    """What must hold at any moment of the rows that writes leave; the files folded from their streams."""
    with psycopg.connect(conninfo) as connection:
        streams = _streams(connection, kek)
        _check_in_line_once(connection, streams)
        _check_remembered(connection, streams)
        files = {customer_id: CustomerFile.folded(customer_id, events) for customer_id, events in streams.items()}
        _check_profiles(connection, files)
        held = connection.execute("SELECT scheme, value, customer_id FROM read.identifier").fetchall()
    claimed = [(*claim, customer_id) for customer_id, file in files.items() for claim in file.claims()]
    assert sorted(held) == sorted(claimed)
    return files


# --- what writes leave ----------------------------------------------------------------------------------------------


def _streams(connection: Connection, kek: FileKek) -> Streams:
    """Every stream, decrypted (which compares rows with entries): contiguous from 1, and never going back in time."""
    wrapped = connection.execute("SELECT subject, kek, wrapped FROM keys.subject_key WHERE state = 'active'")
    data_keys = {subject: kek.unwrap(subject, name, key) for subject, name, key in wrapped}
    parts: dict[tuple[UUID, int], list[tuple[int, bytes]]] = defaultdict(list)
    for stream, version, part, ct in connection.execute("SELECT * FROM ledger.payload ORDER BY stream, version, part"):
        parts[stream, version].append((part, ct))
    streams: Streams = defaultdict(list)
    for stream, version, name, entry in connection.execute("SELECT * FROM ledger.event ORDER BY stream, version"):
        stored = StoredEvent(stream, version, name, framed(entry, parts.pop((stream, version))))
        streams[stream].append(codec.decode(stored, data_keys))
    assert not parts, "a part without its event"
    for events in streams.values():
        assert [event.envelope.version for event in events] == list(range(1, len(events) + 1))
        times = [event.envelope.recorded_at for event in events]
        assert times == sorted(times)
    return dict(streams)


def _check_in_line_once(connection: Connection, streams: Streams) -> None:
    """Every event is sealed or waits for it, once, a stream's in their order."""
    in_line: dict[UUID, list[int]] = defaultdict(list)
    sealed = connection.execute("SELECT stream, version FROM ledger.log ORDER BY idx").fetchall()
    waiting = connection.execute("SELECT stream, version FROM ledger.unsealed ORDER BY id").fetchall()
    for stream, version in sealed + waiting:
        in_line[stream].append(version)
    assert in_line == {stream: [event.envelope.version for event in events] for stream, events in streams.items()}


def _check_remembered(connection: Connection, streams: Streams) -> None:
    """Each idempotency key points at exactly the events recorded under it."""
    remembered = connection.execute("SELECT key, stream, first_version, last_version FROM ledger.idempotency")
    recorded: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for stream, events in streams.items():
        for event in events:
            if event.envelope.idempotency_key is not None:
                recorded[event.envelope.idempotency_key].append((stream, event.envelope.version))
    assert recorded == {
        key: [(stream, version) for version in range(first, last + 1)] for key, stream, first, last in remembered
    }


def _check_profiles(connection: Connection, files: dict[UUID, CustomerFile]) -> None:
    """Each row is what the whole stream folds to."""
    rows = connection.execute(
        "SELECT customer_id, version, profile_version, boundaries, as_of, fold_version, state, next_boundary"
        " FROM read.profile"
    ).fetchall()
    assert {row[0] for row in rows} == files.keys()
    for row in rows:
        file = files[row[0]]
        file.history = None
        assert ProfileView().decode(row[:7]) == file
        assert row[7] == file.next_boundary()


# --- what follows the writes ----------------------------------------------------------------------------------------


def _wait_for_rest(connection: Connection) -> None:
    """Until nothing waits for the sealer and every read model stands at the end of the log."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _at_rest(connection):
        assert time.monotonic() < deadline, "the read models do not reach the end of the log"
        time.sleep(0.05)


def _at_rest(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT NOT EXISTS (SELECT FROM ledger.unsealed)"
        " AND (SELECT count(*) = 3 AND min(position) = max(position) AND max(position)"
        " = coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) FROM read.tracking)"
    ).fetchone()
    return row == (True,)


def _check_log(connection: Connection, streams: Streams) -> dict[tuple[UUID, int], int]:
    """Dense from 0, the hash of each entry, `known_at` the running maximum, ticks included; each event's position."""
    rows = connection.execute(
        "SELECT idx, stream, version, hash, known_at, entry FROM ledger.log JOIN ledger.event USING (stream, version)"
        " ORDER BY idx"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(sum(map(len, streams.values()))))
    checkpoints = deque(connection.execute("SELECT size, made_at FROM ledger.checkpoint ORDER BY made_at").fetchall())
    latest = datetime.min.replace(tzinfo=UTC)
    for idx, stream, version, digest, known_at, entry in rows:
        while checkpoints and checkpoints[0][0] <= idx:  # of the log before this event
            latest = max(latest, checkpoints.popleft()[1])
        latest = max(latest, streams[stream][version - 1].envelope.recorded_at)
        assert known_at == latest
        assert digest == hashlib.sha256(b"\x00" + entry).digest()
    return {(stream, version): idx + 1 for idx, stream, version, *_ in rows}


def _check_events(connection: Connection, streams: Streams, positions: dict[tuple[UUID, int], int]) -> None:
    """One row per event, saying what the event says."""
    rows = connection.execute("SELECT customer_id, version, position, body::text FROM read.events").fetchall()
    assert {(row[0], row[1]): row[2] for row in rows} == positions
    for customer_id, version, position, body in rows:
        expected = body_of(position, streams[customer_id][version - 1])
        assert same_json(orjson.loads(body), orjson.loads(expected))


def _check_changes(connection: Connection, streams: Streams) -> None:
    """One row per event and slot that it speaks of, or takes back."""
    rows = connection.execute("SELECT customer_id, version, slot FROM read.changes").fetchall()
    expected = set()
    for customer_id, events in streams.items():
        history = History()
        expected |= {(customer_id, event.envelope.version, slot) for event in events for slot in history.apply(event)}
    assert set(rows) == expected
    assert len(rows) == len(expected)


def _check_profiles_by_oracle(streams: Streams, files: dict[UUID, CustomerFile]) -> None:
    """The current profile shows what the oracle says, now and at every boundary ahead."""
    for customer_id, events in streams.items():
        file = files[customer_id]
        for instant in [file.as_of, *(segment.start for segment in file.pending(file.as_of))]:
            shown = {slot: fact.value for slot, fact in file.visible(instant).items()}
            assert same_json(shown, oracle.state(events, instant)), customer_id


@dataclass(frozen=True)
class _Rectangle:
    slot: str
    value: Any
    version: int
    valid: tuple[datetime, datetime | None]
    positions: tuple[int, int | None]

    def covers(self, position: int, instant: datetime) -> bool:
        (start, end), (opened, closed) = self.valid, self.positions
        is_known = opened <= position and (closed is None or position < closed)
        return is_known and start <= instant and (end is None or instant < end)


def _check_rectangles(connection: Connection, streams: Streams, positions: dict[tuple[UUID, int], int]) -> None:
    """At boundaries and at random points, the one rectangle per slot says what the oracle says."""
    rectangles: dict[UUID, list[_Rectangle]] = defaultdict(list)
    for customer_id, slot, value, absent, version, start, end, opened, closed in connection.execute(
        "SELECT customer_id, slot, value::text, absent, version, lower(valid), upper(valid), lower(positions),"
        " upper(positions) FROM read.facts"
    ):
        content = ABSENT if absent else orjson.loads(value)
        rectangles[customer_id].append(_Rectangle(slot, content, version, (start, end), (opened, closed)))
    assert rectangles.keys() <= streams.keys()
    chance = random.Random(0)  # noqa: S311 - no secret
    for customer_id, events in streams.items():
        for version, instant in _points(events, chance):
            position = positions[customer_id, version]
            held = [each for each in rectangles[customer_id] if each.covers(position, instant)]
            expected = oracle.holders(events[:version], instant)
            assert len(held) == len(expected)
            assert {each.slot: each.version for each in held} == {
                slot: event.envelope.version for slot, event in expected.items()
            }
            for each in held:
                assert same_json(each.value, oracle.event_value(expected[each.slot], each.slot))


def _points(events: Sequence[RecordedEvent], chance: random.Random) -> list[tuple[int, datetime]]:
    """The newest version at the newest boundary and long after it, and some points anywhere."""
    stated = [(event.envelope.effective_from, event.envelope.effective_to) for event in events]
    boundaries = sorted({instant for pair in stated for instant in pair if instant is not None})
    if not boundaries:
        return []
    instants = boundaries + [instant - timedelta(microseconds=1) for instant in boundaries]
    span = (boundaries[-1] - boundaries[0]).total_seconds()
    instants += [boundaries[0] + timedelta(seconds=chance.uniform(-1, span + 1)) for _ in range(_POINTS)]
    newest = [(len(events), boundaries[-1]), (len(events), boundaries[-1] + timedelta(days=1))]
    points = [(chance.randint(1, len(events)), chance.choice(instants)) for _ in range(_POINTS)]
    return newest + points
