"""The profile as a client reads it: the document of visible slots, with basis, existence and what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from api.encoding import time_text
from domain.document import document_of, is_below, narrowed
from domain.events.lifecycle import CustomerKind
from domain.facts import ABSENT
from domain.file import CustomerFile, TierRequest
from domain.pending import pending_requests
from domain.shown import highest_of
from domain.slots import Sensitivity
from projections.past import LaterFact
from projections.search import display_name

MOST_PENDING: Final = 10
"""Listed in one profile: of a long stream, looked at long ago, nearly everything is pending."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one customer's file says at one (known, valid), ready to be shown."""

    customer_id: UUID
    kind: CustomerKind | None
    archived: bool
    effective: bool
    values: Mapping[str, Any]
    pending: Iterable[LaterFact]
    """Soonest first."""
    requests: Iterable[Mapping[str, Any]]
    basis: Mapping[str, Any]
    query: str = field(default="")
    """The query string that asks for the blame of the same moment."""
    erased_by: UUID | str | None = None
    """The event that erased the customer itself, if one has."""
    awaited: Iterable[Mapping[str, Any]] = ()
    """What waits for a second person (domain/pending.py), oldest first."""


def of_current_file(file: CustomerFile, now: datetime) -> Profile:
    """The profile of a file that is folded forward to `now`."""
    return Profile(
        file.customer_id,
        file.kind,
        file.archived,
        file.effective_since is None or file.effective_since <= now,
        {slot: fact.value for slot, fact in file.visible(now).items()},
        [
            LaterFact(
                segment.fact.slot,
                segment.fact.value,
                segment.fact.version,
                time_text(segment.start),
                None if segment.end is None else time_text(segment.end),
            )
            for segment in file.pending(now)
        ],
        map(_request, file.requests.values()),
        current_basis(file.version, now),
        erased_by=file.privacy.erased.get(file.customer_id),
        awaited=[request.as_json() for request in pending_requests(file)],
    )


def current_basis(version: int, now: datetime) -> dict[str, Any]:
    """What a current profile is as of."""
    return {"known_at": now, "position": None, "version": version, "valid_at": now, "stable": False}


def rendered(profile: Profile, fields: Sequence[str] | None = None) -> dict[str, Any]:
    """The JSON object of the answer; `fields` are slot pointers to narrow it to."""
    values, pending, awaited = profile.values, list(profile.pending), list(profile.awaited)
    if fields is not None:
        values = narrowed(values, fields)
        pending = [item for item in pending if is_below(item.slot, fields)]
        awaited = [request for request in awaited if any(is_below(slot, fields) for slot in request["paths"])]
    waiting = [*awaited, *map(_pending, pending)]
    erased = {} if profile.erased_by is None else {"erased": {"erased": True, "by": profile.erased_by}}
    return {
        "customer_id": profile.customer_id,
        "customer_kind": profile.kind,
        **erased,
        "file_state": "ARCHIVED" if profile.archived else "LIVE",
        "existence": "EFFECTIVE" if profile.effective else "NOT_EFFECTIVE",
        "display_name": display_name(profile.values),
        "basis": profile.basis,
        **document_of(values),
        "pending": waiting[:MOST_PENDING],
        "more_pending": len(waiting) > MOST_PENDING,
        "requests": list(profile.requests),
        "provenance": f"/v1/customers/{profile.customer_id}/blame{profile.query}",
    }


def highest_shown(profile: Profile, fields: Sequence[str] | None = None) -> Sensitivity:
    """The highest class of what `rendered` shows, or would where a mask hides nothing; `pending` is a list."""
    values, is_individual = profile.values, profile.kind is not CustomerKind.ORGANISATION
    pending = {item.slot: item.value for item in profile.pending}
    pending |= {slot: None for request in profile.awaited for slot in request["paths"] if slot not in pending}
    if fields is not None:
        values = narrowed(values, fields)
        pending = {slot: value for slot, value in pending.items() if is_below(slot, fields)}
    return max(highest_of(held, is_individual=is_individual) for held in (values, pending))


def _pending(item: LaterFact) -> dict[str, Any]:
    shown = {"path": item.slot, "absent": True} if item.value is ABSENT else {"path": item.slot, "value": item.value}
    shown["effective_from"] = item.start
    shown["effective_to"] = item.end
    shown["version"] = item.version
    return shown


def _request(request: TierRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in TierRequest.__slots__}
