"""read.identifier: which customer holds an identifier (rule I4), written with the events themselves.

The table's primary key is the arbiter between writers: a claim is a plain insert, so that of two customers that
claim one identifier at once, the later transaction breaks `identifier_pkey` and decides anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from db.queries import load
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.slots import pointer
from ledger.statements import FileChange, Statement

_QUERIES: Final = load("projections", "identifiers.sql")


class _Claim(NamedTuple):
    """One row. Rows are sorted by the key, which comes first, so that two writers lock in the same order."""

    scheme: str
    value: str
    customer_id: UUID
    version: int


class IdentifierView:
    """The inline view: statements for the writer's own transaction."""

    def holders(self, claims: Iterable[tuple[str, str]]) -> Statement:
        """The statement that brings (scheme, value, customer id) of those among `claims` that somebody holds."""
        wanted = sorted(set(claims))
        schemes, values = [scheme for scheme, _ in wanted], [value for _, value in wanted]
        return Statement(_QUERIES["holders"], {"schemes": schemes, "values": values})

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]:
        """Releases first: what one customer of the batch gives up, another one may take."""
        released, taken = [], []
        for change in changes:
            before = change.before_claims
            if before is None:
                continue
            after = change.after.claims()
            released += [_claim(change.after, scheme, value) for scheme, value in before - after]
            taken += [_claim(change.after, scheme, value) for scheme, value in after - before]
        named = (("release", sorted(released)), ("claim", sorted(taken)))
        return [_statement(name, claims) for name, claims in named if claims]


def _statement(name: str, claims: list[_Claim]) -> Statement:
    columns = {
        "schemes": [claim.scheme for claim in claims],
        "values": [claim.value for claim in claims],
        "customer_ids": [claim.customer_id for claim in claims],
        "versions": [claim.version for claim in claims],
    }
    if name == "release":
        del columns["versions"]
    return Statement(_QUERIES[name], columns)


def _claim(file: CustomerFile, scheme: str, value: str) -> _Claim:
    """The row, with the version of the event that last recorded the identifier; 0 if none counts any more."""
    segments = file.slots.get(pointer("identifiers", scheme, value), ())
    recorded = (segment.fact.version for segment in segments if segment.fact.value is not ABSENT)
    return _Claim(scheme, value, file.customer_id, max(recorded, default=0))
