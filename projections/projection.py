"""What a read model that follows the log is: a name, and what it does with a batch of the log.

A projection writes through the connection it is given and never commits: its rows and its position go into one
transaction, which is the runner's. It may rely on seeing every position once, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import Connection

from projections.moves import Moves, Positioned


@dataclass(frozen=True, slots=True)
class Batch:
    """Neighbouring events of the log, and how they move the slots that they touch."""

    events: Sequence[Positioned]
    moves: Moves


class Projection(Protocol):
    """`name` is the key of its row in read.tracking; `apply` adds a batch to its tables."""

    name: str

    def apply(self, connection: Connection[Any], batch: Batch) -> None: ...
