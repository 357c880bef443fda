"""Histories with long texts, and where these stand."""

from __future__ import annotations

import psycopg

from tests.make import Stream, at
from tests.projections.files import registered
from tests.projections.histories import LONG_TEXTS
from tests.projections.world import World

LONG, OTHER = LONG_TEXTS
TABLES = ("facts", "events", "changes")


def kept(world: World, stream: Stream, text: str) -> dict[str, int]:
    """In how many values of a stream's rows a text stands, by table and column."""
    with psycopg.connect(world.conninfo) as connection:
        rows = connection.execute(
            """
            SELECT concat_ws('.', of, name), count(*)
            FROM (
                SELECT 'events', customer_id, to_jsonb(events) FROM read.events
                UNION ALL SELECT 'facts', customer_id, to_jsonb(facts) FROM read.facts
                UNION ALL SELECT 'changes', customer_id, to_jsonb(changes) FROM read.changes
            ) AS row (of, customer_id, content), jsonb_each_text(content) AS said (name, value)
            WHERE customer_id = %s AND strpos(value, %s) > 0
            GROUP BY 1
            """,
            [stream.customer_id, text],
        ).fetchall()
    return dict(rows)


def a_stream() -> Stream:
    """One long text after another in a slot, then several in one event, one of which is told twice."""
    stream = registered()
    stream.attribute("note", LONG)
    stream.attribute("note", OTHER)
    stream.attribute("note", {"new": OTHER})
    stream.attribute("note", "short", at("2026-01-01"))
    return stream
