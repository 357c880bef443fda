"""B5 and B7: one customer's past moments, blame and audit trail, against its current profile and a CRUD row."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import psycopg

from bench.callers import Customer, Reader, get
from bench.fixture import Filling, write_kek
from bench.load import exchange, load
from bench.servers import Server, crud, service, until_at_rest
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Findings, Wanted, at_most, interleaved
from bench.yardsticks.requests import copy_to_crud

_CONNECTIONS = 16
_FILLINGS = (Filling(100, 10), Filling(16, 1_000, first=1_000_000), Filling(1, 100_000, first=2_000_000))
_SMALL = (Filling(10, 10), Filling(2, 100, first=1_000_000))
_MOMENTS = 500


def past_moments(surroundings: Surroundings) -> Findings:
    """B5. p50 at 16 connections, at random moments of the streams' life, both axes at random."""
    comparisons: list[Comparison] = []
    with _both_services(surroundings) as both:
        for filling in both.fillings:
            ids = [str(filling.customer_id(index)) for index in range(filling.customers)]
            past = [get(both.ours, path) for path in _past_paths(both.conninfo, ids)]
            comparisons += both.compared(f"streams of {filling.events_each:,} events", past, ids)
    return Findings(comparisons, {})


def blame_and_trail(surroundings: Surroundings) -> Findings:
    """B7. Of the customer with the longest stream: who set what shows, and pages of 50 events from random places on."""
    with _both_services(surroundings) as both:
        filling = both.fillings[-1]
        customer_id = str(filling.customer_id(0))
        path = f"/v1/customers/{customer_id}"
        pages = [get(both.ours, each) for each in _page_paths(both.conninfo, customer_id)]
        blame = [get(both.ours, f"{path}/blame")]
        of_stream = f"of {filling.events_each:,} events"
        return Findings(
            [
                *both.compared(f"blame {of_stream}", blame, [customer_id]),
                *both.compared(f"a page of 50 {of_stream}", pages, [customer_id]),
            ],
            {"bytes of a page, and of blame": [_size(both.ours, pages[0]), _size(both.ours, blame[0])]},
        )


def past_and_current(surroundings: Surroundings) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """Each side of B5 by name, with its database and with what reads it and tells how many a second."""
    fillings = _SMALL if surroundings.is_smoke else _FILLINGS
    with _history_service(surroundings, fillings) as (server, conninfo):
        for filling in fillings:
            ids = [str(filling.customer_id(index)) for index in range(filling.customers)]
            past = [get(server, path) for path in _past_paths(conninfo, ids)]
            for what, requests in (("past", past), ("current", _current(server, ids))):

                def read(requests: Sequence[bytes] = requests) -> float:
                    callers = [Reader(requests, place) for place in range(_CONNECTIONS)]
                    return load(server.address, callers, seconds=surroundings.seconds).per_second

                yield f"{what} of {filling.events_each:,} events", conninfo, read


@dataclass(frozen=True)
class _Both:
    """The service and the baseline with the same customers."""

    surroundings: Surroundings
    fillings: Sequence[Filling]
    ours: Server
    conninfo: str
    plain: Server

    def compared(self, what: str, requests: Sequence[bytes], ids: Sequence[str]) -> list[Comparison]:
        """The p50 of `requests` against that of the current profiles of `ids`, here and in the CRUD service."""
        comparisons: list[Comparison] = []
        for theirs, whose in ((self.ours, "its current profile"), (self.plain, "the row of a CRUD service")):
            name = f"{what} against {whose}, p50"
            comparisons += interleaved(
                self.surroundings,
                [Wanted(name, "ms", at_most(2))],
                lambda name=name: {name: _p50(self.surroundings, self.ours, requests)},  # type: ignore[misc]
                lambda name=name, theirs=theirs: {  # type: ignore[misc]
                    name: _p50(self.surroundings, theirs, _current(theirs, ids))
                },
            )
        return comparisons


@contextmanager
def _both_services(surroundings: Surroundings) -> Iterator[_Both]:
    fillings = _SMALL if surroundings.is_smoke else _FILLINGS
    with (
        _history_service(surroundings, fillings) as (server, conninfo),
        surroundings.database(migrated=False) as plain_conninfo,
        crud(plain_conninfo, server.data) as plain,
    ):
        copy_to_crud(plain_conninfo, list(_customers(server, fillings)), surroundings.size.customers)
        yield _Both(surroundings, fillings, server, conninfo, plain)


def _current(server: Server, ids: Sequence[str]) -> list[bytes]:
    return [get(server, f"/v1/customers/{customer_id}") for customer_id in ids]


def _p50(surroundings: Surroundings, server: Server, requests: Sequence[bytes]) -> float:
    callers = [Reader(requests, place) for place in range(_CONNECTIONS)]
    return load(server.address, callers, seconds=surroundings.seconds).quantile(0.5) * 1e3


@contextmanager
def _history_service(surroundings: Surroundings, fillings: Sequence[Filling]) -> Iterator[tuple[Server, str]]:
    data = surroundings.folder / f"history-{uuid4()}"
    data.mkdir()
    write_kek(data)
    with surroundings.filled(*fillings) as conninfo, service(conninfo, data) as server:
        until_at_rest(server)
        yield server, conninfo


def _customers(server: Server, fillings: Sequence[Filling]) -> Iterator[Customer]:
    """What the service says of them now, to be put into the CRUD service."""
    with server.client() as client:
        for filling in fillings:
            for index in range(filling.customers):
                customer_id = str(filling.customer_id(index))
                profile = client.get(f"/v1/customers/{customer_id}").content
                yield Customer(customer_id, "", "", filling.events_each, profile)


def _past_paths(conninfo: str, ids: Sequence[str]) -> Iterator[str]:
    chance = random.Random(5)  # noqa: S311 - the same moments in every run
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT stream::text, min(known_at), max(known_at) FROM ledger.log"
            " WHERE stream = ANY (%s::uuid[]) GROUP BY stream",
            [list(ids)],
        ).fetchall()
    for _ in range(_MOMENTS):
        customer_id, first, last = chance.choice(rows)
        known_at, valid_at = (first + (last - first) * chance.random() for _ in range(2))
        yield f"/v1/customers/{customer_id}?known_at={_text(known_at)}&valid_at={_text(valid_at)}"


def _page_paths(conninfo: str, customer_id: str) -> Iterator[str]:
    """The 50 events up to random ones, newest first."""
    chance = random.Random(7)  # noqa: S311 - the same pages in every run
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT idx + 1 FROM ledger.log WHERE stream = %s ORDER BY idx", [customer_id])
        positions = [position for (position,) in rows]
    for _ in range(_MOMENTS):
        position = chance.choice(positions[49:])
        yield f"/v1/customers/{customer_id}/history?order=desc&limit=50&at_position={position}"


def _size(server: Server, request: bytes) -> int:
    return len(exchange(server.address, Reader([request])))


def _text(moment: datetime) -> str:
    return quote((moment + timedelta(microseconds=1)).isoformat())
