"""The profile as a client reads it: the document of visible slots, with basis, existence and what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.document import document_of, is_below, narrowed
from domain.events.lifecycle import CustomerKind
from domain.facts import ABSENT
from domain.file import CustomerFile, TierRequest
from projections.search import display_name


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that will come to hold its slot later; ABSENT where one will be taken away."""

    path: str
    value: Any
    effective_from: datetime
    effective_to: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What one customer's file says at one (known, valid), ready to be shown."""

    customer_id: UUID
    kind: CustomerKind | None
    archived: bool
    effective: bool
    values: Mapping[str, Any]
    pending: Iterable[Pending]
    requests: Iterable[Mapping[str, Any]]
    basis: Mapping[str, Any]
    query: str = field(default="")
    """The query string that asks for the blame of the same moment."""


def of_current_file(file: CustomerFile, now: datetime) -> Profile:
    """The profile of a file that is folded forward to `now`."""
    return Profile(
        file.customer_id,
        file.kind,
        file.archived,
        file.effective_since is None or file.effective_since <= now,
        {slot: fact.value for slot, fact in file.visible(now).items()},
        [
            Pending(segment.fact.slot, segment.fact.value, segment.start, segment.end, segment.fact.version)
            for segment in file.pending(now)
        ],
        map(_request, file.requests.values()),
        current_basis(file.version, now),
    )


def current_basis(version: int, now: datetime) -> dict[str, Any]:
    """What a current profile is as of."""
    return {"known_at": now, "position": None, "version": version, "valid_at": now, "stable": False}


def rendered(profile: Profile, fields: Sequence[str] | None = None) -> dict[str, Any]:
    """The JSON object of the answer; `fields` are slot pointers to narrow it to."""
    values, pending = profile.values, list(profile.pending)
    if fields is not None:
        values = narrowed(values, fields)
        pending = [item for item in pending if is_below(item.path, fields)]
    return {
        "customer_id": profile.customer_id,
        "customer_kind": profile.kind,
        "file_state": "ARCHIVED" if profile.archived else "LIVE",
        "existence": "EFFECTIVE" if profile.effective else "NOT_EFFECTIVE",
        "display_name": display_name(profile.values),
        "basis": profile.basis,
        **document_of(values),
        "pending": [_pending(item) for item in pending],
        "requests": list(profile.requests),
        "provenance": f"/v1/customers/{profile.customer_id}/blame{profile.query}",
    }


def _pending(item: Pending) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": item.path}
    if item.value is ABSENT:
        shown["absent"] = True
    else:
        shown["value"] = item.value
    return shown | {
        "effective_from": item.effective_from,
        "effective_to": item.effective_to,
        "version": item.version,
    }


def _request(request: TierRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in TierRequest.__slots__}
