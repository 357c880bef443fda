"""What a read model that follows the log is: a name, and what it does with a batch of the log.

A projection writes through the connection it is given and never commits: its rows and its position go into one
transaction, which is the runner's. It may rely on seeing every position once, in order; but for a customer of whom
something was erased, whose rows it is told to forget and then gets the events of once more, from the first one on,
without what was erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from psycopg import Connection

from domain.streams import StreamKind
from projections.moves import Moves, Positioned


@dataclass(frozen=True, slots=True)
class Batch:
    """Neighbouring events of the log, or all of one customer's, and how they move the slots that they touch.

    Those of the service itself move none.
    """

    events: Sequence[Positioned]
    moves: Moves


class Projection(Protocol):
    """`name` is the key of its row in read.tracking; `apply` adds a batch to its tables.

    `follows` is the kind of streams whose events it is given, and no others.
    """

    name: str
    follows: StreamKind

    def apply(self, connection: Connection[Any], batch: Batch) -> None: ...

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        """Delete every row about a customer."""
