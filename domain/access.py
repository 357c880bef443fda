"""Who may do what, and what they may see: two tables and the pure functions that read them.

    roles  --_GRANTS-->   actions, narrowed by the token's scopes, and to people where only people decide
    roles  --_CEILINGS--> the highest class of sensitivity that is shown in clear, of own customers and of others'

What must stay true: deny by default (what no table grants is refused); a further role never takes anything away; a
scope never adds an action; whether an action is allowed is known from the token alone, so that it is decided before
anything is looked up, while what is shown depends on who owns the customer too. An action's text is its name
everywhere: in the scopes of a token, in a refusal, in docs/access.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from domain.events.envelope import ActorKind
from domain.events.lifecycle import CustomerKind
from domain.slots import Sensitivity, sensitivity_of


class Action(StrEnum):
    """What one may be allowed to do. Every route and every command states one."""

    READ_PROFILE = "customer:view"
    READ_HISTORY = "customer:history"
    READ_PORTFOLIO = "portfolio:view"
    READ_AUDIT = "audit:view"
    READ_ACCESSES = "access:view"
    READ_LOG = "log:view"
    EXPORT = "customer:export"
    EXPORT_EVIDENCE = "evidence:export"

    REGISTER = "customer:enter"
    WRITE_FACTS = "customer:edit"
    CORRECT = "customer:correct"
    VERIFY = "customer:verify"
    ASSIGN_OWNER = "owner:assign"
    ARCHIVE = "customer:archive"
    IMPORT = "customer:import"

    ASSIGN_TIER = "tier:assign"
    REQUEST_TIER = "tier:request"
    DECIDE_TIER = "tier:approve"
    READ_PROPOSALS = "proposal:view"
    PROPOSE = "proposal:make"
    DECIDE_PROPOSAL = "proposal:approve"

    REQUEST_ERASURE = "erasure:request"
    DECIDE_ERASURE = "erasure:approve"
    HOLD = "customer:hold"

    READ_STAFF = "staff:view"
    MANAGE_STAFF = "staff:manage"
    READ_POLICY = "policy:view"
    MANAGE_POLICY = "policy:manage"
    READ_METRICS = "metrics:view"


class Role(StrEnum):
    VIEWER = "viewer"
    EDITOR = "editor"
    APPROVER = "approver"
    CUSTODIAN = "custodian"
    RISK = "risk"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"
    PRIVACY = "privacy"
    ADMINISTRATOR = "administrator"
    IMPORTER = "importer"
    SERVICE = "service"


_FORMER_NAMES: Final[Mapping[str, Role]] = {"tier:approve": Role.APPROVER}
"""As tokens and recorded events have called a role before."""

_READING: Final = frozenset(
    {
        Action.READ_PROFILE,
        Action.READ_HISTORY,
        Action.READ_PORTFOLIO,
        Action.READ_LOG,
        Action.READ_PROPOSALS,
        Action.READ_POLICY,
    }
)
_EDITING: Final = frozenset(
    {
        Action.REGISTER,
        Action.WRITE_FACTS,
        Action.CORRECT,
        Action.VERIFY,
        Action.ASSIGN_OWNER,
        Action.ARCHIVE,
        Action.ASSIGN_TIER,
        Action.REQUEST_TIER,
        Action.PROPOSE,
    }
)

_GRANTS: Final[Mapping[Role, frozenset[Action]]] = {
    Role.VIEWER: _READING,
    Role.EDITOR: _READING | _EDITING,
    Role.APPROVER: _READING | {Action.DECIDE_TIER, Action.DECIDE_PROPOSAL},
    Role.CUSTODIAN: _READING | _EDITING | {Action.READ_AUDIT, Action.EXPORT},
    Role.RISK: _READING | {Action.VERIFY, Action.READ_AUDIT, Action.EXPORT},
    Role.COMPLIANCE: _READING
    | {Action.VERIFY, Action.READ_AUDIT, Action.READ_ACCESSES, Action.EXPORT, Action.READ_STAFF},
    Role.AUDITOR: _READING
    | {Action.READ_AUDIT, Action.READ_ACCESSES, Action.EXPORT, Action.EXPORT_EVIDENCE, Action.READ_STAFF},
    Role.PRIVACY: _READING
    | {
        Action.READ_AUDIT,
        Action.READ_ACCESSES,
        Action.REQUEST_ERASURE,
        Action.DECIDE_ERASURE,
        Action.HOLD,
        Action.PROPOSE,
        Action.DECIDE_PROPOSAL,
    },
    Role.ADMINISTRATOR: _READING
    | {Action.READ_STAFF, Action.MANAGE_STAFF, Action.MANAGE_POLICY, Action.PROPOSE, Action.READ_METRICS},
    Role.IMPORTER: _READING | _EDITING | {Action.IMPORT},
    Role.SERVICE: _READING | _EDITING | {Action.EXPORT, Action.READ_METRICS},
}

FOR_PEOPLE: Final = frozenset(
    {
        Action.DECIDE_TIER,
        Action.DECIDE_PROPOSAL,
        Action.REQUEST_ERASURE,
        Action.DECIDE_ERASURE,
        Action.HOLD,
        Action.MANAGE_POLICY,
    }
)
"""What no program is allowed, whatever its roles."""


class Ceiling(NamedTuple):
    """The highest class in clear: of customers that one or one's team owns, of all others."""

    own: Sensitivity
    others: Sensitivity


_CEILINGS: Final[Mapping[Role, Ceiling]] = {
    Role.VIEWER: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.INTERNAL),
    Role.EDITOR: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
    Role.APPROVER: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
    Role.CUSTODIAN: Ceiling(Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
    Role.RISK: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
    Role.COMPLIANCE: Ceiling(Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
    Role.AUDITOR: Ceiling(Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
    Role.PRIVACY: Ceiling(Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
    Role.ADMINISTRATOR: Ceiling(Sensitivity.INTERNAL, Sensitivity.INTERNAL),
    Role.IMPORTER: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
    # as far as its token asks for it by CLASS_SCOPES; without asking INTERNAL
    Role.SERVICE: Ceiling(Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
}

CLASS_SCOPES: Final[Mapping[str, Sensitivity]] = {f"class:{each.lower()}": each for each in Sensitivity}
"""Scopes that narrow what is shown in clear: `class:internal` of an editor's token hides what is CONFIDENTIAL."""

SCOPES: Final = (*map(str, Action), *CLASS_SCOPES)
"""All that a scope can name; other words in it are not ours."""

_UNASKED: Final = Sensitivity.INTERNAL


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as the token and the staff record say. `scopes` is None where the token has no such claim.

    `granted` follows from the rest, once: a request costs one look into a set.
    """

    id: str
    kind: ActorKind = ActorKind.HUMAN
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[str] | None = None
    on_behalf_of: str | None = None
    team: str | None = None
    granted: frozenset[Action] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "granted", _granted(self.roles, self.scopes, self.kind))


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about. `owners`: staff ids by owner role; `owner_teams`: the teams of these people.

    `sensitivity` is the highest class of what is asked for, PUBLIC where that depends on each value.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    owner_teams: frozenset[str] = frozenset()
    customer_kind: CustomerKind | None = None
    sensitivity: Sensitivity = Sensitivity.PUBLIC


ANYTHING: Final = Resource()
"""Some customer, of whom nothing is known: what holds here holds for all."""


def roles_named(names: Iterable[str]) -> frozenset[Role]:
    """The roles among `names`, by their former names too. Names that are no roles grant nothing."""
    return frozenset(role for name in names if (role := _role_named(name)) is not None)


def has_role(names: Iterable[str], role: Role) -> bool:
    """Whether somebody with the roles of these names has `role`."""
    return role in roles_named(names)


def allowed(principal: Principal, action: Action, resource: Resource = ANYTHING) -> bool:
    """Whether `principal` may do `action`, and see what of `resource` it is about."""
    return action in principal.granted and resource.sensitivity <= ceiling(principal, resource)


def ceiling(principal: Principal, resource: Resource = ANYTHING) -> Sensitivity:
    """The highest class of sensitivity that `principal` sees in clear of `resource`."""
    return _ceiling(principal.roles, principal.scopes, _is_own(principal, resource))


def sees_everything(principal: Principal) -> bool:
    """Whether nothing is masked for `principal`, whoever owns the customer."""
    return ceiling(principal) is Sensitivity.SENSITIVE


def sees(principal: Principal, resource: Resource, slot: str, value: Any) -> bool:
    """Whether `principal` sees `value` in `slot` of the customer `resource` in clear."""
    is_individual = resource.customer_kind is not CustomerKind.ORGANISATION  # who is not known may be one
    return sensitivity_of(slot, value, is_individual=is_individual) <= ceiling(principal, resource)


def _role_named(name: str) -> Role | None:
    return _FORMER_NAMES.get(name) or (Role(name) if name in _ROLE_NAMES else None)


_ROLE_NAMES: Final = frozenset(map(str, Role))


@lru_cache(maxsize=4096)
def _granted(roles: frozenset[Role], scopes: frozenset[str] | None, kind: ActorKind) -> frozenset[Action]:
    granted = frozenset[Action]().union(*(_GRANTS[role] for role in roles))
    if kind is not ActorKind.HUMAN:
        granted -= FOR_PEOPLE
    return granted if scopes is None else frozenset(action for action in granted if action in scopes)


@lru_cache(maxsize=4096)
def _ceiling(roles: frozenset[Role], scopes: frozenset[str] | None, is_own: bool) -> Sensitivity:
    asked = max((CLASS_SCOPES[scope] for scope in scopes or () if scope in CLASS_SCOPES), default=None)
    shown = [_ceiling_of(role, asked, is_own) for role in roles]
    return max(shown, default=Sensitivity.PUBLIC)


def _ceiling_of(role: Role, asked: Sensitivity | None, is_own: bool) -> Sensitivity:
    by_role = _CEILINGS[role].own if is_own else _CEILINGS[role].others
    if asked is None:
        return min(by_role, _UNASKED) if role is Role.SERVICE else by_role
    return min(by_role, asked)


def _is_own(principal: Principal, resource: Resource) -> bool:
    """A stand-in looks after the customers of whom they act for."""
    owners = resource.owners.values()
    return (
        principal.id in owners
        or (principal.on_behalf_of is not None and principal.on_behalf_of in owners)
        or (principal.team is not None and principal.team in resource.owner_teams)
    )
