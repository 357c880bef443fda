"""The migrations of read.events: what its columns said twice went, what moved slots came; all is shown as before."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from db.migrate import MIGRATIONS, migrate
from db.queries import load
from domain.events import RecordedEvent
from domain.events.contacts import AddressChanged, AddressKind, ContactAdded
from domain.events.envelope import Certainty, Evidence, Reason, Source, SourceKind
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from domain.facts import ABSENT
from domain.shown import MARKS
from projections.changes import kind_of
from projections.differences import row_differences
from projections.events import body_of
from projections.expected import CHANGES, EVENTS, Followed, Row, expected_rows
from projections.moves import Move, Positioned
from projections.purge import whole
from tests.make import Stream, at
from tests.projections.histories import LONG_TEXTS
from tests.server import TestServer

COMPARISON: Final = load("projections", "comparison.sql")
SLIM = "0006_slim_read_models"
WIDE_ROW = """
    INSERT INTO read.events (customer_id, version, position, event_id, type, is_decision, actor, recorded_at,
                             effective_from, effective_to, body)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
WIDE_CHANGE = """
    INSERT INTO read.changes (customer_id, version, position, slot, kind, old, new, old_absent, new_absent, old_version)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@pytest.fixture
def events() -> list[RecordedEvent]:
    """One that says as little as possible, one that moves several slots and is sensitive, and one that says all.

    Among them some that move slots to long texts, one of them several at once.
    """
    stream = Stream()
    for text in LONG_TEXTS:
        stream.attribute("text", text)
    stream.attribute("text", {"new": LONG_TEXTS[0]})
    stream.add(ContactAdded(contact_id=uuid7(), name="采购" * 50, title="采购" * 60, department="采购" * 60))
    stream.attribute("a", {"null": None, "list": [1, 1.5, "ü"]})
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    stream.add(ContactAdded(contact_id=uuid7(), name='Li "Si"', title="CFO"))
    stream.add(AddressChanged(address_kind=AddressKind.HOME, country="CN", lines=("No. 1",)))
    stream.attribute(
        "b",
        False,
        at("2026-01-01"),
        effective_to=at("2027-01-01"),
        observed_at=at("2026-01-02"),
        source=Source(kind=SourceKind.VISIT),
        reason=Reason(text='he said "so, so": \\'),
        evidence=(Evidence(note="seen"),),
        certainty=Certainty.POSSIBILITY,
        probability=0.5,
        correlation_id="c",
        causation_id="d",
        request_id="e",
        idempotency_key="f",
        initial_load=True,
    )
    return stream.events


def test_what_was_stored_before_is_shown_as_before(
    server: TestServer, tmp_path: Path, events: list[RecordedEvent]
) -> None:
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.stem < SLIM:
            shutil.copy(path, tmp_path)
    known = [Positioned.of(*each) for each in enumerate(events, start=1)]
    expected = expected_rows(known, dict.fromkeys((EVENTS, CHANGES), len(events)))
    with server.database(template="template0") as conninfo:
        migrate(conninfo, tmp_path)
        with psycopg.connect(conninfo) as connection:
            for position, event in enumerate(events, start=1):
                connection.execute(WIDE_ROW, _wide(position, event))
            for move in whole(known).moves.moves:
                connection.execute(WIDE_CHANGE, _wide_change(move))
        assert migrate(conninfo)[0] == SLIM
        with psycopg.connect(conninfo) as connection:
            shown = connection.execute(
                "SELECT read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,"
                " event_id, is_decision, type, envelope, data) FROM read.events ORDER BY position"
            ).fetchall()
            connection.execute(COMPARISON["speak_plainly"])
            held = {table: _rows(connection, table) for table in (EVENTS, CHANGES)}
    assert [orjson.loads(text) for (text,) in shown] == [
        orjson.loads(body_of(position, event)) for position, event in enumerate(events, start=1)
    ]
    envelopes = [sorted(sorted(str(row[13])) for row in rows[EVENTS]) for rows in (held, expected)]
    assert envelopes[0] == envelopes[1]  # without spaces, but for those that somebody wrote
    assert len(held[CHANGES]) > len(events)
    for table, rows in held.items():
        assert list(row_differences(table, events[0].envelope.customer_id, expected[table], rows)) == []


def test_rows_said_that_they_may_be_sensitive_by_the_marks_of_today() -> None:
    """Where this fails, a new migration makes `may_be_sensitive` anew, and is what is looked into here from then on."""
    migration = (MIGRATIONS / "0018_items_as_text.sql").read_text()
    (found,) = re.findall(r"\[\"/\]\(([^)]+)\)\[\"/\]", migration)
    assert found.split("|") == [mark.decode() for mark in MARKS]


def _rows(connection: psycopg.Connection[Any], table: Followed) -> list[Row]:
    return connection.execute(
        sql.SQL(COMPARISON[table.name]).format(table=sql.Identifier("read", table.name)),
        {"customer_ids": None},
    ).fetchall()


def _wide_change(move: Move) -> list[object]:
    before, after = (None if fact is None or fact.value is ABSENT else Jsonb(fact.value) for fact in move[-2:])
    was_absent, is_absent = (fact is not None and fact.value is ABSENT for fact in move[-2:])
    envelope = move.event.envelope
    return [
        envelope.customer_id, envelope.version, move.position, move.slot, kind_of(move), before, after, was_absent,
        is_absent, move.before.version if move.before else None,
    ]  # fmt: skip


def _wide(position: int, event: RecordedEvent) -> list[object]:
    envelope, payload = event.envelope, event.payload
    return [
        envelope.customer_id,
        envelope.version,
        position,
        envelope.event_id,
        payload.type,
        payload.decision,
        envelope.actor.id,
        envelope.recorded_at,
        envelope.effective_from,
        envelope.effective_to,
        body_of(position, event).decode(),
    ]
