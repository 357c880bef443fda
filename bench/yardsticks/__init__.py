"""Every yardstick, by id, in the order in which they run."""

from __future__ import annotations

from typing import Final

from bench.yardstick import Yardstick
from bench.yardsticks import (
    append,
    feed,
    growth,
    history,
    portfolio,
    rebuild,
    requests,
    sealing,
    size,
    start,
    verification,
)

_CRUD: Final = "FastAPI + psycopg CRUD with an audit trigger"
_LIBRARY: Final = "the eventsourcing library's PostgreSQL recorder"

EVERY: Final[tuple[Yardstick, ...]] = (
    Yardstick("B1", "HTTP write: change a contact point", _CRUD, requests.writes),
    Yardstick("B2", "HTTP read of a current profile", f"{_CRUD}, GET by primary key", requests.reads),
    Yardstick("B3", "append, one event a commit", _LIBRARY, append.single),
    Yardstick("B3b", "append, ten events a commit", _LIBRARY, append.batches),
    Yardstick("B4", "append, one event a commit", "pgbench, single prepared INSERT", append.against_the_limit),
    Yardstick("B5", "one customer at a past moment", "its current profile", history.past_moments),
    Yardstick("B7", "blame and audit trail of one customer", "its current profile", history.blame_and_trail),
    Yardstick(
        "B6", "the portfolio at a past moment", "FastAPI + psycopg on a plain current table", portfolio.portfolios
    ),
    Yardstick(
        "B8", "rebuild of every read model", "the eventsourcing library's ProjectionRunner doing one", rebuild.rebuilds
    ),
    Yardstick("B9", "sealing: lag and cost", "fixed limits", sealing.sealing_lag),
    Yardstick(
        "B10",
        "verification of a whole log; one proof",
        "SHA-256 of the same entries in a loop",
        verification.verification,
    ),
    Yardstick("B12", "cost of a write and a read as events pile up", "the same with nothing stored", growth.growth),
    Yardstick("B13", "bytes on disk per event", "400 bytes of plain content", size.size),
    Yardstick("B14", "start to first answered request", "fixed limits", start.start),
    Yardstick("B15", "a feed of the log while commits are late", "what was committed", feed.feed),
)
