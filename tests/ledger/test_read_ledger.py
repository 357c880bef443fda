"""The record of who read what: gathered and added up, durable where it must be, kept while it cannot be written."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import psycopg
import pytest
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from domain.events import ActorKind
from domain.events.access import AccessPayload, ReadKind
from ledger import read_ledger
from ledger.errors import Overloaded, Unavailable
from ledger.read_events import Reader, Shown
from ledger.read_ledger import ReadLedger
from tests.checker import check_stored
from tests.ledger.dying_reader import FIRST, LOST, SHOWN
from tests.ledger.reading import ACME, BETA, SEARCH, SENSITIVE, VIEW, kept, recorded, seen, tell, types, until, views
from tests.ledger.writing import KEK
from tests.make import at

# --- gathered ---------------------------------------------------------------------------------------------------------


def test_views_that_are_alike_are_told_together_and_counted(database: str) -> None:
    other = VIEW._replace(
        reader=Reader("svc", ActorKind.SERVICE, "u-2"), purpose=None, basis=(7, at("2026-03-01"), None)
    )

    async def story(ledger: ReadLedger) -> None:
        ledger.viewed(VIEW, ACME, "r-1")
        ledger.viewed(VIEW, BETA)
        ledger.viewed(VIEW, ACME, "r-2")
        ledger.viewed(VIEW, ACME)
        ledger.viewed(other, ACME)

    tell(database, story)
    assert types(database) == ["access.profiles-viewed"]
    first, second = views(database)
    assert seen(first) == [(ACME, 3, "r-2"), (BETA, None, None)]
    assert (first.principal, first.highest, first.kind, first.of) == ("u-1", "CONFIDENTIAL", "VIEW", "PROFILE")
    assert first.purpose is not None
    assert (first.purpose.code, first.purpose.text, first.basis) == ("SALES", "visit", None)
    assert (second.principal, second.principal_kind, second.on_behalf_of) == ("svc", "SERVICE", "u-2")
    assert second.basis is not None
    assert (second.purpose, second.basis.position, second.basis.known_at) == (None, 7, at("2026-03-01"))
    check_stored(database, KEK)


def test_a_view_that_is_alone_is_an_event_of_its_own_and_none_is_none(database: str) -> None:
    async def story(ledger: ReadLedger) -> None:
        ledger.viewed(VIEW, ACME)

    async def nothing(_: ReadLedger) -> None:
        pass

    tell(database, story)
    tell(database, nothing)
    assert types(database) == ["access.profile-viewed"]


def test_what_was_gathered_is_written_within_a_second_or_so(database: str) -> None:
    async def story(ledger: ReadLedger) -> None:
        ledger.viewed(VIEW, ACME)
        await until(lambda: types(database))  # nothing else writes it, and nobody stops the ledger

    tell(database, story)


def test_answers_about_many_say_what_was_asked_and_name_whom_they_can(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ledger, "_MOST_NAMED", 2500)
    ids = [uuid7() for _ in range(2100)]

    async def story(ledger: ReadLedger) -> None:
        ledger.answered(SEARCH, Shown(ids, 2100, "ab" * 32, {"tier": "VALUE:A"}, "r-1"))
        ledger.answered(SEARCH._replace(kind=ReadKind.EXPORT), Shown(ids[:900], 900, question={}))

    tell(database, story)
    assert types(database) == ["access.search-run"] * 3 + ["access.profile-exported"]
    *parts, export = views(database)
    assert [(part.answered.part, part.answered.parts, len(part.seen)) for part in parts if part.answered] == [
        (1, 3, 1000),
        (2, 3, 1000),
        (3, 3, 100),
    ]
    assert [each.customer_id for part in parts for each in part.seen] == ids
    assert parts[0].answered is not None
    assert parts[0].answered.question == {"tier": "VALUE:A"}
    assert (parts[0].answered.rows, parts[0].answered.sha256, parts[0].answered.request_id) == (2100, "ab" * 32, "r-1")
    assert export.answered is not None
    assert (export.answered.rows, export.seen) == (900, ()), "more were named in this second than can be"


def test_many_views_are_events_of_bounded_size(database: str) -> None:
    ids = [uuid7() for _ in range(1500)]

    async def story(ledger: ReadLedger) -> None:
        for customer_id in ids:
            ledger.viewed(VIEW, customer_id)
        for number in range(600):
            ledger.viewed(VIEW._replace(basis=(number, None, None)), ACME)

    tell(database, story)
    payloads = [event.payload for event in recorded(database) if isinstance(event.payload, AccessPayload)]
    sizes = [(len(payload.views[0].seen), len(payload.views)) for payload in payloads]
    assert sizes == [(1000, 1), (500, 500), (1, 101)]
    assert sum(len(view.seen) for view in views(database)) == 2100


def test_a_stream_is_left_for_a_new_one_after_so_many_events(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ledger, "_EVENTS_PER_STREAM", 2)

    async def story(ledger: ReadLedger) -> None:
        for _ in range(5):
            await ledger.before_shown(SENSITIVE, ACME)

    tell(database, story)
    streams = [event.originator_id for event in recorded(database)]
    assert [streams.count(stream) for stream in dict.fromkeys(streams)] == [2, 2, 1]


# --- durable ----------------------------------------------------------------------------------------------------------


def test_a_sensitive_view_is_committed_before_it_is_shown(database: str) -> None:
    async def story(ledger: ReadLedger) -> None:
        await ledger.before_shown(SENSITIVE, ACME, "r-1")
        assert types(database) == ["access.sensitive-data-viewed"]
        await ledger.before_shown(SENSITIVE._replace(kind=ReadKind.EXPORT), Shown([ACME], 1))
        assert types(database) == ["access.sensitive-data-viewed"] * 2

    tell(database, story)
    assert [seen(view) for view in views(database)] == [[(ACME, None, "r-1")], [(ACME, None, None)]]


def test_many_who_wait_share_a_commit(database: str) -> None:
    async def story(ledger: ReadLedger) -> None:
        with psycopg.connect(database) as holding:
            holding.execute("LOCK TABLE ledger.event IN ACCESS EXCLUSIVE MODE")
            first = asyncio.create_task(ledger.before_shown(SENSITIVE, ACME))
            await until(lambda: holding.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
            others = [asyncio.create_task(ledger.before_shown(SENSITIVE, BETA)) for _ in range(20)]
            await asyncio.sleep(0)
            assert not first.done()
        await asyncio.gather(first, *others)

    tell(database, story)
    times = [event.envelope.recorded_at for event in recorded(database)]
    assert [times.count(each) for each in dict.fromkeys(times)] == [1, 20]


def test_a_kill_loses_what_was_gathered_in_the_last_second_and_nothing_else(database: str) -> None:
    died = subprocess.run([sys.executable, "-m", "tests.ledger.dying_reader", database], check=False)
    assert died.returncode == -signal.SIGKILL
    shown = [each.customer_id for view in views(database) for each in view.seen]
    assert sorted(shown) == [FIRST, SHOWN]
    assert LOST not in shown
    check_stored(database, KEK)


# --- what cannot be written -------------------------------------------------------------------------------------------


def break_off(database: str) -> None:
    execute(database, "REVOKE INSERT ON ledger.event FROM dossier_app")


def mend(database: str) -> None:
    execute(database, "GRANT INSERT ON ledger.event TO dossier_app")


def execute(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_nothing_sensitive_is_shown_that_could_not_be_written_down(database: str) -> None:
    async def story(ledger: ReadLedger) -> None:
        break_off(database)
        with pytest.raises(Unavailable):
            await ledger.before_shown(SENSITIVE, ACME)
        mend(database)
        await ledger.before_shown(SENSITIVE, BETA)

    tell(database, story)
    assert [seen(view) for view in views(database)] == [[(BETA, None, None)]]


def test_other_views_are_kept_until_they_can_be_written_and_beyond_a_bound_none_is_taken(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ledger, "_MOST_GATHERED", 5)
    monkeypatch.setattr(read_ledger, "_MOST_KEPT", 10)
    ids = [uuid7() for _ in range(15)]

    async def story(ledger: ReadLedger) -> None:
        break_off(database)
        for customer_id in ids:
            ledger.viewed(VIEW, customer_id)
        with pytest.raises(Overloaded):
            ledger.viewed(VIEW, uuid7())
        with pytest.raises(Overloaded):
            ledger.answered(SEARCH, Shown([], 0))
        ledger.viewed(VIEW, ids[-1])  # of what is there already, one more costs nothing
        mend(database)

    tell(database, story)
    assert [each for view in views(database) for each in seen(view)] == [
        *((customer_id, None, None) for customer_id in ids[:-1]),
        (ids[-1], 2, None),
    ]


def test_what_a_stop_cannot_write_is_said_to_be_lost(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ledger, "_PATIENCE_SECONDS", 0.0)

    async def story(ledger: ReadLedger) -> None:
        break_off(database)
        ledger.viewed(VIEW, ACME)

    with capture_logs() as logs:
        tell(database, story)
    assert [entry["views"] for entry in logs if "lost" in entry["event"]] == [1]


def test_a_ledger_that_has_stopped_shows_nothing_sensitive(database: str) -> None:
    async def told() -> None:
        async with kept(database) as ledger:
            assert ledger.alive
        assert not ledger.alive
        with pytest.raises(Unavailable):
            await ledger.before_shown(SENSITIVE, ACME)

    asyncio.run(told())
