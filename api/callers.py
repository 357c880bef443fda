"""What somebody may do: what their token says, and what is recorded of them as a member of staff, which goes before.

What must stay true: of whom something is recorded, the recorded roles are the roles, and who is inactive comes in by no
token; one acts in the place of a recorded colleague only while a delegation of theirs is in force, and never gains a
role by it; what narrows (scopes of the token, of the delegation) narrows together.
"""

from __future__ import annotations

from typing import NamedTuple

from api.claims import Claims
from api.errors import Problem
from api.staff_directory import UNREADABLE, StaffDirectory, now_of
from domain.access import CLASS_SCOPES, Principal, roles_named
from domain.events import Actor
from domain.events.envelope import ActorKind
from domain.staff import StaffFile, StaffMember


class Caller(NamedTuple):
    """Who a token speaks for: as it is recorded, and as it is judged what they may do."""

    actor: Actor
    principal: Principal
    deputy_of: frozenset[str] = frozenset()
    """In whose place they may act, by delegations in force: of what these ask for they decide nothing."""


class Concluded(NamedTuple):
    """A caller, and until when (in seconds since 1970) that can be concluded from what is known."""

    caller: Caller
    until: float


def caller_of(claims: Claims, staff: StaffDirectory | None) -> Concluded:
    """Who comes with these claims. Raises Problem 403 for who may not come in, 503 while that cannot be known."""
    actor = claims.actor
    if staff is None:
        return Concluded(_caller(actor, claims.scopes, None), claims.expires_at)
    if not staff.is_filled:
        raise Problem("staff-unavailable", 503, "What you may do is not known yet", "come back in a moment")
    until = [claims.expires_at]
    file, member = _member(staff, actor.id, until)
    if member is not None:
        if not member.active:
            raise Problem("inactive", 403, "Not active", "whom this token speaks for is no active member of staff")
        actor = _as_recorded(actor, member)
    scopes = claims.scopes
    if actor.on_behalf_of is not None:
        scopes = _in_place_of(staff, actor, scopes, until, is_recorded=file is not None)
    deputy_of = _deputy_of(staff, actor.id, until)
    return Concluded(_caller(actor, scopes, member)._replace(deputy_of=deputy_of), min(until))


def _caller(actor: Actor, scopes: frozenset[str] | None, member: StaffMember | None) -> Caller:
    team = member.team if member else None
    principal = Principal(actor.id, actor.kind, roles_named(actor.roles), scopes, actor.on_behalf_of, team)
    return Caller(actor, principal)


def _member(staff: StaffDirectory, subject: str, until: list[float]) -> tuple[StaffFile | None, StaffMember | None]:
    """What is recorded of somebody as of now; when that changes by itself is added to `until`."""
    file = staff.file(subject)
    if file is None:
        return None, None
    if file is UNREADABLE:
        raise Problem("staff-unavailable", 503, "What you may do is not known", "the staff record cannot be read")
    now = now_of(file)
    change = file.next_change_after(now)
    if change is not None:
        until.append(change.timestamp())
    return file, file.at(now)


def _as_recorded(actor: Actor, member: StaffMember) -> Actor:
    is_program = ActorKind.SERVICE in (actor.kind, ActorKind(member.kind))
    return Actor(
        id=actor.id,
        kind=ActorKind.SERVICE if is_program else ActorKind.HUMAN,
        name_at_time=member.name,
        roles=member.roles,
        on_behalf_of=actor.on_behalf_of,
    )


def _in_place_of(
    staff: StaffDirectory, actor: Actor, scopes: frozenset[str] | None, until: list[float], *, is_recorded: bool
) -> frozenset[str] | None:
    """The scopes that are left to who acts in another's place. Of two strangers the issuer's word is all there is."""
    file, colleague = _member(staff, actor.on_behalf_of or "", until)
    if file is None and not is_recorded:
        return scopes
    given = colleague.delegation_to(actor.id) if colleague is not None and colleague.active else None
    if given is None:
        raise Problem("delegation-missing", 403, "No delegation is in force", "nobody is acted for without one")
    if not given.scope:
        return scopes
    allowed = frozenset(given.scope)
    # Words about classes only ever hide: left out, they would show more.
    return allowed if scopes is None else (scopes & allowed) | (scopes & CLASS_SCOPES.keys())


def _deputy_of(staff: StaffDirectory, subject: str, until: list[float]) -> frozenset[str]:
    found = set()
    for file in staff.files_with_deputy(subject):
        now = now_of(file)
        member, change = file.at(now), file.next_change_after(now)
        if member is not None and member.delegation_to(subject) is not None:
            found.add(member.subject)
        if change is not None:
            until.append(change.timestamp())
    return frozenset(found)
