"""A stranger's old snapshot: nothing that is sealed while it lasts can be cleared away, and sealing does not slow down.

Two databases of one server are fed in turns; in one of them a transaction of REPEATABLE READ holds its snapshot from
before the first event. Each has the same past and the same neighbours, so their ratio says what the snapshot costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import IsolationLevel

from ledger.sealer import Sealer
from tests.ledger.sealing import wait_until
from tests.ledger.writing import rows
from tests.server import TestServer

# 125 customers at a time, with four events each; ids that rise with time, as those of customers do.
_FEED = """
WITH customer AS MATERIALIZED (
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 16, '0')
            || left(md5(random()::text), 16))::uuid AS stream
    FROM generate_series(1, 125)
), appended AS (
    INSERT INTO ledger.event (stream, version, type, entry)
    SELECT stream, version, 'type', convert_to(stream || '/' || version || repeat('.', 600), 'UTF8')
    FROM customer CROSS JOIN generate_series(1, 4) AS version
    RETURNING stream, version
)
INSERT INTO ledger.unsealed (stream, version, recorded_at)
SELECT stream, version, now() FROM appended ORDER BY version, stream
"""
_EVENTS_AT_ONCE = 500
_MOST_WAITING = 5000
_BATCH = 1000

# As check_log has it, without bringing hundreds of thousands of entries here.
_WRONG = """
SELECT idx, stream, version
FROM (
    SELECT *, row_number() OVER (ORDER BY idx) - 1 AS place,
           lag(known_at) OVER (ORDER BY idx) AS known_before,
           coalesce(lag(version) OVER (PARTITION BY stream ORDER BY idx), 0) AS version_before
    FROM ledger.event FULL JOIN ledger.log USING (stream, version)
) AS sealed
WHERE idx IS NULL OR entry IS NULL OR idx <> place OR hash <> sha256('\\x00'::bytea || entry)
    OR known_at < known_before OR version <> version_before + 1
"""


class Site:
    """A database that is fed, its sealer, and what sealing took."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.sealed = 0
        self.sealing_seconds = 0.0
        self._sealer = Sealer(conninfo, batch=_BATCH)

    def take(self, events: int) -> None:
        """Let events come in as fast as they are sealed, and seal them as the sealer at work does."""
        target = self.sealed + events
        with ThreadPoolExecutor(1) as feeder:
            fed = feeder.submit(self._feed, target)
            while self.sealed < target and not (fed.done() and fed.exception()):
                began = time.perf_counter()
                sealed = self._sealer.seal_once()
                self.sealing_seconds += time.perf_counter() - began
                self.sealed += sealed
                if sealed < _BATCH:
                    time.sleep(0.01)
            fed.result()

    def check(self) -> None:
        assert rows(self.conninfo, "SELECT count(*) FROM ledger.log") == [(self.sealed,)]
        assert rows(self.conninfo, "SELECT count(*) FROM ledger.unsealed") == [(0,)]
        assert rows(self.conninfo, _WRONG) == []

    def rows_that_must_stay(self) -> int:
        """How many dead rows of the queue no vacuum may clear away."""
        with psycopg.connect(self.conninfo, autocommit=True) as administrator:
            administrator.execute("VACUUM ledger.unsealed")
        ((dead,),) = rows(
            self.conninfo, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'ledger.unsealed'::regclass"
        )
        return int(dead)

    def close(self) -> None:
        self._sealer.close()

    def _feed(self, target: int) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for fed in range(self.sealed, target, _EVENTS_AT_ONCE):
                while fed - self.sealed > _MOST_WAITING:
                    time.sleep(0.001)
                connection.execute(_FEED)


@pytest.fixture
def free(database: str) -> Iterator[Site]:
    site = Site(database)
    yield site
    site.close()


@pytest.fixture
def held(server: TestServer) -> Iterator[Site]:
    """One in which a stranger's snapshot lasts."""
    with server.database() as conninfo, psycopg.connect(conninfo) as stranger:
        stranger.isolation_level = IsolationLevel.REPEATABLE_READ
        stranger.execute("SELECT count(*) FROM ledger.unsealed")
        site = Site(conninfo)
        yield site
        site.close()
        assert stranger.execute("SELECT count(*) FROM ledger.event").fetchone() == (0,), "its snapshot has lasted"


def take_in_turns(free: Site, held: Site, events: int, portions: int) -> None:
    for number in range(portions):
        for site in (free, held) if number % 2 else (held, free):
            site.take(events // portions)
    free.check()
    held.check()
    wait_until(lambda: free.rows_that_must_stay() == 0)  # an ANALYZE may hold some for a moment
    assert held.rows_that_must_stay() >= events


def test_sealing_goes_on_above_the_rows_that_an_old_snapshot_keeps(free: Site, held: Site) -> None:
    take_in_turns(free, held, 20_000, 4)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_old_snapshot_does_not_slow_down_sealing(
    free: Site, held: Site, record_property: Callable[[str, object], None]
) -> None:
    events = 500_000
    take_in_turns(free, held, events, 20)
    ratio = held.sealing_seconds / free.sealing_seconds
    record_property("events sealed per second of sealing", round(events / free.sealing_seconds))
    record_property("the same under an old snapshot", round(events / held.sealing_seconds))
    record_property("slower by a factor of", round(ratio, 2))
    assert ratio <= 2
