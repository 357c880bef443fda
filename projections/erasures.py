"""What became of a file's requests for erasure, each with its certificate, and the holds it is under.

Reads read.events and ledger.erasure. What must stay true: `unreadable_since` and `scrubbed_since` are times that are
over, and what is left of the data meanwhile is named, never implied to be nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from db.queries import load
from domain.events.privacy import (
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    LegalHoldLifted,
    LegalHoldPlaced,
    PersonalDataErased,
)

_QUERIES: Final = load("projections", "erasures.sql")
_TYPES: Final = [
    payload.type
    for payload in (
        ErasureRequested,
        ErasureApproved,
        ErasureRejected,
        ErasureWithdrawn,
        PersonalDataErased,
        LegalHoldPlaced,
        LegalHoldLifted,
    )
]
_ENDS: Final = {ErasureRejected.type: "REJECTED", ErasureWithdrawn.type: "WITHDRAWN"}

NOT_YET: Final = "copies of the key in processes that had read it, for at most a minute"
NOT_SCRUBBED: Final = "deleted rows in the database's files and its write-ahead log, until they are scrubbed"
IN_BACKUPS: Final = "backups and archived write-ahead log, until their retention and the epoch of their key end"
IN_OTHER_WORDS: Final = "what others have written in words of their own: reasons, notes, comments, needs, attributes"
GIVEN_AWAY: Final = "what was given away before: exports, evidence packs, keys of single events"


class Told(NamedTuple):
    """An event about an erasure or a hold."""

    version: int
    position: int
    event_id: UUID
    type: str
    recorded_at: datetime
    actor: str
    reason: str | None
    data: Mapping[str, Any]

    def step(self, **more: Any) -> dict[str, Any]:
        return {"at": self.recorded_at, "by": self.actor, "event_id": self.event_id, **more}


class CarriedOut(NamedTuple):
    """How far the eraser is with an erasure; None: not yet."""

    unreadable_since: datetime | None
    scrubbed_since: datetime | None
    keys_kept: Sequence[UUID]


@dataclass(slots=True)
class Ledgered:
    """Requests and holds by their ids, as the events so far leave them."""

    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    holds: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, told: Told) -> None:
        data = told.data
        if told.type == LegalHoldPlaced.type:
            known = {name: data[name] for name in ("hold_id", "basis", "reference")}
            self.holds[data["hold_id"]] = {**known, "placed": told.step(reason=told.reason)}
        elif told.type == LegalHoldLifted.type:
            self.holds.pop(data["hold_id"], None)
        elif told.type == ErasureRequested.type:
            self.requests[data["request_id"]] = _requested(told)
        elif told.type == PersonalDataErased.type:
            self._erase(told)
        elif (request := self.requests.get(data["request_id"])) is not None:
            is_approval = told.type == ErasureApproved.type
            request["state"] = "APPROVED" if is_approval else _ENDS[told.type]
            request["decided"] = told.step(comment=data.get("comment"))

    def _erase(self, told: Told) -> None:
        subject = told.data["subject"]
        for request in self.requests.values():
            if request["request_id"] == told.data["request_id"]:
                request["state"] = "ERASED"
                request["erased"] = told.step(version=told.version, position=told.position, fields=told.data["fields"])
            elif request["state"] in {"REQUESTED", "APPROVED"} and subject in {request["subject"], told.data["whole"]}:
                request["state"] = "SUPERSEDED"


async def erasures_of(
    connection: AsyncConnection[Any], customer_id: UUID, position: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The requests for erasure of a file, as known at a position and carried out by now, and the holds in force."""
    params = {"customer_id": customer_id, "position": position, "types": _TYPES}
    ledgered = Ledgered()
    for row in await (await connection.execute(_QUERIES["told"], params)).fetchall():
        told = Told._make(row)
        ledgered.take(told._replace(data={"fields": [], **told.data, "whole": str(customer_id)}))
    rows = await (await connection.execute(_QUERIES["carried_out"], {"customer_id": customer_id})).fetchall()
    done = {version: CarriedOut(*times) for version, *times in rows}
    requests = [{**request, **_certificate(request, done, customer_id)} for request in ledgered.requests.values()]
    return requests, list(ledgered.holds.values())


def _requested(told: Told) -> dict[str, Any]:
    known = {name: told.data[name] for name in ("request_id", "subject", "legal_basis")}
    return {
        **known,
        "state": "REQUESTED",
        "requested": told.step(reason=told.reason),
        "decided": None,
        "erased": None,
    }


def _certificate(request: Mapping[str, Any], done: Mapping[int, CarriedOut], customer_id: UUID) -> dict[str, Any]:
    if request["erased"] is None:
        return {"unreadable_since": None, "scrubbed_since": None, "residue": []}
    carried_out = done.get(request["erased"]["version"], CarriedOut(None, None, ()))
    is_whole = request["subject"] == str(customer_id)
    return {
        "unreadable_since": carried_out.unreadable_since,
        "scrubbed_since": carried_out.scrubbed_since,
        "residue": list(_residue(carried_out, is_whole=is_whole)),
    }


def _residue(carried_out: CarriedOut, *, is_whole: bool) -> Iterator[str]:
    """What may still hold something of the data, as it stands now."""
    if carried_out.unreadable_since is None:
        yield NOT_YET
    if carried_out.scrubbed_since is None:
        yield NOT_SCRUBBED
    for subject in carried_out.keys_kept:
        yield f"the data key of {subject}, which another file uses"
    yield IN_BACKUPS
    if not is_whole:
        yield IN_OTHER_WORDS
    yield GIVEN_AWAY
