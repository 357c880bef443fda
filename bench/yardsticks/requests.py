"""B1 and B2: one customer's contact point changed, one customer's profile read, at 16 and 64 connections.

Beside them: what a crowd of connections costs us, and that the client could send several times what was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import psycopg
from uuid_utils.compat import uuid7

from bench.callers import Customer, Reader, Writer, etags, get, registered, shared
from bench.fixture import Filling, write_kek
from bench.load import Caller, Tally, exchange, load
from bench.servers import Server, canned, crud, service, until_at_rest
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Figures, Findings, Goal, Spread, Wanted, at_least, at_most, interleaved

CONNECTIONS = (16, 64)
CROWD = 512
CLIENT_GOAL = at_least(3)
PER_SECOND = "1/s"
_REGISTERED = 1_024
_CRUD_SCHEMA = Path(__file__).parents[1] / "baselines" / "crud.sql"


@dataclass
class Registered:
    """A server and the customers that are written and read on it, with their versions as they move on."""

    server: Server
    customers: Sequence[Customer]
    conninfo: str
    follows: bool = False
    """Whether read models follow its writes."""
    versions: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.versions = {customer.customer_id: str(customer.version) for customer in self.customers}

    def write(self, surroundings: Surroundings, connections: int) -> Tally:
        """Every request is a change: another number each time, with a fresh idempotency key and the file's ETag."""
        return load(self.server.address, self.writers(connections), seconds=surroundings.seconds)

    def read(self, surroundings: Surroundings, connections: int, *, unchanged: bool = False) -> Tally:
        """Whole profiles, or only the answer that nothing has changed."""
        callers = self.readers(connections, unchanged=unchanged)
        return load(self.server.address, callers, seconds=surroundings.seconds)

    def writers(self, connections: int) -> list[Writer]:
        return [Writer(self.server, part, self.versions) for part in shared(self.customers, connections)]

    def readers(self, connections: int, *, unchanged: bool = False) -> list[Reader]:
        known = etags(self.server, self.customers) if unchanged else {}
        expected = HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK
        callers = []
        for part in shared(self.customers, connections):
            ids = [customer.customer_id for customer in part]
            requests = [get(self.server, f"/v1/customers/{each}", known.get(each)) for each in ids]
            callers.append(Reader(requests, expected=expected))
        return callers

    def come_to_rest(self) -> float:
        return until_at_rest(self.server) if self.follows else 0.0


def writes(surroundings: Surroundings) -> Findings:
    """B1. What follows the writes is waited for between the rounds, and said in the notes."""
    comparisons: list[Comparison] = []
    lags: list[float] = []

    def measured(side: Registered, connections: int) -> Figures:
        tally = side.write(surroundings, connections)
        if side.follows:
            lags.append(round(side.come_to_rest(), 2))
        return {"per second": tally.per_second, "p99": tally.quantile(0.99) * 1e3}

    with pair(surroundings) as (ours, baseline):
        for connections, ratio in zip(CONNECTIONS, (1.5, 2), strict=True):
            comparisons += _compared(
                surroundings,
                f"writes at {connections} connections",
                [Wanted("per second", PER_SECOND, at_least(ratio)), Wanted("p99", "ms", at_most(1))],
                lambda connections=connections: measured(ours, connections),  # type: ignore[misc]
                lambda connections=connections: measured(baseline, connections),  # type: ignore[misc]
            )
        best = _best_of_ours(comparisons)
        crowd = min(CROWD, len(ours.customers))
        comparisons += _compared(
            surroundings,
            f"our writes at {crowd} connections, against {best}",
            [Wanted("per second", PER_SECOND, at_least(0.8))],
            lambda: measured(ours, crowd),
            lambda: measured(ours, best),
        )
        comparisons.append(_client(surroundings, ours, lambda side: side.writers(CONNECTIONS[-1]), comparisons))
    return Findings(comparisons, {"seconds until the read models had followed": lags})


def _best_of_ours(writes: Sequence[Comparison]) -> int:
    """The number of connections at which we wrote most."""
    medians = [Spread.of(found.ours).median for found in writes if found.unit == PER_SECOND]
    return CONNECTIONS[medians.index(max(medians))]


def reads(surroundings: Surroundings) -> Findings:
    """B2. A GET of a customer by id, and the same with the ETag that is still current."""
    comparisons: list[Comparison] = []
    kinds: list[tuple[str, Goal, bool]] = [("reads", at_least(0.95), False), ("304 answers", at_least(1.1), True)]
    with pair(surroundings) as (ours, baseline):
        ours.come_to_rest()
        for connections in CONNECTIONS:
            for name, goal, unchanged in kinds:

                def measured(side: Registered, connections: int = connections, unchanged: bool = unchanged) -> Figures:
                    return {"per second": side.read(surroundings, connections, unchanged=unchanged).per_second}

                comparisons += _compared(
                    surroundings,
                    f"{name} at {connections} connections",
                    [Wanted("per second", PER_SECOND, goal)],
                    lambda measured=measured: measured(ours),  # type: ignore[misc]
                    lambda measured=measured: measured(baseline),  # type: ignore[misc]
                )
        comparisons.append(_client(surroundings, ours, lambda side: side.readers(CONNECTIONS[-1]), comparisons))
        size = len(ours.customers[0].profile)
    return Findings(comparisons, {"bytes of a profile": size})


def _client(
    surroundings: Surroundings,
    ours: Registered,
    callers: Callable[[Registered], Sequence[Caller]],
    found: Sequence[Comparison],
) -> Comparison:
    """What the same client sends to a server that only gives back one of our answers, against the fastest figure."""
    fastest = max(figure for each in found if each.unit == PER_SECOND for figure in (*each.ours, *each.baseline))
    answer = exchange(ours.server.address, callers(ours)[0])
    with canned(ours.server, answer) as server:
        side = replace(ours, server=server)
        tallies = [
            load(server.address, callers(side), seconds=surroundings.seconds) for _ in range(surroundings.rounds)
        ]
    sent = [tally.per_second for tally in tallies]
    what = "the client alone, against the fastest figure above"
    return Comparison(what, PER_SECOND, CLIENT_GOAL, sent, [fastest] * len(sent))


def _compared(
    surroundings: Surroundings,
    what: str,
    wanted: Sequence[Wanted],
    ours: Callable[[], Figures],
    baseline: Callable[[], Figures],
) -> list[Comparison]:
    found = interleaved(surroundings, wanted, ours, baseline)
    return [Comparison(f"{what}, {one.what}", one.unit, one.goal, one.ours, one.baseline) for one in found]


@contextmanager
def pair(surroundings: Surroundings) -> Iterator[tuple[Registered, Registered]]:
    """The service and the baseline, with the same customers; ours has all the others of the size beside them."""
    with registered_service(surroundings, Filling(surroundings.size.customers, 10)) as ours:
        keys = ours.server.data
        with surroundings.database(migrated=False) as conninfo, crud(conninfo, keys) as server:
            copy_to_crud(conninfo, ours.customers, surroundings.size.customers)
            yield ours, Registered(server, ours.customers, conninfo)


@contextmanager
def registered_service(surroundings: Surroundings, filling: Filling | None) -> Iterator[Registered]:
    """The service on a database with that filling, and customers registered over HTTP on top of it."""
    data = surroundings.folder / f"service-{uuid7()}"
    data.mkdir()
    write_kek(data)
    database = surroundings.database() if filling is None else surroundings.filled(filling)
    with database as conninfo, service(conninfo, data) as server:
        customers = list(registered(server, 64 if surroundings.is_smoke else _REGISTERED))
        until_at_rest(server)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield Registered(server, customers, conninfo, follows=True)


def copy_to_crud(conninfo: str, customers: Sequence[Customer], others: int) -> None:
    """The documents of the same customers, and as many others as the service has."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(_CRUD_SCHEMA.read_bytes())
        with connection.cursor().copy("COPY customer (customer_id, version, document, updated_by) FROM STDIN") as copy:
            for customer in customers:
                copy.write_row((customer.customer_id, customer.version, customer.profile.decode(), "u-118"))
        document = customers[0].profile.decode()
        connection.execute(
            "INSERT INTO customer (customer_id, document, updated_by)"
            " SELECT gen_random_uuid(), %s, 'u-118' FROM generate_series(1, %s)",
            [document, others],
        )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
