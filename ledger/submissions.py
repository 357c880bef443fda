"""What the write path is given and what it answers: orders with their preconditions, and receipts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domain.decisions import Order
from domain.events import RecordedEvent
from domain.file import CustomerFile


@dataclass(frozen=True, slots=True)
class NewFile:
    """The order opens the file; there must be none under its id."""


@dataclass(frozen=True, slots=True)
class AtProfileVersion:
    """The order was made looking at this profile version (If-Match)."""

    number: int


@dataclass(frozen=True, slots=True)
class AnyVersion:
    """The order holds whatever the file says by now."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An order with its preconditions.

    `digest` is the SHA-256 of the request, for telling retries from reuse. `identifiers` are all that the order's
    commands name: of others it is not known who holds them.
    """

    order: Order
    expected: NewFile | AtProfileVersion | AnyVersion
    digest: bytes
    identifiers: frozenset[tuple[str, str]] = frozenset()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was recorded. `masked` tells, per version, from when on a later fact hides the recorded one.

    `entry_hashes` are those by which the log will know the events; empty until they are stored, and of a dry run.
    """

    customer_id: UUID
    registered: bool
    profile_version: int
    revision: str
    events: tuple[RecordedEvent, ...]
    masked: dict[int, datetime]
    replayed: bool = False
    entry_hashes: list[bytes] = field(default_factory=list)

    @property
    def version(self) -> int:
        return self.events[-1].envelope.version

    def again(self) -> Receipt:
        """The same answer, given to a repeated request."""
        return replace(self, replayed=True)


Outcome = Receipt | Exception


@dataclass(slots=True, eq=False)
class Pending:
    """A submission on its way. `history` is its file folded from the whole stream, where one was needed."""

    submission: Submission
    history: CustomerFile | None = None
    histories_read: int = 0
    in_doubt: bool = False
    """The connection was lost while it was being saved, and no idempotency key can tell whether it was."""
