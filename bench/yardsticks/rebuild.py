"""B8: every read model made anew from the log, against the eventsourcing library making one of them."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from bench.baselines.library_projection import CustomerChanged, project, store
from bench.fixture import KEK_TEXT, Filling
from bench.processes import TICKS, processes, stat
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Figures, Findings, Unsuitable, Wanted, at_least, interleaved
from cli.processes import settle_memory
from ledger.kek import FileKek
from projections.rebuild import Watch, rebuild

_FILLING: Final = Filling(20_000, 10)
_SMALL: Final = Filling(50, 10)
_GOAL: Final = at_least(20)
_PER_CPU_SECOND: Final = 20_000.0
_PROJECTED: Final = 3_000
"""The library makes so many rows in a round: its pace does not depend on how many there are."""
_TOLD: Final = """
    SELECT customer_id, version, recorded_at, type, actor,
           read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to, event_id,
                           is_decision, type, envelope, data)::json
    FROM read.events ORDER BY position LIMIT %s
"""


def filling_of(surroundings: Surroundings) -> Filling:
    return _SMALL if surroundings.is_smoke else _FILLING


def rebuilds(surroundings: Surroundings) -> Findings:
    """Events a second, and per second of CPU of the server and of who asks it."""
    filling = filling_of(surroundings)
    events = filling.customers * filling.events_each
    with surroundings.filled(filling) as conninfo, surroundings.database(migrated=False) as library:
        projected = store(library, _told(conninfo, min(_PROJECTED, events)))
        server = _server_process(conninfo)
        spent: list[float] = []

        def ours() -> Figures:
            before, started = _spent(server), time.perf_counter()
            summary = rebuild(conninfo, FileKek.from_text(KEK_TEXT), Watch(_no_difference))
            seconds = time.perf_counter() - started
            spent.append(max(_spent(server) - before, 1 / TICKS))
            if summary.events != events:
                raise RuntimeError(f"{summary.events} of {events} events were found")
            return {_PACE.name: events / seconds}

        def theirs() -> Figures:
            with _from_nothing(library):
                return {_PACE.name: projected / _seconds(lambda: project(library, projected))}

        with _settled():
            found = interleaved(surroundings, [_PACE], ours, theirs)
    rates = [events / seconds for seconds in spent]
    of_cpu = Comparison(
        "events per second of CPU, client and server", "1/s", at_least(1), rates, [_PER_CPU_SECOND] * len(rates)
    )
    return Findings([*found, of_cpu], {"events": events})


_PACE: Final = Wanted("events, all read models against one of the library's", "1/s", _GOAL)


@contextmanager
def _settled() -> Iterator[None]:
    """As in the process of `dossier rebuild`: both sides make thousands of objects that are no garbage."""
    before = gc.get_threshold()
    settle_memory()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _no_difference(difference: object) -> None:
    raise RuntimeError(f"the fixture is not what its events say: {difference}")


def _told(conninfo: str, limit: int) -> Iterator[CustomerChanged]:
    """The first events of the log, as the library would have recorded them."""
    with psycopg.connect(conninfo) as connection:
        for row in connection.execute(_TOLD, [limit]):
            yield CustomerChanged(*row)


@contextmanager
def _from_nothing(library: str) -> Iterator[None]:
    """Afterwards the library's read model is gone, and where it stood."""
    yield
    with psycopg.connect(library, autocommit=True) as connection:
        connection.execute("DROP TABLE event_list, event_list_tracking")


def _seconds(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


# --- what the server spends -----------------------------------------------------------------------------------------


def _server_process(conninfo: str) -> int:
    """The process whose children are all processes of the server. Raises Unsuitable when it runs elsewhere."""
    with psycopg.connect(conninfo) as connection:
        try:
            parent = stat(connection.info.backend_pid).parent
        except OSError as error:
            raise Unsuitable("what a server on another machine spends cannot be seen") from error
    return parent


def _spent(server: int) -> float:
    """Seconds of CPU of this process and of the server so far.

    Of the server: all its processes that live, and those that have ended, which their parent counts.
    """
    ours = os.times()
    while True:
        its = stat(server)
        living = [each.seconds for _, each in processes() if each.parent == server]
        if stat(server).of_ended == its.of_ended:  # else one may be missing, or be counted twice
            own = ours.user + ours.system + ours.children_user + ours.children_system
            return own + its.seconds + its.of_ended + sum(living)
