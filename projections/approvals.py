"""read.approvals: what waits for a second person on all files, and since and until which position it did.

Owns the table. What must stay true: the rows of a customer that are open at a position are what domain.pending says of
its file then; so an inbox read page by page at one position is one consistent answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row

from db.queries import load
from domain.erased import Erased
from domain.events import Payload, RecordedEvent
from domain.events.classification import (
    TierReassignmentApproved,
    TierReassignmentRejected,
    TierReassignmentRequested,
    TierReassignmentWithdrawn,
)
from domain.events.privacy import (
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    PersonalDataErased,
)
from domain.events.proposals import ChangeProposed, ProposalApproved, ProposalRejected, ProposalWithdrawn
from domain.pending import RequestKind
from domain.slots import pointer
from domain.streams import StreamKind
from ledger.plain import to_json
from projections.moves import Positioned
from projections.projection import Batch

_QUERIES: Final = load("projections", "approvals.sql")


class Opened(NamedTuple):
    """A request was made."""

    kind: RequestKind
    request_id: UUID
    expires_at: datetime | None
    subject: UUID | None
    about: Mapping[str, Any]


class Agreed(NamedTuple):
    """A request for erasure is approved, and waits all the same."""

    request_id: UUID
    kind: RequestKind = RequestKind.ERASURE


class Closed(NamedTuple):
    """A request is over, and with an erasure all those about the subject."""

    request_id: UUID
    kind: RequestKind
    subject: UUID | None = None


Step = Opened | Agreed | Closed

_ENDS: Final[Mapping[type[Payload], RequestKind]] = {
    TierReassignmentApproved: RequestKind.TIER,
    TierReassignmentRejected: RequestKind.TIER,
    TierReassignmentWithdrawn: RequestKind.TIER,
    ErasureRejected: RequestKind.ERASURE,
    ErasureWithdrawn: RequestKind.ERASURE,
    ProposalApproved: RequestKind.PROPOSAL,
    ProposalRejected: RequestKind.PROPOSAL,
    ProposalWithdrawn: RequestKind.PROPOSAL,
}


def step_of(event: RecordedEvent) -> Step | None:
    """What an event does to what waits; None for most."""
    payload = event.payload
    if (kind := _ENDS.get(type(payload))) is not None:
        said = payload.__dict__
        return Closed(said["proposal_id" if kind is RequestKind.PROPOSAL else "request_id"], kind)
    match payload:
        case ErasureApproved(request_id=request_id, after_hold=True):
            return Agreed(request_id)
        case PersonalDataErased(request_id=request_id, subject=subject):
            return Closed(request_id, RequestKind.ERASURE, subject)
        case _:
            return _opening(payload)


def _opening(payload: Payload) -> Opened | None:
    match payload:
        case TierReassignmentRequested() as request:
            about = {"paths": [pointer("tier", request.scheme)], "commands": []}
            return Opened(RequestKind.TIER, request.request_id, request.expires_at, None, about)
        case ErasureRequested() as request:
            about = {"paths": [], "commands": []}
            return Opened(RequestKind.ERASURE, request.request_id, None, request.subject, about)
        case ChangeProposed() as proposal if not isinstance(proposal.changes, Erased):
            about = {"paths": [*proposal.slots], "commands": [*proposal.commands]}
            return Opened(RequestKind.PROPOSAL, proposal.proposal_id, proposal.expires_at, proposal.subject, about)
        case _:  # nor of a proposal of which nothing is left that could be agreed to
            return None


class Approvals:
    """The projection."""

    name = "approvals"
    follows = StreamKind.CUSTOMER

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        for entry in batch.events:
            if entry.event.payload.decision and (step := step_of(entry.event)) is not None:
                _take(connection, entry, step)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        connection.execute(_QUERIES["forget"], {"customer_id": customer_id})


def _take(connection: Connection[Any], entry: Positioned, step: Step) -> None:
    envelope = entry.event.envelope
    params = {
        "customer_id": envelope.customer_id,
        "position": entry.position,
        "request_id": step.request_id,
        "kind": step.kind,
    }
    match step:
        case Opened():
            connection.execute(_QUERIES["open"], {**params, **_opened(entry, step)})
        case Agreed():
            connection.execute(_QUERIES["agree"], {**params, "by": envelope.actor.id})
        case Closed():
            connection.execute(_QUERIES["close"], {**params, "subject": step.subject})


def _opened(entry: Positioned, step: Opened) -> dict[str, Any]:
    envelope = entry.event.envelope
    return {
        "version": envelope.version,
        "requester": envelope.actor.id,
        "requester_for": envelope.actor.on_behalf_of,
        "reason": envelope.reason.text if envelope.reason else None,
        "expires_at": step.expires_at,
        "event_id": envelope.event_id,
        "recorded_at": envelope.recorded_at,
        "subject": step.subject,
        "about": to_json(dict(step.about)).decode(),
    }


def rows_of(entries: Iterable[Positioned]) -> Iterator[dict[str, Any]]:
    """What the table must hold of one customer, by columns."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        step = step_of(entry.event)
        if isinstance(step, Opened):
            customer_id = entry.event.envelope.customer_id
            opened = {"customer_id": customer_id, "request_id": step.request_id, "kind": step.kind}
            nothing = {"closed": None, "agreed": None, "agreed_by": None}
            rows.append({**opened, "opened": entry.position, **nothing, **_opened(entry, step)})
        elif step is not None:
            for row in rows:
                if row["closed"] is None:
                    _end(row, entry, step)
    return iter(rows)


def _end(row: dict[str, Any], entry: Positioned, step: Agreed | Closed) -> None:
    is_meant = (row["kind"], row["request_id"]) == (step.kind, step.request_id)
    if isinstance(step, Agreed):
        if is_meant:
            row |= {"agreed": entry.position, "agreed_by": entry.event.envelope.actor.id}
    elif is_meant or (step.subject is not None and step.subject in (row["subject"], row["customer_id"])):
        row["closed"] = entry.position


@dataclass(frozen=True, slots=True)
class Inbox:
    """What is wanted of all that waits. `mine`: only what somebody can decide who stands for these people."""

    kind: RequestKind | None = None
    requester: str | None = None
    customer_id: UUID | None = None
    mine: frozenset[str] | None = None
    kinds: frozenset[RequestKind] = frozenset()


async def inbox(
    connection: AsyncConnection[Any], position: int, valid_at: datetime, wanted: Inbox, *, limit: int, after: int = 0
) -> list[dict[str, Any]]:
    """A page of what waits at a position, oldest first, behind what was asked for at position `after`."""
    params = {
        "position": position,
        "valid_at": valid_at,
        "limit": limit,
        "after": after,
        "kind": wanted.kind,
        "requester": wanted.requester,
        "customer_id": wanted.customer_id,
        "mine": None if wanted.mine is None else sorted(wanted.mine),
        "kinds": sorted(wanted.kinds),
    }
    cursor = connection.cursor(row_factory=dict_row)
    # unprepared: planned for the filters that are there, not for all that could be
    rows = await (await cursor.execute(_QUERIES["inbox"], params, prepare=False)).fetchall()
    return [{**{name: value for name, value in row.items() if name != "about"}, **row["about"]} for row in rows]
