"""`python -m bench.profile B1`: where the time or the space of a yardstick goes, as tables, for who doubts a limit.

Processor time is what the kernel has counted, process by process, for a request or an event; in which functions it is
spent is what py-spy sees, when it is on the PATH. Bytes are those of the database's own functions. Nothing is judged.

As much is stored as where the yardstick measures: a table that is small for what is written grows by a tenth within
seconds, and is analyzed each time autovacuum looks (a seventh of a write, among 2,000 customers instead of 100,000).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
import typer

from bench.fixture import KEK_TEXT
from bench.frames import Samples, sampled
from bench.processes import Spending, descendants, program
from bench.surroundings import SIZES, Surroundings
from bench.yardsticks import rebuild as rebuilding
from bench.yardsticks import size
from bench.yardsticks.history import past_and_current
from bench.yardsticks.requests import pair
from ledger.kek import FileKek
from projections.rebuild import Watch, rebuild

_CACHE: Final = Path(__file__).parent / ".cache"
_CONNECTIONS: Final = 64
_SHOWN: Final = 12
_LEAST_SHARE: Final = 0.01
_LEAST_OF_ALL: Final = 0.05
"""A process that spends less than this share is not looked into."""
_SIZES: Final = """
    SELECT relation.oid::regclass::text,
           CASE relation.relkind WHEN 'i' THEN 'index' ELSE 'rows' END,
           pg_relation_size(relation.oid),
           pg_table_size(relation.oid) - pg_relation_size(relation.oid)
    FROM pg_class AS relation
    JOIN pg_namespace ON pg_namespace.oid = relation.relnamespace
    WHERE nspname IN ('ledger', 'keys', 'read') AND relation.relkind IN ('r', 'i')
    ORDER BY pg_table_size(relation.oid) DESC
"""


@dataclass(frozen=True)
class Profile:
    """What something took: so many were `done`, in seconds of each process; samples of those that are Python."""

    what: str
    done: float
    seconds: Mapping[str, float]
    samples: Mapping[str, Samples]

    def microseconds(self, process: str) -> float:
        return self.seconds.get(process, 0.0) / self.done * 1e6


def main(
    yardstick: Annotated[str, typer.Argument(help="B1, B5, B8 or B13.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each side is loaded.")] = 10.0,
    customers: Annotated[
        int, typer.Option(min=1, help="How many there are beside those that are written (B1).")
    ] = SIZES["default"].customers,
    cache: Annotated[Path, typer.Option(help="As of `python -m bench`.")] = _CACHE,
) -> None:
    """Print where the processor time, or the space, of one yardstick goes."""
    if yardstick.upper() not in PROFILES:
        raise typer.BadParameter(f"there is {', '.join(PROFILES)}", param_hint="YARDSTICK")
    stored = replace(SIZES["default"], customers=customers)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        surroundings = Surroundings(Path(folder), cache, seconds=seconds, size=stored)
        with surroundings.stack:
            for line in PROFILES[yardstick.upper()](surroundings):
                typer.echo(line)


def writes(surroundings: Surroundings) -> Iterator[str]:
    """B1, at 64 connections."""
    with pair(surroundings) as sides:
        found = []
        for name, side in zip(("ours", "CRUD"), sides, strict=True):

            def written(side: Any = side) -> float:
                started = time.perf_counter()
                tally = side.write(surroundings, _CONNECTIONS)
                sent = tally.per_second * (time.perf_counter() - started)
                side.come_to_rest()
                return float(sent)

            written()
            found.append(_measured(f"{name}, us a write", side.conninfo, written))
    yield from _processes(found)
    yield from _functions(found)


def past_moments(surroundings: Surroundings) -> Iterator[str]:
    """B5, at 16 connections: files at moments of their past, and current profiles of the same customers."""
    found = []
    for what, conninfo, read in past_and_current(surroundings):

        def answered(read: Callable[[], float] = read) -> float:
            started = time.perf_counter()
            return read() * (time.perf_counter() - started)

        answered()
        found.append(_measured(f"{what}, us a read", conninfo, answered))
    yield from _processes(found)
    yield from _functions(found)


def rebuilds(surroundings: Surroundings) -> Iterator[str]:
    """B8."""
    with surroundings.filled(rebuilding.filling_of(surroundings)) as conninfo:
        watch = Watch(lambda _: None)
        found = [
            _measured(
                "us an event", conninfo, lambda: float(rebuild(conninfo, FileKek.from_text(KEK_TEXT), watch).events)
            )
        ]
    yield from _processes(found)
    yield from _functions(found)


def sizes(surroundings: Surroundings) -> Iterator[str]:
    """B13: every table and index, and what PostgreSQL keeps beside it."""
    filling = size.filling_of(surroundings)
    with surroundings.filled(filling) as conninfo, psycopg.connect(conninfo) as connection:
        rows: list[tuple[str, str, int, int]] = connection.execute(_SIZES).fetchall()
    events = filling.customers * filling.events_each
    yield from _table(
        ["table or index", "", "bytes an event", "out of line, and maps"],
        [
            [name, kind, f"{own / events:.1f}", f"{beside / events:.1f}"]
            for name, kind, own, beside in rows
            if (own + beside) / events >= 1
        ],
    )


PROFILES: Final[Mapping[str, Callable[[Surroundings], Iterator[str]]]] = {
    "B1": writes,
    "B5": past_moments,
    "B8": rebuilds,
    "B13": sizes,
}


def _measured(what: str, conninfo: str, work: Callable[[], float]) -> Profile:
    sys.stderr.write(f"  {what}\n")
    ours = {program(each): each for each in descendants(os.getpid()) if program(each).startswith(("cli.", "bench."))}
    spending = Spending(conninfo)
    done = work()
    seconds = spending.seconds()
    with sampled(ours or {"client": os.getpid()}) as samples:  # once more: who looks in takes time as well
        work()
    return Profile(what, done, seconds, samples)


# --- tables ---------------------------------------------------------------------------------------------------------


def _processes(found: Sequence[Profile]) -> Iterator[str]:
    names = sorted({name for each in found for name in each.seconds}, key=lambda name: -found[0].microseconds(name))
    rows = [[name, *(f"{each.microseconds(name):.0f}" for each in found)] for name in names]
    rows = [row for row in rows if set(row[1:]) != {"0"}]
    total = ["all", *(f"{sum(map(each.microseconds, each.seconds)):.0f}" for each in found)]
    yield from _table(["process", *(each.what for each in found)], [*rows, total])


def _functions(found: Sequence[Profile]) -> Iterator[str]:
    """Of each process of ours the packages and functions that it spends most in, those excluded that they call."""
    for profile in found:
        for process, samples in profile.samples.items():
            whole = profile.microseconds(process)
            if profile.seconds.get(process, 0.0) < _LEAST_OF_ALL * sum(profile.seconds.values()):
                continue
            for title, shares in (("package", samples.by_package()), ("function", samples.by_function())):
                rows = [
                    [name, f"{share * whole:.1f}", f"{share:.0%}"]
                    for name, share in list(shares.items())[:_SHOWN]
                    if share >= _LEAST_SHARE
                ]
                yield from _table([f"{process}: {title}", profile.what, "share"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"\n| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    typer.run(main)
