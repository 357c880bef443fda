"""The two tables of access: what must hold of them however they are changed, and what they promise today."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access import (
    ANYTHING,
    CLASS_SCOPES,
    FOR_PEOPLE,
    Action,
    Principal,
    Resource,
    Role,
    allowed,
    ceiling,
    has_role,
    roles_named,
    sees,
    sees_everything,
)
from domain.events.envelope import ActorKind
from domain.events.lifecycle import CustomerKind
from domain.slots import Sensitivity, sensitivity_of

STAFF = st.sampled_from(["u-1", "u-2", "u-3"])
TEAMS = st.sampled_from(["north", "south"])
ROLES = st.frozensets(st.sampled_from(Role))
SCOPES = st.frozensets(st.sampled_from([*Action, *CLASS_SCOPES, "openid", "customer"]))
PRINCIPALS = st.builds(
    Principal,
    id=STAFF,
    kind=st.sampled_from(ActorKind),
    roles=ROLES,
    scopes=st.none() | SCOPES,
    on_behalf_of=st.none() | STAFF,
    team=st.none() | TEAMS,
)
RESOURCES = st.builds(
    Resource,
    owners=st.dictionaries(st.sampled_from(["ACCOUNT_MANAGER", "SERVICE_LEAD"]), STAFF),
    owner_teams=st.frozensets(TEAMS),
    customer_kind=st.none() | st.sampled_from(CustomerKind),
    sensitivity=st.sampled_from(Sensitivity),
)
ACTIONS = st.sampled_from(Action)


def changed(principal: Principal, **other: object) -> Principal:
    stated = {name: getattr(principal, name) for name in ("id", "kind", "roles", "scopes", "on_behalf_of", "team")}
    return Principal(**{**stated, **other})


@given(PRINCIPALS, ROLES, ACTIONS, RESOURCES)
def test_a_further_role_takes_nothing_away(
    principal: Principal, more: frozenset[Role], action: Action, resource: Resource
) -> None:
    richer = changed(principal, roles=principal.roles | more)
    assert richer.granted >= principal.granted
    assert ceiling(richer, resource) >= ceiling(principal, resource)
    assert allowed(richer, action, resource) or not allowed(principal, action, resource)


@given(PRINCIPALS, SCOPES, RESOURCES)
def test_scopes_only_narrow_what_roles_allow(principal: Principal, scopes: frozenset[str], resource: Resource) -> None:
    whole, narrowed = changed(principal, scopes=None), changed(principal, scopes=scopes)
    assert narrowed.granted == whole.granted & scopes
    # A program must ask for more than INTERNAL; what it may ask for its roles say.
    if Role.SERVICE not in principal.roles:
        assert ceiling(narrowed, resource) <= ceiling(whole, resource)
    asking = changed(principal, scopes=frozenset({"class:sensitive"}))
    assert ceiling(narrowed, resource) <= max(ceiling(asking, resource), ceiling(whole, resource))


@given(PRINCIPALS, ACTIONS, RESOURCES)
def test_without_a_role_nothing_is_allowed(principal: Principal, action: Action, resource: Resource) -> None:
    nobody = changed(principal, roles=frozenset())
    assert not allowed(nobody, action, resource)
    assert ceiling(nobody, resource) is Sensitivity.PUBLIC


@given(PRINCIPALS, ACTIONS, RESOURCES)
def test_what_is_allowed_of_anything_in_general_is_known_before_the_customer_is(
    principal: Principal, action: Action, resource: Resource
) -> None:
    if allowed(principal, action, resource):
        assert allowed(principal, action)
    assert ceiling(principal, resource) >= ceiling(principal, ANYTHING)


@given(PRINCIPALS, st.sampled_from(sorted(FOR_PEOPLE)))
def test_no_program_does_what_people_decide(principal: Principal, action: Action) -> None:
    assert principal.kind is ActorKind.HUMAN or not allowed(principal, action)


@pytest.mark.parametrize("role", Role)
def test_every_role_reads_profiles_and_sees_what_is_public_and_internal_of_every_customer(role: Role) -> None:
    principal = Principal("u-1", roles=frozenset({role}))
    assert allowed(principal, Action.READ_PROFILE)
    assert ceiling(principal) >= Sensitivity.INTERNAL


@pytest.mark.parametrize("action", Action)
def test_every_action_is_granted_to_some_role(action: Action) -> None:
    assert any(allowed(Principal("u-1", roles=frozenset({role})), action) for role in Role)


def test_the_roles_of_which_nothing_is_masked() -> None:
    everything = {role for role in Role if sees_everything(Principal("u-1", roles=frozenset({role})))}
    assert everything == {Role.CUSTODIAN, Role.PRIVACY, Role.COMPLIANCE, Role.AUDITOR}


@pytest.mark.parametrize(
    "principal",
    [
        Principal("u-1", roles=frozenset({Role.VIEWER})),
        Principal("u-2", roles=frozenset({Role.VIEWER}), on_behalf_of="u-1"),
        Principal("u-3", roles=frozenset({Role.VIEWER}), team="north"),
    ],
    ids=["owner", "stand-in", "team"],
)
def test_a_viewer_sees_what_is_confidential_of_own_customers_alone(principal: Principal) -> None:
    own = Resource(owners={"ACCOUNT_MANAGER": "u-1"}, owner_teams=frozenset({"north"}))
    of_another = Resource(owners={"ACCOUNT_MANAGER": "u-9"}, owner_teams=frozenset({"south"}))
    assert ceiling(principal, own) is Sensitivity.CONFIDENTIAL
    assert ceiling(principal, of_another) is Sensitivity.INTERNAL
    asked = Resource(own.owners, own.owner_teams, sensitivity=Sensitivity.SENSITIVE)
    assert not allowed(principal, Action.READ_PROFILE, asked)


def test_a_program_sees_what_its_token_asks_for() -> None:
    roles = frozenset({Role.SERVICE})
    assert ceiling(Principal("svc-1", ActorKind.SERVICE, roles)) is Sensitivity.INTERNAL
    for scope, seen in CLASS_SCOPES.items():
        asking = Principal("svc-1", ActorKind.SERVICE, roles, frozenset({scope, Action.READ_PROFILE}))
        assert ceiling(asking) is min(seen, Sensitivity.CONFIDENTIAL)


def test_roles_are_known_by_their_former_names_and_other_names_grant_nothing() -> None:
    assert roles_named(["tier:approve", "editor", "admin", ""]) == {Role.APPROVER, Role.EDITOR}
    assert has_role(["tier:approve"], Role.APPROVER)
    assert has_role(["approver"], Role.APPROVER)
    assert not has_role(["Approver", "tier"], Role.APPROVER)


def test_sensitivities_are_compared_by_what_they_hide() -> None:
    assert sorted(Sensitivity, reverse=True) == [
        Sensitivity.SENSITIVE,
        Sensitivity.CONFIDENTIAL,
        Sensitivity.INTERNAL,
        Sensitivity.PUBLIC,
    ]
    assert Sensitivity.PUBLIC < Sensitivity.INTERNAL <= Sensitivity.INTERNAL


@pytest.mark.parametrize(
    ("slot", "value", "of_organisation", "of_individual"),
    [
        ("/identity/legal_name", "Li", Sensitivity.PUBLIC, Sensitivity.INTERNAL),
        ("/identity/legal_name_language", "zh", Sensitivity.PUBLIC, Sensitivity.PUBLIC),
        ("/identifiers/LEI/1", {}, Sensitivity.INTERNAL, Sensitivity.INTERNAL),
        ("/identifiers/CN_RIC/1", {}, Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
        ("/addresses/OFFICE", {}, Sensitivity.INTERNAL, Sensitivity.INTERNAL),
        ("/addresses/HOME", {}, Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
        ("/contacts/1/points/2", {"usage": "WORK"}, Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
        ("/contacts/1/points/2", {"usage": "PERSONAL"}, Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
        ("/attributes/x", {"usage": "PERSONAL"}, Sensitivity.CONFIDENTIAL, Sensitivity.CONFIDENTIAL),
        ("/no/such/slot", None, Sensitivity.SENSITIVE, Sensitivity.SENSITIVE),
    ],
)
def test_how_sensitive_values_are(
    slot: str, value: object, of_organisation: Sensitivity, of_individual: Sensitivity
) -> None:
    assert sensitivity_of(slot, value, is_individual=False) is of_organisation
    assert sensitivity_of(slot, value, is_individual=True) is of_individual
    individual = Resource(customer_kind=CustomerKind.INDIVIDUAL)
    reader = Principal("u-1", roles=frozenset({Role.VIEWER}))
    assert sees(reader, individual, slot, value) == (of_individual <= Sensitivity.INTERNAL)
