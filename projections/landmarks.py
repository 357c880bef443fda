"""From when on some positions of the log are known, remembered: where to begin looking for an instant.

What must stay true: what is said here is only where to look. Whoever looks checks both ends in the log itself, so that
a landmark that does not hold (another database was put in the place of the one that was read) costs time, not truth.
Landmarks hold no content of customers, so erasure has nothing to find here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from db.queries import load

_QUERIES: Final = load("projections", "past.sql")
_MOST: Final = 32_768
"""Of eight bytes each."""

_AT_ONCE: Final = 2048
"""Looked up by one statement, which whoever asks at that moment waits for: about four milliseconds."""

_BEHIND: Final = 64
"""Positions that the log may have grown by before landmarks are set in what is new."""

_MOST_PLACES: Final = 512
"""Among more of them an instant is better looked for by halving."""

NOWHERE: Final = (0, 0)
"""Places that no instant lies between but those from before the log."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Landmarks:
    """Every so many positions of the log, evenly, one; fewer and fewer as the log grows. Used by one thread."""

    def __init__(self, most: int = _MOST, at_once: int = _AT_ONCE, instants: Iterable[datetime] = ()) -> None:
        """`instants` are those from which on the first positions are believed to be known."""
        self._most = most
        self._at_once = at_once
        self._step = 1
        self._instants = array("q", map(_microseconds, instants))
        self._setting = False
        self._reached = 0

    def __len__(self) -> int:
        return len(self._instants)

    def around(self, known_at: datetime) -> tuple[int, int | None]:
        """The positions between which the last one known by an instant lies, inclusive; None: the end of the log."""
        passed = bisect_right(self._instants, _microseconds(known_at))
        low = (passed - 1) * self._step + 1 if passed else 0
        return low, passed * self._step if passed < len(self._instants) else None

    def places(self, known_at: datetime) -> tuple[int, int]:
        """Places of the log, from 0, of which the first should be known by then and the last not; else NOWHERE."""
        low, high = self.around(known_at)
        first = max(low - 1, 0)
        last = max(self._reached, first + self._step) + _BEHIND if high is None else high
        return (first, last) if last - first <= _MOST_PLACES else NOWHERE

    async def keep_up(self, connection: AsyncConnection[Any], reached: int) -> None:
        """Set landmarks in what the log has grown by, up to a position; not all at once."""
        self._reached = reached
        if self._setting or reached - len(self._instants) * self._step < max(_BEHIND, self._step):
            return
        self._setting = True
        try:
            if not (wanted := self._wanted(reached)):
                return
            params = {"first": wanted.start, "last": wanted[-1], "step": wanted.step}
            cursor = await connection.cursor(binary=True).execute(_QUERIES["landmarks"], params)
            self._instants.extend(_microseconds(known_at) for (known_at,) in await cursor.fetchall())
        finally:
            self._setting = False

    def _wanted(self, reached: int) -> range:
        """Places of the log, from 0, for the next landmarks; of too many, every other one is taken away."""
        while reached > self._most * self._step:
            self._instants = self._instants[::2]
            self._step *= 2
        first = len(self._instants) * self._step
        return range(first, reached, self._step)[: self._at_once]


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
