"""Replays of streams from the evidence: against the oracle, and on evidence that was damaged."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.facts import ABSENT, same_json
from domain.replay import state_hash
from ledger.codec import DataKeys
from ledger.verify import SnapshotKeys
from projections.replay import MOST_PROBLEMS, Replaying, Sealed, sealed_events
from tests.damages import disarm
from tests.ledger.writing import KEK
from tests.make import Stream
from tests.oracle import state
from tests.projections.histories import streams
from tests.projections.world import World
from tests.told import ACME

_ON_POSTGRES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def replayed(
    connection: AsyncConnection[Any], keys: DataKeys, customer_id: UUID, first: int, last: int
) -> list[dict[str, Any]]:
    """All lines, the summary too."""
    replaying, after, text = Replaying(first, keys), 0, b""
    while after < last and (events := await sealed_events(connection, customer_id, after, last, 3)):
        text += b"".join(replaying.lines(events))
        after = events[-1].version
    return [orjson.loads(line) for line in (text + replaying.summary(last)).splitlines()]


@_ON_POSTGRES
@given(stream=streams(), data=st.data())
def test_a_replay_says_what_the_oracle_says(shared_world: World, stream: Stream, data: st.DataObject) -> None:
    shared_world.project(*stream.events)
    first = data.draw(st.integers(1, len(stream.events)))
    last = data.draw(st.integers(first, len(stream.events)))
    *lines, end = shared_world.read(
        lambda connection: replayed(connection, shared_world.keys, stream.customer_id, first, last)
    )
    assert [line["n"] for line in lines] == list(range(first, last + 1))
    for line in lines:
        event, number = stream.events[line["n"] - 1], line["n"]
        instant = event.envelope.recorded_at
        before, after = state(stream.events[: number - 1], instant), state(stream.events[:number], instant)
        assert (line["state_hash_before"], line["state_hash_after"]) == (state_hash(before), state_hash(after))
        assert line["changed"] == [
            slot
            for slot in sorted({*before, *after})
            if not same_json(before.get(slot, ABSENT), after.get(slot, ABSENT))
        ]
        assert (line["type"], line["event"]["event_id"]) == (event.payload.type, str(event.envelope.event_id))
        assert line["event"]["position"] == line["position"]
    final = lines[-1]["state_hash_after"]
    assert end == {"summary": {"events": last - first + 1, "final_hash": final, "log_ok": True, "problems": []}}


# --- damage ---------------------------------------------------------------------------------------------------------

_TAMPERED = "UPDATE ledger.payload SET ct = ct || '\\x00' WHERE stream = %(acme)s AND version = 7"
_OTHER_ACTOR = """
UPDATE ledger.event SET entry = convert_to(replace(convert_from(entry, 'UTF8'), '"u-118"', '"u-119"'), 'UTF8')
WHERE stream = %(acme)s AND version = 7
"""
_DAMAGES: dict[str, tuple[str, int, str]] = {
    "an event is gone": ("DELETE FROM ledger.event WHERE stream = %(acme)s AND version = 7", 7, "is in the log but"),
    "its place in the log is gone": ("DELETE FROM ledger.log WHERE stream = %(acme)s AND version = 7", 7, "is missing"),
    "the last place is gone": ("DELETE FROM ledger.log WHERE stream = %(acme)s AND version = 9", 9, "is missing, as"),
    "the log has another hash": ("UPDATE ledger.log SET hash = sha256('x') WHERE idx = 6", 7, "is not what the log"),
    "an entry was rewritten": (_OTHER_ACTOR, 7, "is not what the log"),
    "a part was altered": (_TAMPERED, 7, "part 0"),
    "a part is gone": ("DELETE FROM ledger.payload WHERE stream = %(acme)s AND version = 7", 7, "part 0"),
    "the key is gone": ("DELETE FROM keys.subject_key WHERE subject = %(acme)s", 1, "no data key"),
}


@pytest.mark.parametrize(("sql", "version", "detail"), _DAMAGES.values(), ids=_DAMAGES.keys())
def test_damaged_evidence_is_told_and_the_rest_is_replayed(told: str, sql: str, version: int, detail: str) -> None:
    with psycopg.connect(told) as connection:
        disarm(connection)
        assert connection.execute(sql.encode(), {"acme": ACME}).rowcount > 0
    *lines, end = _replayed_of(told)
    summary = end["summary"]
    assert not summary["log_ok"]
    assert (summary["problems"][0]["version"], detail in summary["problems"][0]["detail"]) == (version, True)
    assert summary["events"] == len(lines) >= 8
    unread = [line for line in lines if line["event"] is None]
    assert all(line["state_hash_before"] == line["state_hash_after"] for line in unread)
    assert all(line["changed"] == [] for line in unread)


def test_what_is_before_the_first_line_is_looked_at_as_well(told: str) -> None:
    with psycopg.connect(told) as connection:
        disarm(connection)
        connection.execute(_TAMPERED.encode(), {"acme": ACME})
    line, end = _replayed_of(told, first=9)
    assert line["event"]["data"]["value"] == 4
    assert [problem["version"] for problem in end["summary"]["problems"]] == [7]


def _replayed_of(conninfo: str, first: int = 1) -> list[dict[str, Any]]:
    async def ask(keys: DataKeys) -> list[dict[str, Any]]:
        async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
            return await replayed(connection, keys, ACME, first, 9)

    with psycopg.connect(conninfo) as connection:
        return asyncio.run(ask(SnapshotKeys(connection, KEK)))


def test_an_event_that_overtook_another_is_told_and_of_many_problems_the_first() -> None:
    replaying = Replaying(1, {})
    gone = [Sealed(version, 1000 - version, b"", None, b"") for version in range(1, 121)]
    assert len(list(replaying.lines(gone))) == 120
    summary = orjson.loads(replaying.summary(120))["summary"]
    assert (summary["log_ok"], len(summary["problems"])) == (False, MOST_PROBLEMS)
    told = [problem["detail"] for problem in summary["problems"]]
    assert told[1] == "has its place in the log before an earlier event of the stream"
