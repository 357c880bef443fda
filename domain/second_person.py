"""Who may be the second person: what speaks against somebody's deciding what somebody else asked for (I6).

What must stay true: nobody decides alone, under whatever name. Whoever asked and whoever decides, and those for whom
they act, are all different people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.access import roles_named
from domain.events.envelope import Actor, ActorKind


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for something, and on whose behalf."""

    id: str
    on_behalf_of: str | None = None


def persons(actor: Actor) -> frozenset[str]:
    """Who stands behind what an actor does."""
    return frozenset(person for person in (actor.id, actor.on_behalf_of) if person is not None)


def objections(
    actor: Actor,
    asker: Asker,
    roles: Sequence[str],
    owner: object = None,
    *,
    deputy_of: frozenset[str] = frozenset(),
) -> list[str]:
    """Why this actor may not decide; empty when nothing speaks against it.

    `owner` is the account's, who may not. `deputy_of`: in whose place the actor may act, by what is recorded of them;
    who does not say for whom they act is no less their deputy.
    """
    first, *_ = roles
    acting_for = actor.on_behalf_of
    found = {
        "only a human decides": actor.kind is not ActorKind.HUMAN,
        f"the role {first} is needed": roles_named(actor.roles).isdisjoint(roles_named(roles)),
        f"same actor as requester {asker.id}": actor.id == asker.id,
        "acts for the requester": acting_for == asker.id,
        "is a deputy of the requester": asker.id in deputy_of or asker.on_behalf_of in deputy_of,
        "the request was made on this person's behalf": asker.on_behalf_of == actor.id,
        "both act for the same person": acting_for is not None and acting_for == asker.on_behalf_of,
        "owns the account": owner == actor.id,
        "acts for the owner of the account": acting_for is not None and owner == acting_for,
        "is a deputy of the owner of the account": owner in deputy_of,
    }
    return [why for why, holds in found.items() if holds]
