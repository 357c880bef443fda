"""The scrubber: what a superuser does to the log, however deep inside, is told with its index and stays told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from structlog.testing import capture_logs

from db.pool import connect
from ledger.scrub_record import Progress, ScrubRecord
from ledger.scrubber import Scrubber
from ledger.sealer import Sealer
from tests.damages import disarm
from tests.ledger.sealing import append, copy_in, running, wait_until

EVENTS = 2500


@pytest.fixture
def record(tmp_path: Path) -> ScrubRecord:
    return ScrubRecord.of(tmp_path)


@pytest.fixture
def scrubber(database: str, record: ScrubRecord) -> Iterator[Scrubber]:
    scrubber = Scrubber(database, record, events_per_second=1_000_000, lap_seconds=0, chunks=4)
    yield scrubber
    scrubber.close()


@pytest.fixture
def boss(database: str) -> Iterator[Connection[Any]]:
    """A superuser, in whose way no trigger stands."""
    with psycopg.connect(database, autocommit=True) as connection:
        disarm(connection)
        yield connection


@pytest.fixture
def seal(database: str) -> Iterator[Callable[[int], None]]:
    """Append so many events and seal them."""
    sealer = Sealer(database, batch=300)
    with connect(database, "dossier_app") as app:

        def seal(events: int) -> None:
            for _ in range(events):
                append(app, uuid4(), 1)
            app.commit()
            while sealer.seal_once():
                pass

        yield seal
    sealer.close()


@pytest.fixture
def sealed(seal: Callable[[int], None]) -> None:
    seal(EVENTS)


def lap(scrubber: Scrubber) -> list[tuple[str, int | None]]:
    """Check and index of everything that a lap finds."""
    found: list[tuple[str, int | None]] = []
    while True:
        step = scrubber.step()
        found += [(finding.check, finding.index) for finding in step.findings]
        if step.is_lap:
            return found


# --- what is sound --------------------------------------------------------------------------------------------------


def test_an_empty_log_is_a_lap(scrubber: Scrubber, record: ScrubRecord) -> None:
    assert record.progress() is None
    assert lap(scrubber) == []
    progress = record.progress()
    assert progress is not None
    assert (progress.position, progress.laps, progress.oldest_unsealed_seconds) == (0, 1, None)


def test_a_sound_log_is_passed_lap_after_lap_as_it_grows(
    scrubber: Scrubber, record: ScrubRecord, seal: Callable[[int], None]
) -> None:
    for events in (EVENTS, 10, 0):
        seal(events)
        assert lap(scrubber) == []
    assert record.progress() is not None
    assert record.finding() is None


@pytest.mark.usefixtures("sealed")
def test_it_goes_on_from_the_last_tile_after_a_restart(
    database: str, scrubber: Scrubber, record: ScrubRecord, boss: Connection[Any]
) -> None:
    scrubber.step()
    scrubber.close()
    progress = record.progress()
    assert progress is not None
    assert progress.position == 2048
    boss.execute("UPDATE ledger.log SET hash = sha256('') WHERE idx IN (7, 2300)")
    again = Scrubber(database, record, events_per_second=1, lap_seconds=0, chunks=4)
    # With nodes believed from before, roots are still compared: they differ behind the altered place only.
    assert {index for _, index in lap(again) if index} >= {2300}
    assert ("log", 7) in lap(again)
    again.close()


def test_a_log_from_before_the_tree_is_scrubbed_too(scrubber: Scrubber, boss: Connection[Any]) -> None:
    copy_in(boss, 600)
    assert lap(scrubber) == []
    boss.execute("UPDATE ledger.event SET entry = 'x' WHERE stream = (SELECT stream FROM ledger.log WHERE idx = 300)")
    assert lap(scrubber) == [("log", 300)]


# --- what a superuser can do ----------------------------------------------------------------------------------------

ATTACKS = {
    "an old entry is edited": (
        "UPDATE ledger.event SET entry = 'x' WHERE stream = (SELECT stream FROM ledger.log WHERE idx = 300)",
        ("log", 300),
    ),
    "a stored hash is edited": ("UPDATE ledger.log SET hash = sha256('') WHERE idx = 1500", ("log", 1500)),
    "a sealed event is deleted": (
        "DELETE FROM ledger.event WHERE stream = (SELECT stream FROM ledger.log WHERE idx = 2047)",
        ("log", 2047),
    ),
    "a sealed event is deleted with its place": (
        (
            "WITH place AS (DELETE FROM ledger.log WHERE idx = 1024 RETURNING stream)"
            " DELETE FROM ledger.event USING place WHERE event.stream = place.stream"
        ),
        ("log", 1024),
    ),
    "the last place is deleted": ("DELETE FROM ledger.log WHERE idx = 2499", ("log", 2499)),
    "an entry is edited with its hash": (
        (
            "WITH event AS (UPDATE ledger.event SET entry = 'x' WHERE stream = (SELECT stream FROM ledger.log"
            " WHERE idx = 700) RETURNING *) UPDATE ledger.log SET hash = sha256('\\x00'::bytea || entry) FROM event"
            " WHERE log.stream = event.stream"
        ),
        ("node", 512),
    ),
    "a node is edited": ("UPDATE ledger.node SET hash = sha256('') WHERE idx = 3", ("node", 768)),
    "a node is deleted": ("DELETE FROM ledger.node WHERE idx = 8", ("node", 2048)),
    "a node is invented": ("INSERT INTO ledger.node VALUES (1, 9, sha256(''))", ("node", 2500)),
    "a root is edited": ("UPDATE ledger.checkpoint SET root = sha256('') WHERE size = 600", ("checkpoint", 300)),
    "the last checkpoints are deleted": ("DELETE FROM ledger.checkpoint WHERE size > 2100", ("log", 2100)),
    "the end is deleted with everything about it": (
        (
            "WITH c AS (DELETE FROM ledger.checkpoint WHERE size > 2100), n AS (DELETE FROM ledger.node WHERE idx = 8),"
            " p AS (DELETE FROM ledger.log WHERE idx >= 2100 RETURNING stream)"
            " DELETE FROM ledger.event USING p WHERE event.stream = p.stream"
        ),
        ("log", 2100),
    ),
}


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(("attack", "told"), ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_told_with_its_index(
    scrubber: Scrubber, record: ScrubRecord, boss: Connection[Any], attack: str, told: tuple[str, int]
) -> None:
    assert lap(scrubber) == []
    assert boss.execute(attack.encode()).rowcount > 0
    with capture_logs() as logs:
        assert lap(scrubber)[0] == told
        assert lap(scrubber)[0] == told
    finding = record.finding()
    assert finding is not None
    assert (finding["check"], finding["index"]) == told
    critical = [(log["event"], log["check"], log["index"]) for log in logs if log["log_level"] == "critical"]
    assert critical == [("the log is damaged", *told)]


@pytest.mark.usefixtures("sealed")
def test_behind_a_gap_every_place_is_looked_at_and_none_twice(scrubber: Scrubber, boss: Connection[Any]) -> None:
    # Longer than what is read at a time, so that what was asked for ahead begins inside it.
    boss.execute("DELETE FROM ledger.log WHERE idx BETWEEN 100 AND 1199")
    boss.execute("UPDATE ledger.log SET hash = sha256('') WHERE idx IN (1200, 1700, 2499)")
    assert sorted(index or 0 for check, index in lap(scrubber) if check == "log") == [100, 1200, 1700, 2499]


@pytest.mark.usefixtures("sealed")
def test_the_first_finding_stays_after_a_repair_until_it_is_withdrawn(
    scrubber: Scrubber, record: ScrubRecord, boss: Connection[Any]
) -> None:
    (true,) = boss.execute("SELECT hash FROM ledger.log WHERE idx = 900").fetchall()[0]
    boss.execute("UPDATE ledger.log SET hash = sha256('') WHERE idx = 900")
    lap(scrubber)
    boss.execute("UPDATE ledger.log SET hash = %s WHERE idx = 900", [true])
    boss.execute("UPDATE ledger.node SET hash = sha256('') WHERE idx = 0")
    assert lap(scrubber)[0] == ("node", 0)
    told = record.finding()
    assert told is not None
    assert (told["check"], told["index"]) == ("log", 900)
    assert record.withdraw() == told
    assert record.finding() is None
    lap(scrubber)
    assert (record.finding() or {})["index"] == 0


# --- running --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sealed")
def test_it_runs_through_a_lost_connection(
    database: str, scrubber: Scrubber, record: ScrubRecord, boss: Connection[Any]
) -> None:
    def laps() -> int:
        return (record.progress() or Progress()).laps

    with capture_logs() as logs, running(scrubber):
        wait_until(lambda: laps() >= 2)
        boss.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'dossier_reader'"
        )
        before = laps()
        wait_until(lambda: laps() > before + 1)
    assert "the scrubber was interrupted" in {log["event"] for log in logs}
    assert record.finding() is None
    assert database


@pytest.mark.usefixtures("sealed")
def test_it_looks_no_faster_than_it_may(database: str, record: ScrubRecord) -> None:
    with running(Scrubber(database, record, events_per_second=1, lap_seconds=0, chunks=4)):
        wait_until(lambda: record.progress() is not None)
    progress = record.progress()
    assert progress is not None
    assert (progress.position, progress.laps) == (2048, 0)


def test_an_event_that_waits_for_long_is_told_once(database: str, scrubber: Scrubber, record: ScrubRecord) -> None:
    with connect(database, "dossier_app") as app:
        append(app, uuid4(), 1)
        app.execute("INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (%s, 1, now())", [uuid4()])
    with psycopg.connect(database) as boss:
        boss.execute("UPDATE ledger.unsealed SET recorded_at = recorded_at - interval '5 minutes'")
    with capture_logs() as logs:
        lap(scrubber)
        lap(scrubber)
    assert [log["event"] for log in logs] == ["an event waits for the sealer"]
    progress = record.progress()
    assert progress is not None
    assert progress.oldest_unsealed_seconds is not None
    assert progress.oldest_unsealed_seconds > 299
    assert record.finding() is None


# --- the record -----------------------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_read_is_begun_anew_and_a_finding_counts_all_the_same(
    tmp_path: Path, record: ScrubRecord
) -> None:
    folder = tmp_path / "scrubber"
    folder.mkdir()
    for torn in ("", "{", '{"other": 1}', "[]"):
        (folder / "progress.json").write_text(torn)
        assert record.progress() == Progress()
    (folder / "finding.json").write_text("{")
    assert (record.finding() or {})["detail"] == "cannot be read"
    assert record.withdraw() is not None
    assert record.finding() is None
