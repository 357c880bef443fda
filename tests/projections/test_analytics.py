"""docs/analytics.md is true: its statements, run by DuckDB over an export, bring what the read models say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import orjson
import psycopg
import pytest

import db
from db.queries import Queries, load
from domain.facts import same_json
from ledger.verify import one_moment
from projections.basis import known_by
from projections.comparison import hold_tables
from projections.export import export_facts
from projections.parquet_parts import Sizes
from tests.make import Stream
from tests.oracle import state
from tests.projections.portfolios import TIERS, instant, portfolio, recorded
from tests.projections.world import World, a_world
from tests.server import TestServer

DOCUMENT = Path(db.__file__).parent.parent / "docs" / "analytics.md"
_POINTS = 40

IN_TIER = """
    SELECT customer_id::text, value ->> 'code' FROM read.facts
     WHERE slot = '/tier/VALUE' AND NOT absent AND positions @> %s::bigint AND valid @> %s
     ORDER BY customer_id
"""


@dataclass(frozen=True)
class Exported:
    """A portfolio in the service's database, and in DuckDB over its export."""

    world: World
    streams: list[Stream]
    statements: Queries
    engine: duckdb.DuckDBPyConnection

    def ask(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self.engine.execute(self.statements[name], parameters).fetchall()

    def stored(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.world.conninfo) as connection:
            return connection.execute(statement, parameters).fetchall()

    def points(self) -> Iterator[tuple[int, datetime]]:
        """Random points of both times."""
        random = Random(7)  # noqa: S311 - no secret
        last = sum(len(stream.events) for stream in self.streams)
        for _ in range(_POINTS):
            yield random.randrange(last + 1), instant(random)


@pytest.fixture(scope="module")
def exported(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    streams = portfolio(3)
    base = tmp_path_factory.mktemp("analytics")
    with server.database() as database, a_world(database) as world, duckdb.connect() as engine:
        world.project(*recorded(streams))
        with one_moment(database) as connection:
            hold_tables(connection)
            export_facts(connection, base / "export", sizes=Sizes(group_rows=20, file_bytes=4000))
        engine.execute(f"SET file_search_path = '{base}'")
        statements = statements_of(DOCUMENT, base)
        for definition in ("facts", "log", "held_at", "showing_at"):
            engine.execute(statements[definition])
        yield Exported(world, streams, statements, engine)


def statements_of(document: Path, base: Path) -> Queries:
    """The named statements of its SQL blocks."""
    blocks = re.findall(r"^```sql\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (base / "analytics.sql").write_text("\n".join(blocks), encoding="utf-8")
    return load(base, "analytics.sql")


def test_every_statement_of_the_document_is_executed_here() -> None:
    names = set(re.findall(r"^-- name: (\w+)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    asked = set(re.findall(r'\.ask\(\s*"(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert names == asked | {"facts", "log", "held_at", "showing_at"}


def test_an_instant_is_the_position_that_the_service_takes_it_for(exported: Exported) -> None:
    for event in recorded(exported.streams)[::7]:
        for known_at in (event.envelope.recorded_at, event.envelope.recorded_at - timedelta(microseconds=1)):
            moment = exported.world.read(partial(known_by, known_at=known_at))
            assert exported.ask("position", known_at=known_at) == [(moment.position,)]


def test_tiers_are_counted_as_the_read_model_counts_them(exported: Exported) -> None:
    seen: Counter[str] = Counter()
    for position, valid_at in exported.points():
        counted = Counter(tier for _, tier in exported.stored(IN_TIER, position, valid_at))
        assert exported.ask("count_by_tier", position=position, valid_at=valid_at) == sorted(counted.items())
        seen.update(counted)
    assert seen.keys() == set(TIERS)


def test_the_customers_of_a_tier_are_those_of_the_read_model(exported: Exported) -> None:
    for position, valid_at in exported.points():
        for tier in TIERS:
            expected = [(customer, None, None) for customer, held in exported.stored(IN_TIER, position, valid_at)
                        if held == tier]  # fmt: skip
            assert exported.ask("customers_in_tier", position=position, valid_at=valid_at, tier=tier) == expected


def test_what_shows_is_what_the_oracle_says_shows(exported: Exported) -> None:
    positions = {event.envelope.event_id: place for place, event in enumerate(_sealed(exported), 1)}
    has_orphans = False
    for position, valid_at in exported.points():
        shown: dict[str, dict[str, Any]] = {}
        for customer, slot, value in exported.engine.execute(
            "SELECT customer_id, slot, value FROM showing_at(?, ?)", [position, valid_at]
        ).fetchall():
            shown.setdefault(customer, {})[slot] = orjson.loads(value)
        for stream in exported.streams:
            known = [event for event in stream.events if positions[event.envelope.event_id] <= position]
            assert same_json(shown.get(str(stream.customer_id), {}), state(known, valid_at))
        held = exported.engine.execute("SELECT count(*) FROM held_at(?, ?)", [position, valid_at]).fetchall()
        has_orphans = has_orphans or held[0][0] > sum(map(len, shown.values()))
    assert has_orphans


def test_contacts_that_were_removed_do_not_count(exported: Exported) -> None:
    positions = {event.envelope.event_id: place for place, event in enumerate(_sealed(exported), 1)}
    for position, valid_at in exported.points():
        expected = []
        for stream in sorted(exported.streams, key=lambda stream: str(stream.customer_id)):
            known = [event for event in stream.events if positions[event.envelope.event_id] <= position]
            titles = [slot for slot in state(known, valid_at) if re.fullmatch("/contacts/[^/]+/title", slot)]
            expected += [(str(stream.customer_id), len(titles))] * bool(titles)
        assert exported.ask("titled_contacts", position=position, valid_at=valid_at) == expected


def test_what_is_seen_differently_later_is_found(exported: Exported) -> None:
    differing = 0
    for position, valid_at in exported.points():
        later = position + 40
        before, after = (dict(exported.stored(IN_TIER, known, valid_at)) for known in (position, later))
        expected = [(customer, before.get(customer), after.get(customer)) for customer in sorted({*before, *after})
                    if before.get(customer) != after.get(customer)]  # fmt: skip
        found = exported.ask("tiers_seen_differently", position=position, later_position=later, valid_at=valid_at)
        assert found == expected
        differing += len(found)
    assert differing > 0


def _sealed(exported: Exported) -> list[Any]:
    """The events in the order of the log."""
    events = {(str(stream.customer_id), event.envelope.version): event
              for stream in exported.streams for event in stream.events}  # fmt: skip
    rows = exported.stored("SELECT stream::text, version FROM ledger.log ORDER BY idx")
    return [events[row] for row in rows]
