"""How far what follows the writes is behind them: the log behind the queue, each read model behind the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from db.queries import load

_QUERIES: Final = load("projections", "lags.sql")


class Behind(NamedTuple):
    """A read model: the last position that it has passed, and how long what comes next has been known."""

    name: str
    position: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lags:
    """`unsealed_seconds`: of the first event in the queue. `sign_seconds`: of the newest one that is signed."""

    unsealed_seconds: float
    sign_seconds: float
    read_models: tuple[Behind, ...]


async def lags(connection: AsyncConnection[Any]) -> Lags:
    of_the_log = await (await connection.execute(_QUERIES["of_the_log"])).fetchone()
    assert of_the_log is not None  # noqa: S101 - this statement always brings a row
    rows = await (await connection.execute(_QUERIES["of_read_models"])).fetchall()
    unsealed_seconds, sign_seconds = of_the_log
    return Lags(unsealed_seconds, sign_seconds, tuple(Behind(*row) for row in rows))
