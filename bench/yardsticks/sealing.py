"""B9: how long a recorded event waits for its place in the log under load, and what giving it costs."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.sealer import Sealing, sealing
from bench.servers import PATIENCE_SECONDS
from bench.surroundings import Surroundings
from bench.yardstick import Findings, Unsuitable, within
from bench.yardsticks.append import paced
from bench.yardsticks.requests import registered_service

LAG_LIMIT_SECONDS = 0.5
EVENTS_PER_SECOND = 2_000
CPU_LIMIT = 0.1
"""Of one core."""

_CONNECTIONS = 64
_RECORDED_AT = """
    SELECT idx, (convert_from(entry, 'UTF8')::jsonb ->> 'recorded_at')::timestamptz
    FROM ledger.log JOIN ledger.event USING (stream, version) WHERE idx >= %s ORDER BY idx
"""


def sealing_lag(surroundings: Surroundings) -> Findings:
    """The lag while 64 connections write over HTTP; the cost at a steady rate of appends, sealer alone."""
    lags: list[float] = []
    with registered_service(surroundings, None) as ours:
        for _ in range(surroundings.rounds):
            with _listening(ours.conninfo) as watch:
                ours.write(surroundings, _CONNECTIONS)
                ours.come_to_rest()
            lags.append(_quantile(watch.lags, 0.99))
    shares = [_processor_share(surroundings) for _ in range(surroundings.rounds)]
    comparisons = [
        within("p99 lag under 64 writing connections", "s", lags, LAG_LIMIT_SECONDS),
        within(f"of a core at {EVENTS_PER_SECOND:,} events a second, sealer and its backend", "", shares, CPU_LIMIT),
    ]
    return Findings(comparisons, {})


# --- lag ------------------------------------------------------------------------------------------------------------


class _Watch:
    """When the log reached which size, by this machine's clock, which is the server's too."""

    def __init__(self, conninfo: str, connection: psycopg.Connection[Any]) -> None:
        self._conninfo = conninfo
        self._connection = connection
        self._first = _size_of_log(conninfo)
        self._seen: list[tuple[int, datetime]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="watch-log")
        self.lags: Sequence[float] = ()

    def start(self) -> None:
        self._connection.execute("LISTEN dossier_sealed")
        self._thread.start()

    def stop(self) -> None:
        """End once everything that the log holds was heard of."""
        size, deadline = _size_of_log(self._conninfo), time.monotonic() + PATIENCE_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline and self._heard() < size:
            time.sleep(0.01)
        self._stop.set()
        self._thread.join()

    def read_lags(self) -> Sequence[float]:
        """Seconds from an event's recording to its place in the log, sorted, of every event that was watched."""
        seen = iter(self._seen)
        size, at = next(seen)
        lags = []
        for idx, recorded_at in self._connection.execute(_RECORDED_AT, [self._first]):
            while idx >= size:
                size, at = next(seen)
            lags.append((at - recorded_at).total_seconds())
        return sorted(lags)

    def _heard(self) -> int:
        return self._seen[-1][0] if self._seen else self._first

    def _listen(self) -> None:
        while not self._stop.is_set():
            for notified in self._connection.notifies(timeout=0.1):
                self._seen.append((int(notified.payload), datetime.now(UTC)))


def _size_of_log(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        ((size,),) = connection.execute("SELECT count(*) FROM ledger.log").fetchall()
        return int(size)


@contextmanager
def _listening(conninfo: str) -> Iterator[_Watch]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        watch = _Watch(conninfo, connection)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()
        watch.lags = watch.read_lags()


def _quantile(sorted_figures: Sequence[float], share: float) -> float:
    return sorted_figures[min(int(len(sorted_figures) * share), len(sorted_figures) - 1)]


# --- cost -----------------------------------------------------------------------------------------------------------


def _processor_share(surroundings: Surroundings) -> float:
    """Processor seconds of the sealer and its backend that so many events a second cost, appended at that rate."""
    with surroundings.database() as conninfo, sealing(conninfo) as sealer:
        _wait_for_backend(conninfo)
        before = _spent(conninfo, sealer)
        events = asyncio.run(paced(conninfo, surroundings.seconds, EVENTS_PER_SECOND))
        # Per event and not per second: a machine that does not keep the pace must not look thrifty.
        return (_spent(conninfo, sealer) - before) / events * EVENTS_PER_SECOND


def _wait_for_backend(conninfo: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _backend(conninfo) is None:
        if time.monotonic() > deadline:
            raise Unsuitable("the sealer does not start")
        time.sleep(0.05)


def _spent(conninfo: str, sealer: Sealing) -> float:
    backend = _backend(conninfo)
    return _processor_seconds(sealer.process_id) + (_processor_seconds(backend) if backend else 0.0)


def _backend(conninfo: str) -> int | None:
    """The server process that the sealer talks to."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'dossier_sealer'"
            " AND datname = current_database()"
        ).fetchone()
        return int(row[0]) if row else None


def _processor_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
