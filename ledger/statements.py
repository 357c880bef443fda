"""What the write path and the views written inside its transaction say to each other.

The ledger never imports a projection: it asks views that the composition root hands it for statements, loads
rows through them, and runs what they return in its own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.file import CustomerFile


class Statement(NamedTuple):
    """One SQL statement with its named parameters."""

    sql: str
    params: Mapping[str, Any]


class FileChange(NamedTuple):
    """What a batch did to one customer: the identifiers held before, None if none were touched, and the file now."""

    before_claims: frozenset[tuple[str, str]] | None
    after: CustomerFile


class InlineView(Protocol):
    """Rows written in the transaction of the events, several customers at a time, ordered by key."""

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]: ...


class FileView(InlineView, Protocol):
    """The view that keeps each customer's file."""

    def load(self, customer_ids: Iterable[UUID]) -> Statement: ...

    def decode(self, row: Sequence[Any]) -> CustomerFile | None:
        """The file in a row of `load`; None for a row of another fold version, to be folded anew."""


class HolderView(InlineView, Protocol):
    """The view that knows who holds an identifier."""

    def holders(self, claims: Iterable[tuple[str, str]]) -> Statement:
        """The statement that brings (scheme, value, customer id)."""
