"""What every answer must be: the acknowledged writes in the order of the log, looked at position by position.

A round writes one number into four slots of a file, in one command and always in this order. So whoever mixes two
positions shows numbers that no position has: a later slot ahead of an earlier one, or one file ahead of another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg

STAFF: Final = ("u-0", "u-1", "u-2")
FIRST, MANAGER, LEAD, LAST = SLOTS = (
    "/attributes/first",
    "/owner/ACCOUNT_MANAGER",
    "/owner/SERVICE_LEAD",
    "/attributes/last",
)
State = dict[str, Any]


class Written(NamedTuple):
    """An acknowledged event; `slot` is None where it moved none of ours."""

    version: int
    slot: str | None = None
    value: Any = None


class Placed(NamedTuple):
    """The same in its place in the log."""

    position: int
    version: int
    slot: str | None
    value: Any


def owner_in(number: int) -> str:
    """Whoever owns a file after the round with that number; never who owned it before."""
    return STAFF[number % len(STAFF)]


def round_of(number: int) -> list[tuple[str, Any]]:
    """What a round writes, in order."""
    return [(FIRST, number), (MANAGER, owner_in(number)), (LEAD, owner_in(number)), (LAST, number)]


class Truth:
    """`written` by customer, in order of versions; the log gives positions and the times from which they are known."""

    def __init__(self, conninfo: str, written: Mapping[str, Iterable[Written]]) -> None:
        with psycopg.connect(conninfo) as connection:
            log = connection.execute(
                "SELECT idx + 1, stream::text, version, known_at, type LIKE 'customer.%' FROM ledger.log"
                " JOIN ledger.event USING (stream, version) ORDER BY idx"
            ).fetchall()
            # What is read meanwhile is recorded too, and takes its positions.
            self._log = [row[:4] for row in log]
            of_customers = [row[:4] for row in log if row[4]]
        told = {(customer, each.version): each for customer, of_customer in written.items() for each in of_customer}
        assert sorted(told) == sorted((customer, version) for _, customer, version, _ in of_customers), "not as told"
        self._files: dict[str, list[Placed]] = defaultdict(list)
        for position, customer, version, _ in of_customers:
            self._files[customer].append(Placed(position, *told[customer, version]))
        self._known_at: list[datetime] = [known_at for *_, known_at in self._log]

    @property
    def customers(self) -> list[str]:
        return sorted(self._files)

    @property
    def end(self) -> int:
        return len(self._log)

    def known_by(self, instant: datetime) -> int:
        """The greatest position known by an instant."""
        return bisect_right(self._known_at, instant)

    def events(self, customer: str, position: int) -> list[Placed]:
        """What was recorded of a customer up to a position."""
        of_customer = self._files[customer]
        return of_customer[: bisect_right(of_customer, position, key=lambda placed: placed.position)]

    def position(self, customer: str, version: int) -> int:
        """Versions count from 1 without a gap."""
        return self._files[customer][version - 1].position

    def holders(self, customer: str, position: int) -> dict[str, Placed]:
        """Per slot the event that holds it."""
        return {placed.slot: placed for placed in self.events(customer, position)[-len(SLOTS) - 1 :] if placed.slot}

    def state(self, customer: str, position: int) -> State:
        return {slot: placed.value for slot, placed in self.holders(customer, position).items()}

    def owned(self, staff: str, position: int) -> dict[str, State]:
        """The owners of all files that somebody manages."""
        files = {customer: self.state(customer, position) for customer in self.customers}
        return {
            customer: {slot: state[slot] for slot in (MANAGER, LEAD) if slot in state}
            for customer, state in files.items()
            if state.get(MANAGER) == staff
        }

    def between(self, lowest: int, highest: int) -> Iterator[int]:
        return iter(range(lowest, min(highest, self.end) + 1))
