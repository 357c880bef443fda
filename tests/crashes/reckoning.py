"""The reckoning: what clients were told, held against what the database holds.

Every acknowledged order is there, whole, once, as it was answered; a refused one left nothing; and there is nothing
else. Together with the checker, which holds everything stored against itself, nothing is left to look at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import orjson
import psycopg

from tests.crashes.orders import Order

Connection = psycopg.Connection[Any]


def reckon(conninfo: str, orders: Sequence[Order], since: int = 0) -> int:
    """Hold all orders ever sent against the database, those from place `since` on one by one; the number of events."""
    assert [order for order in orders if order.answer is None] == []
    told = {order.key: _told(order) for order in orders if order.is_acknowledged}
    answered = {(stream, version): event_id for stream, events in told.values() for version, event_id in events}
    assert len(answered) == sum(len(events) for _, events in told.values()), "a version was given out twice"
    with psycopg.connect(conninfo) as connection:
        _look_closely(connection, orders[since:])
        assert connection.execute(_NUMBERS).fetchone() == (len(told), len(answered))
        assert connection.execute(_PARTLY_THERE).fetchall() == []
    return len(answered)


_NUMBERS = """
    SELECT (SELECT count(*) FROM ledger.idempotency),
           (SELECT count(*) FROM ledger.event WHERE starts_with(type, 'customer.'))
"""
_PARTLY_THERE = """
    SELECT stream, head, events, profile.version
    FROM (SELECT stream, max(version) AS head, count(*) AS events FROM ledger.event
          WHERE starts_with(type, 'customer.') GROUP BY stream) AS streams
    FULL JOIN read.profile ON profile.customer_id = stream
    WHERE (head = events AND profile.version = head) IS NOT TRUE
"""


def _look_closely(connection: Connection, orders: Sequence[Order]) -> None:
    told = {order.key: _told(order) for order in orders if order.is_acknowledged}
    remembered = _remembered(connection, [order.key for order in orders])
    assert remembered.keys() - told.keys() == set(), "an order took effect that was refused"
    assert told.keys() - remembered.keys() == set(), "an acknowledged order is lost"
    assert remembered == {key: (stream, ids[0][0], ids[-1][0]) for key, (stream, ids) in told.items()}
    answered = {(stream, version): event_id for stream, events in told.values() for version, event_id in events}
    assert _event_ids(connection, answered) == answered


def _told(order: Order) -> tuple[UUID, list[tuple[int, str]]]:
    """What an acknowledgement says was recorded: the stream, and each event's version and id."""
    assert order.answer is not None
    content = order.answer.content
    events = [(event["version"], event["event_id"]) for event in content["events"]]
    assert [version for version, _ in events] == list(range(events[0][0], content["version"] + 1))
    return UUID(content["customer_id"]), events


def _remembered(connection: Connection, keys: list[str]) -> dict[str, tuple[UUID, int, int]]:
    rows = connection.execute(
        "SELECT key, stream, first_version, last_version FROM ledger.idempotency WHERE key = ANY(%s)", [keys]
    )
    return {key: (stream, first, last) for key, stream, first, last in rows}


def _event_ids(connection: Connection, places: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    streams, versions = zip(*places, strict=True) if places else ((), ())
    rows = connection.cursor(binary=True).execute(
        "SELECT stream, version, entry FROM ledger.event"
        " JOIN unnest(%s::uuid[], %s::bigint[]) AS place (stream, version) USING (stream, version)",
        [list(streams), list(versions)],
    )
    return {(stream, version): orjson.loads(entry)["event_id"] for stream, version, entry in rows}
