"""B6: the portfolio at a past moment of both times, against a plain table of customers as they are now."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from uuid import uuid4

import psycopg

from bench.callers import Reader, post
from bench.fixture import Filling, write_kek
from bench.load import load
from bench.servers import Server, plain_portfolio, service, until_at_rest
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Findings, Wanted, at_most, interleaved

_CONNECTIONS: Final = 16
_MOMENTS: Final = 200
_TIERS: Final = ("ORDINARY", "POTENTIAL", "HIGH_VALUE", "CHURN_RISK")
_PATH: Final = "/tier/VALUE/code"
_SCHEMA: Final = files("bench.baselines") / "portfolio.sql"
_CURRENT: Final = """
    SELECT customer_id, max(value ->> 'code') FILTER (WHERE slot = '/tier/VALUE'),
           max(value #>> '{}') FILTER (WHERE slot = '/owner/ACCOUNT_MANAGER'), jsonb_object_agg(slot, value)
    FROM read.facts
    WHERE upper_inf(positions) AND upper_inf(valid) AND NOT absent
    GROUP BY customer_id
"""


def portfolios(surroundings: Surroundings) -> Findings:
    """p50 at 16 connections, at random moments of the second half of the customers' life, both axes at random."""
    comparisons: list[Comparison] = []
    pages: list[list[float]] = []
    for customers in surroundings.size.portfolios:
        found = _of_size(surroundings, Filling(customers, 10, tiers=3))
        pages.append(list(found[0].ours))
        comparisons += found
    (smallest, *_), largest = pages, pages[-1]
    comparisons.append(
        Comparison("page, the largest portfolio against the smallest, p50", "ms", at_most(1.25), largest, smallest)
    )
    return Findings(comparisons, {})


def _of_size(surroundings: Surroundings, filling: Filling) -> list[Comparison]:
    page, count = (
        f"{what} of {filling.customers:,} customers, p50" for what in ("page of 50 by tier", "count by tier")
    )
    with _both(surroundings, filling) as (ours, plain, conninfo):
        moments = list(_moments(conninfo))
        chance = random.Random(6)  # noqa: S311 - the same questions in every run
        pages = [post(ours, "/v1/portfolio/query", _page(chance.choice(_TIERS), moment)) for moment in moments]
        counts = [post(ours, "/v1/portfolio/query", {"group_by": [_PATH], **moment}) for moment in moments]
        plain_pages = [post(plain, "/v1/customers/page", {"tier": tier}) for tier in _TIERS]
        plain_counts = [post(plain, "/v1/customers/count", {})]
        return interleaved(
            surroundings,
            [Wanted(page, "ms", at_most(2)), Wanted(count, "ms", at_most(3))],
            lambda: {page: _p50(surroundings, ours, pages), count: _p50(surroundings, ours, counts)},
            lambda: {page: _p50(surroundings, plain, plain_pages), count: _p50(surroundings, plain, plain_counts)},
        )


def _page(tier: str, moment: dict[str, Any]) -> dict[str, Any]:
    return {"where": {"all": [{"path": _PATH, "eq": tier}]}, "columns": ["customer_id", _PATH], "limit": 50, **moment}


def _p50(surroundings: Surroundings, server: Server, requests: Sequence[bytes]) -> float:
    callers = [Reader(requests, place) for place in range(_CONNECTIONS)]
    return load(server.address, callers, seconds=surroundings.seconds).quantile(0.5) * 1e3


@contextmanager
def _both(surroundings: Surroundings, filling: Filling) -> Iterator[tuple[Server, Server, str]]:
    data = surroundings.folder / f"portfolio-{uuid4()}"
    data.mkdir()
    write_kek(data)
    with (
        surroundings.filled(filling) as conninfo,
        surroundings.database(migrated=False) as plain_conninfo,
        service(conninfo, data) as ours,
    ):
        _copy_current(conninfo, plain_conninfo)
        until_at_rest(ours)
        with plain_portfolio(plain_conninfo, data) as plain:
            yield ours, plain, conninfo


def _copy_current(conninfo: str, plain_conninfo: str) -> None:
    """The same customers as they are now."""
    with psycopg.connect(conninfo) as source, psycopg.connect(plain_conninfo) as target:
        target.execute(_SCHEMA.read_bytes())
        with (
            source.cursor().copy(f"COPY ({_CURRENT}) TO STDOUT") as rows,
            target.cursor().copy("COPY customer FROM STDIN") as copy,
        ):
            for block in rows:
                copy.write(block)
    with psycopg.connect(plain_conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _moments(conninfo: str) -> Iterator[dict[str, Any]]:
    chance = random.Random(5)  # noqa: S311 - the same moments in every run
    with psycopg.connect(conninfo) as connection:
        ((first, last),) = connection.execute("SELECT min(known_at), max(known_at) FROM ledger.log").fetchall()
    for _ in range(_MOMENTS):
        known_at, valid_at = (first + (last - first) * (0.5 + chance.random() / 2) for _ in range(2))
        yield {"known_at": _text(known_at), "valid_at": _text(valid_at)}


def _text(moment: datetime) -> str:
    return moment.isoformat()
