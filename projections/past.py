"""Customers' files at moments: what their facts say, and what decisions made of them, brought by one statement.

What must stay true: what shows is what the state function of time.md 4 says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db import arrays
from db.queries import load
from domain.erased import Erased
from domain.events.classification import (
    TierReassignmentApproved,
    TierReassignmentRejected,
    TierReassignmentRequested,
    TierReassignmentWithdrawn,
)
from domain.events.lifecycle import CustomerArchived, CustomerKind, CustomerRegistered, CustomerReinstated
from domain.events.privacy import (
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    PersonalDataErased,
)
from domain.events.proposals import ChangeProposed, ProposalApproved, ProposalRejected, ProposalWithdrawn
from domain.facts import ABSENT, Absent
from domain.pending import RequestKind
from domain.slots import parent_of, pointer
from projections.basis import Basis, KnownBy, all_known_by
from projections.errors import LongTextMissing
from projections.landmarks import NOWHERE, Landmarks

_QUERIES: Final = load("projections", "past.sql")
_REQUEST_ENDS: Final = frozenset(
    event.type for event in (TierReassignmentApproved, TierReassignmentRejected, TierReassignmentWithdrawn)
)
_PENDING_TYPES: Final = (
    "customer.tier-reassignment-", "customer.erasure-", ChangeProposed.type, PersonalDataErased.type,
)  # fmt: skip
_PENDING_ENDS: Final = {
    **dict.fromkeys(_REQUEST_ENDS, RequestKind.TIER),
    **dict.fromkeys((ErasureRejected.type, ErasureWithdrawn.type), RequestKind.ERASURE),
    **dict.fromkeys((ProposalApproved.type, ProposalRejected.type, ProposalWithdrawn.type), RequestKind.PROPOSAL),
}
_Awaited = dict[tuple[str, str], dict[str, Any]]
"""Open requests by kind and id."""
_ALL: Final = 2**62
_ERASED: Final = re.compile(rb'"by": ?"([0-9a-f-]{36})", ?"erased": ?true')


class LaterFact(NamedTuple):
    """A fact that will come to hold its slot, in [start, end); ABSENT where it takes the value away.

    Its instants are text, as they are shown: in UTC, with six digits.
    """

    slot: str
    value: Any | Absent
    version: int
    start: str
    end: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What decisions made of a file; requests by id, as the profile lists them: those for a tier, and all `awaited`.

    `erased_by`: the event that erased the customer itself, of whom nothing else is known then.
    """

    kind: CustomerKind | None
    archived: bool
    requests: Mapping[str, Mapping[str, Any]]
    erased_by: str | None = None
    awaited: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastFile:
    """`version` is the stream's head then. What shows, and what comes later, is JSON that the server made.

    `slots` lists those that have a value, in their order, whether they show or not; `lines` has their values,
    one a line. `decisions` are the bodies of those that made something of the file. `later_lines` has what comes later,
    one a line, soonest first, and may be cut.
    """

    version: int
    decisions: str | None
    slots: str
    lines: bytes
    is_effective: bool
    later_lines: bytes

    @property
    def erasures(self) -> set[str]:
        """The events that erased any of all that; of one and the same moment they become more."""
        return erasures_in(self.lines) | erasures_in(self.later_lines) | erasures_in((self.decisions or "").encode())

    @property
    def decided(self) -> Decided:
        is_usual = self.decisions is None or not any(each in self.decisions for each in _PENDING_TYPES)
        return _usually_decided(self.decisions) if is_usual else _decided(self.decisions)

    @property
    def each_line(self) -> list[bytes]:
        """The values' JSON. Raises LongTextMissing."""
        lines = self.lines.split(b"\n") if self.slots != "[]" else []
        if b"" in lines:
            raise LongTextMissing
        return lines

    @property
    def values(self) -> dict[str, Any]:
        """What shows, by slot: no child without its parent (as domain.fold.visible)."""
        held = dict(zip(orjson.loads(self.slots), map(orjson.loads, self.each_line), strict=True))
        return {slot: value for slot, value in held.items() if (parent := parent_of(slot)) is None or parent in held}

    @property
    def later_items(self) -> list[bytes]:
        return self.later_lines.split(b"\n") if self.later_lines else []

    @property
    def later(self) -> list[LaterFact]:
        return [_later(orjson.loads(item)) for item in self.later_items]


async def version_at(connection: AsyncConnection[Any], customer_id: UUID, moment: Basis) -> int | None:
    """The last version of the customer's stream as known at the moment; None if the customer was not known then."""
    params = {"customer_id": customer_id, "position": moment.position}
    row = await (await connection.execute(_QUERIES["version_at"], params)).fetchone()
    return row[0] if row else None


class Asked(NamedTuple):
    """Which file at which moment, and with how many later facts at most (None: with all).

    `position` None stands for the last one known by `known_at`.
    """

    customer_id: UUID
    known_at: datetime
    position: int | None
    valid_at: datetime
    most_later: int | None


async def files_at(
    connection: AsyncConnection[Any], asked: Collection[Asked], landmarks: Landmarks | None = None
) -> dict[Asked, tuple[KnownBy, PastFile | None]]:
    """What each moment means, and the file then; None where the customer was not known.

    With `landmarks`, which are set where they are missing, positions need not be searched for in the whole log.
    """
    wanted = list(asked)
    places = [_places(one, landmarks) for one in wanted]
    found = await _looked_up(connection, wanted, places, landmarks)
    lost = [one for one in wanted if one not in found]
    if lost:
        known = await all_known_by(connection, {one.known_at for one in lost}, landmarks or Landmarks())
        positions = [(known[one.known_at].position, None) for one in lost]
        files = await _looked_up(connection, lost, positions, landmarks)
        found |= {one: (known[one.known_at], files[one][1]) for one in lost}
    return found


async def _looked_up(
    connection: AsyncConnection[Any],
    wanted: Sequence[Asked],
    places: Sequence[tuple[int, int | None]],
    landmarks: Landmarks | None,
) -> dict[Asked, tuple[KnownBy, PastFile | None]]:
    """Each of `wanted` at its position, or at the one found between two places of the log, if it is there."""
    params = {
        "customer_ids": arrays.uuids([one.customer_id for one in wanted]),
        "known_at": arrays.timestamps([one.known_at for one in wanted]),
        "valid_at": arrays.timestamps([one.valid_at for one in wanted]),
        "most": arrays.bigints([_ALL if one.most_later is None else one.most_later for one in wanted]),
        "low": arrays.bigints([low for low, _ in places]),
        "high": arrays.bigints([high for _, high in places]),
    }
    cursor = await connection.cursor(binary=True).execute(_QUERIES["files_at"], params)
    rows = await cursor.fetchall()
    if landmarks is not None and rows:
        reached = rows[0][3]
        await landmarks.keep_up(connection, reached)
    return {wanted[row[0] - 1]: (KnownBy(*row[1:5]), _file(row[5:], wanted[row[0] - 1].most_later)) for row in rows}


async def file_at(
    connection: AsyncConnection[Any], customer_id: UUID, moment: Basis, *, most_later: int | None = None
) -> PastFile | None:
    """One file; None if the customer was not known then."""
    asked = Asked(customer_id, moment.known_at, moment.position, moment.valid_at, most_later)
    _, file = (await files_at(connection, [asked]))[asked]
    return file


def _places(one: Asked, landmarks: Landmarks | None) -> tuple[int, int | None]:
    """The position that is asked for, or the places of the log between which it is believed to lie."""
    if one.position is not None:
        return one.position, None
    return NOWHERE if landmarks is None else landmarks.places(one.known_at)


def _file(row: Sequence[Any], most_later: int | None) -> PastFile | None:
    version, decisions, slots, lines, has_begun, later = row
    if version is None:
        return None
    # a file without any fact is not one that is still to begin
    is_effective = has_begun or later is None
    return PastFile(version, decisions, slots or "[]", lines or b"", is_effective, _first(later or b"", most_later))


def _first(lines: bytes, most: int | None) -> bytes:
    return lines if most is None or lines.count(b"\n") < most else b"\n".join(lines.split(b"\n")[:most])


def _later(item: dict[str, Any]) -> LaterFact:
    value = ABSENT if "absent" in item else item["value"]
    return LaterFact(item["path"], value, item["version"], item["effective_from"], item["effective_to"])


def erasures_in(text: bytes) -> set[str]:
    """The events that are named in JSON in place of what they erased; of PostgreSQL's making or ours."""
    return {found.decode() for found in _ERASED.findall(text)} if b'"erased"' in text else set()


@lru_cache
def _usually_decided(decisions: str | None) -> Decided:
    """Registered, perhaps archived: most files have the same, and nothing of a customer stands in it."""
    return _decided(decisions)


def _decided(decisions: str | None) -> Decided:
    """The fold of decisions, in their order, from their bodies."""
    kind, archived, erased_by = None, False, None
    requests: dict[str, dict[str, Any]] = {}
    awaited: _Awaited = {}
    for body in orjson.loads(decisions) if decisions else ():
        event_type, data = body["type"], body.get("data", {})
        if event_type in {CustomerArchived.type, CustomerReinstated.type}:
            archived = event_type == CustomerArchived.type
        elif data.keys() == Erased.model_fields.keys():
            erased_by = data["by"]
        elif event_type == CustomerRegistered.type:
            kind = CustomerKind(data["customer_kind"])
        elif event_type == TierReassignmentRequested.type:
            requests[body["data"]["request_id"]] = _open_request(body)
        elif event_type in _REQUEST_ENDS:
            requests.pop(data["request_id"], None)
        awaited = _awaited_after(awaited, body, data)
    return Decided(kind, archived, requests, erased_by, awaited)


def _awaited_after(awaited: _Awaited, body: Mapping[str, Any], data: Mapping[str, Any]) -> _Awaited:
    """What waits for a second person after an event (as domain.pending of the file)."""
    event_type = body["type"]
    if data.keys() == Erased.model_fields.keys():
        return awaited
    if event_type == TierReassignmentRequested.type:
        opened = _awaited(body, RequestKind.TIER, paths=[pointer("tier", data["scheme"])])
    elif event_type == ErasureRequested.type:
        opened = _awaited(body, RequestKind.ERASURE, subject=data["subject"])
    elif event_type == ChangeProposed.type and isinstance(data["changes"], list):  # else they were erased
        about = {"paths": data["slots"], "commands": data["commands"], "subject": data["subject"]}
        opened = _awaited(body, RequestKind.PROPOSAL, **about)
    else:
        return _awaited_but(awaited, body, data)
    return {**awaited, (opened["kind"], opened["request_id"]): opened}


def _awaited_but(awaited: _Awaited, body: Mapping[str, Any], data: Mapping[str, Any]) -> _Awaited:
    """The same after an event that is no request."""
    event_type = body["type"]
    erasure = RequestKind.ERASURE, data.get("request_id", "")
    if event_type == ErasureApproved.type and erasure in awaited and data["after_hold"]:
        return {**awaited, erasure: {**awaited[erasure], "approved_by": body["actor"]["id"]}}
    if (kind := _PENDING_ENDS.get(event_type)) is not None:
        ended = kind, data["proposal_id" if kind is RequestKind.PROPOSAL else "request_id"]
        return {known: request for known, request in awaited.items() if known != ended}
    if event_type == PersonalDataErased.type:
        gone = data["subject"]
        everybody = gone == body["customer_id"]
        return {
            known: request
            for known, request in awaited.items()
            if known != erasure and not (everybody or request["subject"] == gone)
        }
    return awaited


def _awaited(body: Mapping[str, Any], kind: RequestKind, **about: Any) -> dict[str, Any]:
    data = body["data"]
    return {
        "kind": kind,
        "request_id": data.get("request_id") or data["proposal_id"],
        "requester": body["actor"]["id"],
        "requester_for": body["actor"].get("on_behalf_of"),
        "reason": body.get("reason", {}).get("text"),
        "expires_at": data.get("expires_at"),
        "event_id": body["event_id"],
        "version": body["version"],
        "paths": [],
        "commands": [],
        "subject": None,
        "approved_by": None,
        **about,
    }


def _open_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """An open request as the profile lists it."""
    data = body["data"]
    return {
        "request_id": data["request_id"],
        "scheme": data["scheme"],
        "from_code": data.get("from_code"),
        "to_code": data["to_code"],
        "takes_effect": data.get("takes_effect"),
        "expires_at": data["expires_at"],
        "requester": body["actor"]["id"],
        "requester_for": body["actor"].get("on_behalf_of"),
        "event_id": body["event_id"],
        "version": body["version"],
        "reason": body.get("reason", {}).get("text"),
    }
