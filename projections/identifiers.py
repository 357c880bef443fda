"""read.identifier: which customer holds an identifier (rule I4), written with the events themselves.

The table's primary key is the arbiter between writers: a claim is a plain insert, so that of two customers that
claim one identifier at once, the later transaction breaks `identifier_pkey` and decides anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from db.queries import load
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.slots import pointer
from ledger.statements import FileChange, Statement

_QUERIES: Final = load("projections", "identifiers.sql")


class _Step(NamedTuple):
    """One row taken or given up. Steps sort by the key; a release comes before the claim of what it sets free."""

    scheme: str
    value: str
    taken: bool
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
        """In the order of the keys, releases and claims alike; with all releases first two writers could deadlock.

        A writer waits only where it claims, and whoever it waits for has still to wait, if at all, for a greater key.
        """
        steps: list[_Step] = []
        for change in changes:
            before = change.before_claims
            if before is None:
                continue
            after = change.after.claims()
            steps += [_step(change.after, *claim, taken=False) for claim in before - after]
            steps += [_step(change.after, *claim, taken=True) for claim in after - before]
        return [_statement(list(run), taken=taken) for taken, run in groupby(sorted(steps), attrgetter("taken"))]


def _statement(steps: list[_Step], *, taken: bool) -> Statement:
    columns = {
        "schemes": [step.scheme for step in steps],
        "values": [step.value for step in steps],
        "customer_ids": [step.customer_id for step in steps],
    }
    if not taken:
        return Statement(_QUERIES["release"], columns)
    return Statement(_QUERIES["claim"], {**columns, "versions": [step.version for step in steps]})


def _step(file: CustomerFile, scheme: str, value: str, *, taken: bool) -> _Step:
    return _Step(scheme, value, taken, file.customer_id, recording_version(file, scheme, value))


def recording_version(file: CustomerFile, scheme: str, value: str) -> int:
    """The version of the event that last recorded an identifier; 0 if none counts any more."""
    segments = file.slots.get(pointer("identifiers", scheme, value), ())
    return max((segment.fact.version for segment in segments if segment.fact.value is not ABSENT), default=0)
