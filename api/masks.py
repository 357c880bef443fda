"""What is hidden from whoever asks: the mask of an answer, and the refusal of questions that would see through it.

What must stay true: whoever may not see a value can filter, sort, group or search by nothing that depends on it, and
the refusal says the same whether there is such a value or not; it is made before anything is looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from fastapi import Request

from api.dependencies import principal_of, service_of
from api.errors import Problem
from domain.access import Principal, Resource, Role, ceiling
from domain.errors import FieldError
from domain.events.lifecycle import CustomerKind
from domain.file import CustomerFile
from domain.masking import HIGHEST, Mask, slot_at
from domain.slots import Sensitivity, segments_of
from projections.errors import FoldOutdated
from projections.portfolio.paths import Path

_OWNER: Final = "/owner/"


async def mask_of(request: Request, customer_id: UUID | None = None) -> Mask | None:
    """What hides something of a customer from the caller, or of any customer whatever; None if nothing does.

    Who owns the customer is asked for only where it makes a difference.
    """
    principal = principal_of(request)
    of_any = _of_any(principal.roles, principal.scopes)
    if customer_id is None or not of_any.depends:
        return of_any.mask
    resource = await _resource(request, customer_id)
    highest = ceiling(principal, resource)
    is_individual = resource.customer_kind is not CustomerKind.ORGANISATION
    return None if highest is HIGHEST else Mask(highest, is_individual)


class _OfAny(NamedTuple):
    """What is hidden of any customer, and whether it depends on the customer what is hidden of it."""

    mask: Mask | None
    depends: bool


@lru_cache(maxsize=4096)
def _of_any(roles: frozenset[Role], scopes: frozenset[str] | None) -> _OfAny:
    somebody = Principal("somebody", roles=roles, scopes=scopes)
    least, of_own = ceiling(somebody), ceiling(somebody, Resource({"": somebody.id}))
    depends = least != of_own or least is Sensitivity.PUBLIC
    return _OfAny(None if least is HIGHEST else Mask(least), depends)


def mask_for(request: Request, owner: str | None) -> Mask | None:
    """The mask of a customer of whom it is known who manages the account, and nothing else."""
    owners = {} if owner is None else {"ACCOUNT_MANAGER": owner}
    highest = ceiling(principal_of(request), Resource(owners, _teams_of(request, owners.values())))
    return None if highest is HIGHEST else Mask(highest)


def not_visible(place: str, name: str, level: Sensitivity) -> Problem:
    """The refusal of a question; `place` is what in the request asks for what is called `name`."""
    return Problem(
        "field-not-visible",
        403,
        "The field is not visible to you",
        f"{name} is {level}; nothing can be asked by it",
        FieldError(place, f"{name} is {level}, which your roles and scopes do not show"),
    )


def require_named_openly(mask: Mask | None, place: str, paths: Iterable[str]) -> None:
    """Problem 403 for a path that itself says what is hidden: an answer would tell whether that is so."""
    if mask is not None:
        for path in filter(mask.names_hidden_value, paths):
            require_shown_slot(mask, place, path)


def require_shown(mask: Mask | None, place: str, path: str) -> None:
    """Problem 403 if what is at `path`, or may be below it, is hidden."""
    if mask is not None and (level := mask.level_within(path)) is not None:
        raise not_visible(place, path or "what changes", level)


def require_shown_slot(mask: Mask | None, place: str, path: str) -> None:
    """The same of the slot at `path` alone, if it names one."""
    if mask is not None and (slot := slot_at(path)) is not None and (level := mask.level(slot)) is not None:
        raise not_visible(place, path, level)


def require_shown_paths(mask: Mask | None, paths: Iterable[tuple[str, Path]]) -> None:
    """The same of the paths that a question about all customers asks by, each with its place in the body."""
    for place, path in paths if mask is not None else ():
        if mask is not None and path.slot and (level := mask.level(path.slot)) is not None:
            raise not_visible(place, path.text, level)


async def _resource(request: Request, customer_id: UUID) -> Resource:
    """Who owns a customer as of now, and what kind of customer it is; of nobody there is neither."""
    service = service_of(request)
    found = await service.current_rows.get(customer_id)
    if found is None:
        return Resource()
    row, now = found
    try:
        file = row.file(customer_id)
    except FoldOutdated:
        file = await asyncio.to_thread(service.fold, customer_id)
    owners = _owners_of(file, max(now, file.as_of))
    return Resource(owners, _teams_of(request, owners.values()), file.kind)


def _owners_of(file: CustomerFile, now: datetime) -> dict[str, str]:
    return {segments_of(slot)[1]: file.value(slot, now) for slot in file.below(_OWNER, now)}


def _teams_of(request: Request, owners: Iterable[str]) -> frozenset[str]:
    """The teams of these people; of a caller who is in none it makes no difference."""
    if principal_of(request).team is None:
        return frozenset()
    members = map(service_of(request).staff.member, owners)
    return frozenset(member.team for member in members if member is not None and member.team is not None)
