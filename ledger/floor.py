"""The floor: up to which queue id the sealer need not look any more.

What it has sealed are dead rows, and while any old snapshot lasts (a dump, a long report) nothing can clear them away:
who begins at the start of the queue passes over all of them. What must stay true: whatever was committed is looked at
in the next batch, below the floor or above it, so that nothing recorded after it is sealed before it.

A queue id is drawn by a transaction that has written the event and so has its number (xid) by then. So no id up to the
highest of a batch can come any more once all transactions have ended that were open when it was sealed: normally a
batch later. A transaction that stays open for longer is not waited for but named: as soon as it has ended, the sealer
looks below the floor.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

_PATIENCE_SECONDS: Final = 1.0
"""How long the floor waits for a transaction; the dead rows of that time are passed over in every batch."""
_SWEEP_SECONDS: Final = 60.0
"""Now and then the whole queue is looked at, for rows that a repair by hand has put there under an old id."""
_START: Final = -1


class Look(NamedTuple):
    """Look above the id `floor`, or above `settled` if one of the transactions `named` has ended."""

    floor: int = _START
    settled: int = _START
    named: tuple[int, ...] = ()


FROM_THE_START: Final = Look()


class Seen(NamedTuple):
    """What a batch says about the transactions around it."""

    highest_id: int | None
    """The last queue id taken; None when nothing was."""
    xid: int | None
    """The sealer's own transaction, younger than all that had drawn an id by then; None when nothing was taken."""
    oldest_open: int
    """All transactions before this one had ended."""
    open: tuple[int, ...]


class _Batch(NamedTuple):
    sealed_at: float
    highest_id: int
    xid: int


class Floor:
    """Belongs to one connection: ids and transactions of another server may be others."""

    def __init__(self) -> None:
        self._settled = _START  # no id up to here can come any more
        self._floor = _START  # no id up to here can come but from `_named`
        self._named: tuple[int, ...] = ()
        self._youngest_passed = 0  # transactions from this one on have no id up to the floor
        self._batches: deque[_Batch] = deque()  # whose ids are above the floor
        self._swept_at: float | None = None

    def look(self, now: float) -> Look:
        """Where to look at `now` (monotonic seconds)."""
        if self._swept_at is None or now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            return FROM_THE_START
        return Look(self._floor, self._settled, self._named)

    def note(self, now: float, seen: Seen, *, full: bool) -> None:
        """Take in what a look has found and committed; `full` if there may have been more."""
        if full and seen.highest_id is None:
            return  # another sealer has taken all that was found, so this look has seen no end
        if seen.highest_id is not None and seen.xid is not None:
            self._batches.append(_Batch(now, seen.highest_id, seen.xid))
        last = seen.highest_id if full else None
        self._floor = _at_most(last, self._floor)
        while self._batches and self._batches[0].xid <= seen.oldest_open:
            self._settled = max(self._settled, _at_most(last, self._batches.popleft().highest_id))
        while self._batches and self._batches[0].sealed_at <= now - _PATIENCE_SECONDS:
            passed = self._batches.popleft()
            self._floor = max(self._floor, _at_most(last, passed.highest_id))
            self._youngest_passed = passed.xid
        self._floor = max(self._floor, self._settled)
        self._named = tuple(xid for xid in seen.open if xid < self._youngest_passed)


def _at_most(last: int | None, queue_id: int) -> int:
    """No further than a look got that stopped at `last`."""
    return queue_id if last is None else min(last, queue_id)
