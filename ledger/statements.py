"""What the write path and the views written inside its transaction say to each other.

The ledger never imports a projection: it asks views that the composition root hands it for statements, loads
rows through them, and runs what they return in its own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.file import CustomerFile


class Statement(NamedTuple):
    """One SQL statement with its named parameters."""

    sql: str
    params: Mapping[str, Any]


class Joinable(Statement):
    """A statement that may run as a part of another: no other statement of its batch writes the same table."""

    __slots__ = ()


def joined(last: Statement, others: Sequence[Statement]) -> Statement:
    """One statement that does what all do, in no order: `last` begins with WITH, the others become parts of that.

    A round trip costs the client as much as a dozen events, and what it does not cost is a transaction of its own.
    """
    params = dict(last.params)
    for other in others:
        if shared := params.keys() & other.params.keys():
            raise ValueError(f"two statements of a batch name a parameter {', '.join(sorted(shared))}")
        params |= other.params
    return Statement(_joined_sql(last.sql, tuple(other.sql for other in others)), params)


@lru_cache(maxsize=64)
def _joined_sql(last: str, others: tuple[str, ...]) -> str:
    parts = [f"joined_{number} AS (\n{_bare(sql)}\n)" for number, sql in enumerate(others)]
    return f"WITH {', '.join(parts)}, {last.strip().removeprefix('WITH ')}" if parts else last


def _bare(sql: str) -> str:
    return sql.strip().removesuffix(";")


class FileChange(NamedTuple):
    """What a batch did to one customer: the identifiers held before, None if none were touched, and the file now."""

    before_claims: frozenset[tuple[str, str]] | None
    after: CustomerFile


class InlineView(Protocol):
    """Rows written in the transaction of the events, several customers at a time, ordered by key."""

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]: ...


class FileView(InlineView, Protocol):
    """The view that keeps each customer's file."""

    def load(self, customer_ids: Iterable[UUID]) -> Statement:
        """A row per customer: the id, the columns of its row (null for who has none), and the database's clock."""

    def decode(self, row: Sequence[Any]) -> CustomerFile | None:
        """The file in a row of `load`; None for a row of another fold version, to be folded anew."""


class HolderView(InlineView, Protocol):
    """The view that knows who holds an identifier."""

    def holders(self, claims: Iterable[tuple[str, str]]) -> Statement:
        """The statement that brings (scheme, value, customer id)."""
