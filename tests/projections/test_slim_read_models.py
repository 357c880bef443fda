"""The migration that took from read.events what its columns said twice: what was stored before is shown as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import psycopg
import pytest

from db.migrate import MIGRATIONS, migrate
from domain.events import RecordedEvent
from domain.events.envelope import Certainty, Evidence, Reason, Source, SourceKind
from projections.differences import row_differences
from projections.events import body_of
from projections.expected import EVENTS, expected_rows
from projections.moves import Positioned
from tests.make import Stream, at
from tests.server import TestServer

SLIM = "0006_slim_read_models"
WIDE_ROW = """
    INSERT INTO read.events (customer_id, version, position, event_id, type, is_decision, actor, recorded_at,
                             effective_from, effective_to, body)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@pytest.fixture
def events() -> list[RecordedEvent]:
    """One that says as little as possible, and one that says all."""
    stream = Stream()
    stream.attribute("a", {"null": None, "list": [1, 1.5, "ü"]})
    stream.attribute(
        "b",
        False,
        at("2026-01-01"),
        effective_to=at("2027-01-01"),
        observed_at=at("2026-01-02"),
        source=Source(kind=SourceKind.VISIT),
        reason=Reason(text="said so"),
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
    with server.database(template="template0") as conninfo:
        migrate(conninfo, tmp_path)
        with psycopg.connect(conninfo) as connection:
            for position, event in enumerate(events, start=1):
                connection.execute(WIDE_ROW, _wide(position, event))
        assert migrate(conninfo)[0] == SLIM
        with psycopg.connect(conninfo) as connection:
            shown = connection.execute(
                "SELECT read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,"
                " event_id, is_decision, type, envelope, data) FROM read.events ORDER BY position"
            ).fetchall()
            held = connection.execute("SELECT envelope::text, data::text FROM read.events ORDER BY position").fetchall()
    assert [orjson.loads(text) for (text,) in shown] == [
        orjson.loads(body_of(position, event)) for position, event in enumerate(events, start=1)
    ]
    expected = expected_rows([Positioned.of(*each) for each in enumerate(events, start=1)], {EVENTS: len(events)})
    rows = [(*row[:10], *columns) for row, columns in zip(expected[EVENTS], held, strict=True)]
    assert list(row_differences(EVENTS, events[0].envelope.customer_id, expected[EVENTS], rows)) == []


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
