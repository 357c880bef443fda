"""What a reading route says before its answer leaves: what of whom it shows, to whom, what for.

Every such route calls `viewed` or `answered`; one that has not refuses to answer (`require_told`). What must stay true:
values of the class SENSITIVE leave only with a purpose, and only once it is committed that they do.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from fastapi import Request

from api.dependencies import caller_of, principal_of, service_of
from api.purpose import purpose_of, purpose_required
from domain.access import Principal, Resource, Role, ceiling
from domain.events.access import ReadKind, ReadOf
from domain.slots import Sensitivity
from ledger.read_events import Reader, Reading, Shown
from projections.basis import Basis

_TOLD: Final = "dossier.viewed"
_REQUEST_ID_CHARACTERS: Final = 200


async def viewed(
    request: Request,
    of: ReadOf,
    customer_id: UUID,
    highest: Sensitivity,
    basis: Basis | int | None = None,
    *,
    kind: ReadKind = ReadKind.VIEW,
) -> None:
    """One customer's data is about to be shown, of at most the class `highest`; without a basis the current file.

    A basis that is a number is a position, of which nothing else was asked.

    Raises Problem 422 for a purpose that is malformed or missing, Unavailable, Overloaded.
    """
    request.scope[_TOLD] = True
    reading = _reading(request, kind, of, highest, basis)
    read_ledger = service_of(request).read_ledger
    if read_ledger is None:
        return
    request_id = _request_id(request)
    if reading.highest is Sensitivity.SENSITIVE:
        await read_ledger.before_shown(reading, customer_id, request_id)
    else:
        read_ledger.viewed(reading, customer_id, request_id)


async def answered(
    request: Request,
    of: ReadOf,
    highest: Sensitivity,
    shown: Shown,
    basis: Basis | None = None,
    *,
    kind: ReadKind = ReadKind.SEARCH,
) -> None:
    """An answer about many is about to be sent. `shown.question` has no values that customers were searched by.

    Raises what `viewed` raises.
    """
    request.scope[_TOLD] = True
    reading = _reading(request, kind, of, highest, basis)
    read_ledger = service_of(request).read_ledger
    if read_ledger is None:
        return
    shown = shown._replace(request_id=_request_id(request))
    if reading.highest is Sensitivity.SENSITIVE:
        await read_ledger.before_shown(reading, shown)
    else:
        read_ledger.answered(reading, shown)


def require_purpose(request: Request, highest: Sensitivity) -> None:
    """Raise Problem 422 at once where showing this will need a purpose, and none is stated."""
    if purpose_of(request) is None and shown_at_most(request, highest) is Sensitivity.SENSITIVE:
        raise purpose_required()


def will_tell(request: Request) -> None:
    """Note that the answer, of any length, will itself tell what it showed once it ends."""
    request.scope[_TOLD] = True


def require_told(request: Request) -> None:
    """Raise RuntimeError when a route is about to answer without having said what it shows: a fault of ours."""
    if _TOLD not in request.scope:
        raise RuntimeError(f"{request.scope['route'].name} has not said what it shows")


def shown_at_most(request: Request, highest: Sensitivity) -> Sensitivity:
    """A class, or the highest that the principal sees in clear of anybody's."""
    principal = principal_of(request)
    return _capped(highest, principal.roles, principal.scopes)


def _reading(request: Request, kind: ReadKind, of: ReadOf, highest: Sensitivity, basis: Basis | int | None) -> Reading:
    caller = caller_of(request)
    actor, principal, purpose = caller.actor, caller.principal, purpose_of(request)
    highest = _capped(highest, principal.roles, principal.scopes)
    if purpose is None and highest is Sensitivity.SENSITIVE:
        raise purpose_required()
    stated: tuple[int | None, datetime | None, datetime | None] | None = None
    if isinstance(basis, int):
        stated = basis, None, None
    elif basis is not None:
        stated = basis.position, basis.known_at, basis.valid_at
    return Reading(Reader(actor.id, actor.kind, actor.on_behalf_of), kind, of, highest, stated, purpose)


@lru_cache(maxsize=4096)
def _capped(highest: Sensitivity, roles: frozenset[Role], scopes: frozenset[str] | None) -> Sensitivity:
    """What somebody with these roles sees in clear of the customers they own, of whom they see the most."""
    return min(highest, ceiling(Principal("", roles=roles, scopes=scopes), Resource(owners={"": ""})))


def _request_id(request: Request) -> str | None:
    text: str | None = request.headers.get("x-request-id")
    return None if text is None else text[:_REQUEST_ID_CHARACTERS] or None
