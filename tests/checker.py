"""The one checker: everything that must hold of the database, whatever happened before.

It stands on the product's own verification (projections/verify.py), which must find nothing, and on what the product is
not trusted with: the naive oracle (tests/oracle.py) says what profiles, rectangles and changes must show, and the log
is computed once more. `check_stored` looks at what a write leaves at once: evidence, current profiles, identifiers,
idempotency keys. `check` also lets the log and the read models come to rest and looks at all of it.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import StoredEvent

from domain.events import RecordedEvent
from domain.events.privacy import ErasedContent
from domain.facts import ABSENT, same_json
from domain.file import CustomerFile
from domain.fold import History
from ledger import codec
from ledger.epochs import LOG_STREAM
from ledger.frame import framed
from ledger.kek import KeyEncryptionKey
from ledger.verify import SnapshotKeys, one_moment
from projections.comparison import FOLLOWED, INLINE, hold_tables
from projections.events import body_of
from projections.profile import decode
from projections.verify import verify
from tests import oracle
from tests.ledger.naive_tree import root_of

PATIENCE_SECONDS = 60.0
_POINTS = 12
"""(known, valid) points of a customer at which the rectangles are compared with the oracle, which is slow."""

Connection = psycopg.Connection[Any]
Streams = dict[UUID, list[RecordedEvent]]


def check(conninfo: str, kek: KeyEncryptionKey) -> None:
    """Wait until all is sealed and projected, then verify everything."""
    while not _checked_at_rest(conninfo, kek):  # what was read before is written down a second later
        pass


def _checked_at_rest(conninfo: str, kek: KeyEncryptionKey) -> bool:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _wait_for_rest(connection)
    with one_moment(conninfo) as connection:
        hold_tables(connection)
        if not _at_rest(connection):
            return False
        check_at_rest(connection, kek)
        return True


def check_stored(conninfo: str, kek: KeyEncryptionKey) -> dict[UUID, CustomerFile]:
    """What must hold at any moment of the rows that writes leave; the files folded from their streams."""
    with one_moment(conninfo) as connection:
        assert_verified(connection, kek, INLINE)
        return _check_stored(connection, _streams(connection, kek))


def check_at_rest(connection: Connection, kek: KeyEncryptionKey) -> None:
    """Everything, as the transaction of `connection` sees it, when nothing is on its way any more."""
    assert_verified(connection, kek, (*FOLLOWED, *INLINE))
    check_independently(connection, kek)


def check_independently(connection: Connection, kek: KeyEncryptionKey) -> None:
    """What the product is not trusted with."""
    every = _streams(connection, kek)
    positions = _check_log(connection, every)
    _check_stored(connection, every)
    streams = _of_customers(every)
    positions = {(stream, version): idx for (stream, version), idx in positions.items() if stream in streams}
    _check_profiles(connection, streams)
    _check_events(connection, streams, positions)
    _check_changes(connection, streams, positions)
    _check_tallies(connection)
    _check_rectangles(connection, streams, positions)


def assert_verified(connection: Connection, kek: KeyEncryptionKey, read_models: Collection[str]) -> None:
    """The product itself finds nothing wrong."""
    findings = list(verify(connection, SnapshotKeys(connection, kek), read_models=read_models))
    assert not findings, "\n".join(f"{finding.check}: {finding.place} {finding.detail}" for finding in findings)


# --- what writes leave ----------------------------------------------------------------------------------------------


def _streams(connection: Connection, kek: KeyEncryptionKey) -> Streams:
    """Every stream but the log's own, decrypted but for what it has erased."""
    wrapped = connection.execute("SELECT subject, kek, wrapped FROM keys.subject_key WHERE state = 'active'")
    data_keys = {subject: kek.unwrap(subject, name, key) for subject, name, key in wrapped}
    parts: dict[tuple[UUID, int], list[tuple[int, bytes]]] = defaultdict(list)
    for stream, version, part, ct in connection.execute("SELECT * FROM ledger.payload ORDER BY stream, version, part"):
        parts[stream, version].append((part, ct))
    stored: dict[UUID, list[StoredEvent]] = defaultdict(list)
    query = "SELECT * FROM ledger.event WHERE stream <> %s ORDER BY stream, version"
    for stream, version, name, entry in connection.execute(query, [LOG_STREAM]):
        stored[stream].append(StoredEvent(stream, version, name, framed(entry, parts.pop((stream, version), []))))
    assert not parts, "a part without its event"
    erased = {stream: codec.erasures_in(events) for stream, events in stored.items()}
    return {
        stream: [codec.decode(event, data_keys, erased[stream]) for event in events]
        for stream, events in stored.items()
    }


def _of_customers(streams: Streams) -> Streams:
    """Those of customers; what the service's own streams hold is one kind of events each."""
    kinds = {stream: {event.payload.type.partition(".")[0] for event in events} for stream, events in streams.items()}
    assert all(len(kinds_of_stream) == 1 for kinds_of_stream in kinds.values())
    return {stream: events for stream, events in streams.items() if kinds[stream] == {"customer"}}


def _check_stored(connection: Connection, streams: Streams) -> dict[UUID, CustomerFile]:
    """What the streams say is in line, remembered and held; the files that they fold to."""
    _check_in_line_once(connection, streams)
    _check_remembered(connection, streams)
    of_customers = _of_customers(streams).items()
    files = {customer_id: CustomerFile.folded(customer_id, events) for customer_id, events in of_customers}
    held = connection.execute("SELECT scheme, value, customer_id FROM read.identifier").fetchall()
    claimed = [(*claim, customer_id) for customer_id, file in files.items() for claim in file.claims()]
    assert sorted(held) == sorted(claimed)
    for file in files.values():
        file.history = None
    return files


def _check_in_line_once(connection: Connection, streams: Streams) -> None:
    """Every event is sealed or waits for it, once, a stream's in their order."""
    in_line: dict[UUID, list[int]] = defaultdict(list)
    sealed = connection.execute("SELECT stream, version FROM ledger.log ORDER BY idx").fetchall()
    waiting = connection.execute("SELECT stream, version FROM ledger.unsealed ORDER BY id").fetchall()
    for stream, version in sealed + waiting:
        in_line[stream].append(version)
    in_line.pop(LOG_STREAM, None)
    assert in_line == {stream: [event.envelope.version for event in events] for stream, events in streams.items()}


def _check_remembered(connection: Connection, streams: Streams) -> None:
    """Each idempotency key points at exactly the events recorded under it."""
    recorded: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for stream, events in streams.items():
        for event in events:
            if event.envelope.idempotency_key is not None:
                recorded[event.envelope.idempotency_key].append((stream, event.envelope.version))
    spans = {key: (*places[0], places[-1][1]) for key, places in recorded.items()}
    for key, (stream, first, last) in spans.items():
        assert recorded[key] == [(stream, version) for version in range(first, last + 1)]
    remembered = connection.execute("SELECT key, stream, first_version, last_version FROM ledger.idempotency")
    # The key of an event that was erased as a whole is gone with it.
    known = [row for row in remembered if not isinstance(streams[row[1]][row[2] - 1].payload, ErasedContent)]
    assert {key: tuple(span) for key, *span in known} == spans


def _check_profiles(connection: Connection, streams: Streams) -> None:
    """Each row shows what the oracle says, as of the row's own instant and at every boundary ahead."""
    rows = connection.execute(
        "SELECT customer_id, version, profile_version, boundaries, as_of, fold_version, state FROM read.profile"
    ).fetchall()
    assert {row[0] for row in rows} == streams.keys()
    for row in rows:
        file, events = decode(row[0], row[1:]), streams[row[0]]
        assert file is not None
        assert (file.version, file.as_of) == (len(events), events[-1].envelope.recorded_at)
        for instant in [file.as_of, *(segment.start for segment in file.pending(file.as_of))]:
            shown = {slot: fact.value for slot, fact in file.visible(instant).items()}
            assert same_json(shown, oracle.state(events, instant)), row[0]


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
        " AND (SELECT count(*) = 6 AND min(position) = max(position) AND max(position)"
        " = coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) FROM read.tracking)"
    ).fetchone()
    return row == (True,)


def _check_log(connection: Connection, streams: Streams) -> dict[tuple[UUID, int], int]:
    """Dense from 0, the hash of each entry, `known_at` the running maximum, ticks included; each event's position."""
    rows = connection.execute(
        "SELECT idx, stream, version, hash, known_at, entry FROM ledger.log JOIN ledger.event USING (stream, version)"
        " ORDER BY idx"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert sum(row[1] != LOG_STREAM for row in rows) == sum(map(len, streams.values()))
    checkpoints = deque(connection.execute("SELECT size, made_at FROM ledger.checkpoint ORDER BY made_at").fetchall())
    latest = datetime.min.replace(tzinfo=UTC)
    for idx, _, _, digest, known_at, entry in rows:
        while checkpoints and checkpoints[0][0] <= idx:  # of the log before this event
            latest = max(latest, checkpoints.popleft()[1])
        latest = max(latest, _recorded_at(entry))
        assert known_at == latest
        assert digest == hashlib.sha256(b"\x00" + entry).digest()
    _check_tree(connection, [digest for _, _, _, digest, *_ in rows])
    return {(stream, version): idx + 1 for idx, stream, version, *_ in rows if stream != LOG_STREAM}


def _recorded_at(entry: bytes) -> datetime:
    return datetime.fromisoformat(orjson.loads(entry)["recorded_at"])


def _check_tree(connection: Connection, leaves: Sequence[bytes]) -> None:
    """The root of every checkpoint, and every node, is what the definition of the tree gives."""
    for size, root in connection.execute("SELECT size, root FROM ledger.checkpoint").fetchall():
        assert root == root_of(leaves[:size])
    due = {(level, idx) for level in (1, 2) for idx in range(len(leaves) >> 8 * level)}
    nodes = connection.execute("SELECT level, idx, hash FROM ledger.node").fetchall()
    assert {(level, idx) for level, idx, _ in nodes} == due
    assert all(digest == root_of(leaves[idx << 8 * level : (idx + 1) << 8 * level]) for level, idx, digest in nodes)


def _check_events(connection: Connection, streams: Streams, positions: dict[tuple[UUID, int], int]) -> None:
    """One row per event, saying what the event says."""
    rows = connection.execute(
        "SELECT customer_id, version, position, read.event_json(customer_id, version, position, recorded_at,"
        " effective_from, effective_to, event_id, is_decision, type, envelope, data) FROM read.events"
    ).fetchall()
    assert {(row[0], row[1]): row[2] for row in rows} == positions
    for customer_id, version, position, body in rows:
        expected = body_of(position, streams[customer_id][version - 1])
        assert same_json(orjson.loads(body), orjson.loads(expected))


def _check_changes(connection: Connection, streams: Streams, positions: dict[tuple[UUID, int], int]) -> None:
    """One row per event and slot that it speaks of, or takes back; some of them say what the oracle says."""
    rows = connection.execute(
        "SELECT customer_id, version, slot, position, (told -> 'old')::text, old_version, (told -> 'new')::text"
        " FROM read.changes LEFT JOIN LATERAL ("
        "     SELECT changes.position, read.changes_json(events.changes, data, shared_from, shared_length)::json"
        "            -> place::integer AS told FROM read.events"
        "     WHERE events.customer_id = changes.customer_id AND events.version = changes.version"
        " ) AS event USING (position)"
        " WHERE told ->> 'path' = slot AND told ->> 'kind' = kind"
    ).fetchall()
    expected = set()
    for customer_id, events in streams.items():
        history = History()
        expected |= {(customer_id, event.envelope.version, slot) for event in events for slot in history.apply(event)}
    assert {row[:3] for row in rows} == expected
    assert len(rows) == len(expected)
    assert all(position == positions[customer_id, version] for customer_id, version, _, position, *_ in rows)
    of_customer: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for customer_id, *row in rows:
        of_customer[customer_id].append(tuple(row))
    chance = random.Random(0)  # noqa: S311 - no secret
    for customer_id, moved in of_customer.items():
        for version, slot, _, *said in chance.sample(moved, min(len(moved), _POINTS)):
            _check_change(streams[customer_id][:version], slot, *said)


def _check_tallies(connection: Connection) -> None:
    """Each says what the rectangles say at its point."""
    wrong = connection.execute("""
        SELECT * FROM read.tally
        WHERE customers <> (
            SELECT count(*) FROM read.facts
            WHERE slot = tally.slot AND code = tally.code AND NOT absent
                AND positions @> tally.position AND valid @> tally.valid_at
        )
    """).fetchall()
    assert wrong == []


def _check_change(
    known: Sequence[RecordedEvent], slot: str, old: str | None, old_version: int, new: str | None
) -> None:
    """What the slot held at the event's own effective time, without and with it; corrections have another instant."""
    event = known[-1].envelope
    if event.corrects or event.retracts or event.effective_from is None:
        return
    before = oracle.holders(known[:-1], event.effective_from).get(slot)
    after = oracle.holders(known, event.effective_from)[slot]
    assert old_version == (before.envelope.version if before else None)
    for said, holder in ((old, before), (new, after)):
        value = oracle.event_value(holder, slot) if holder else ABSENT
        assert same_json(ABSENT if said is None else orjson.loads(said), value)


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
    # A long text may stand in the content of the event alone.
    for customer_id, slot, value, absent, version, start, end, opened, closed in connection.execute(
        "SELECT customer_id, slot, coalesce(convert_to(value::text, 'UTF8'),"
        " substr(convert_to(data, 'UTF8'), shared_from, shared_length)),"
        " absent, version, lower(valid), upper(valid), lower(positions), upper(positions)"
        " FROM read.facts LEFT JOIN read.events USING (customer_id, version)"
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
