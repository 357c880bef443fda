"""Nobody does or learns anything but what the access table says: every route, every role, every customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import CLASS_SCOPES, Action, Principal, Role, allowed
from domain.events.envelope import ActorKind
from tests.scenarios.client import PHONE, WELL_FOUNDED, Api, File, assert_problem
from tests.scenarios.service import Service
from tests.scenarios.walk import OF_NOTHING, OPEN, PERMISSIONS, WALKED, WITHIN, Asked

EVERYBODY = [str(role) for role in Role]
_OF_EACH = {"date", "content-length", "x-request-id", "traceparent"}
"""Headers that no two answers have in common; the length is that of the path, which the body repeats."""


@pytest.fixture(scope="module")
def file(service: Service, li_na: Api) -> File:
    """A customer whose first event is in the signed log; and there is somebody to ask about among the staff."""
    file = li_na.register()
    service.as_("u-900", "administrator").post("/v1/staff", {"subject": WALKED, "name": "Somebody"}, expect=201)
    li_na.get(f"{file.path}/events/1/receipt")
    return file


@pytest.fixture(scope="module")
def customers(file: File, li_na: Api) -> list[str]:
    """Of both kinds, owned by this person and that, archived, and none at all."""
    individual = li_na.register(customer_kind="INDIVIDUAL", owner="u-2").customer_id
    archived = li_na.register(owner="u-1")
    archived.record("/archive", reason_code="LOST")
    return [file.customer_id, individual, archived.customer_id, str(uuid4())]


def test_the_walk_knows_every_route_of_the_document_and_what_it_says_of_it(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    stated = {
        f"{method.upper()} {path}": operation.get("security", document["security"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    guarded = {route: security[0]["bearer"] for route, security in stated.items() if security and {} not in security}
    assert guarded == {route: [action] for route, action in PERMISSIONS.items()}
    assert stated.keys() - guarded.keys() == OPEN


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_is_open_is_open_to_all(service: Service, file: File, route: str) -> None:
    for api in (service.anonymous, service.as_("u-1"), service.as_("u-1", "viewer")):
        assert Asked(route, file.customer_id).by(api).status_code == 200


@pytest.mark.parametrize("route", PERMISSIONS)
def test_a_route_answers_whom_it_may_and_nobody_else(service: Service, file: File, route: str) -> None:
    action = PERMISSIONS[route]
    asked = Asked(route, file.customer_id)
    assert_problem(answer := asked.by(service.anonymous))
    assert answer.status_code == 401
    signer = service.signer
    for what, roles, scopes in _tokens(action):
        claims = {} if scopes is None else {"scope": " ".join(scopes)}
        principal = Principal("u-9", ActorKind.HUMAN, _roles(roles), None if scopes is None else frozenset(scopes))
        answer = asked.by(Api(service.http, signer.token("u-9", roles, **claims)))
        missing = [each for each in (action, *WITHIN.get(route, ())) if not allowed(principal, each)]
        if missing:
            _assert_refused(answer, missing[0])
        else:
            _assert_answered(asked, answer, what)


def _tokens(action: Action) -> Iterator[tuple[str, list[str], list[str] | None]]:
    """Each role alone, none, one that is none of ours, and all of them narrowed by scopes."""
    yield from ((role.value, [role.value], None) for role in Role)
    yield "no roles", [], None
    yield "an unknown role", ["admin", "root", "*", "Viewer"], None
    yield "all roles, the one scope", EVERYBODY, [action.value]
    yield "all roles, every other scope", EVERYBODY, [each for each in Action if each is not action]
    yield "all roles, no scope", EVERYBODY, []
    yield "a scope without a role", [], [action.value]


def _roles(names: list[str]) -> frozenset[Role]:
    return frozenset(Role(name) for name in names if name in set(Role))


def _assert_answered(asked: Asked, answer: httpx.Response, what: str) -> None:
    """A trial of what is too sensitive for its author is refused for that, and not for want of a permission."""
    if not asked.is_write:
        assert answer.status_code == (404 if asked.route in OF_NOTHING else 200), f"{what}: {answer.text}"
    elif answer.status_code == 403 or answer.status_code == 403:
        assert answer.json()["type"] == "urn:dossier:problem:field-not-visible", f"{what}: {answer.text}"
    else:
        assert answer.status_code in {200, 201, 400, 404, 409, 412, 422}, f"{what}: {answer.text}"


def _assert_refused(answer: httpx.Response, action: Action) -> dict[str, Any]:
    assert_problem(answer)
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["type"]) == (403, "urn:dossier:problem:forbidden")
    assert problem["permission"] == action
    return problem


@pytest.mark.parametrize("route", [route for route in PERMISSIONS if "{customer_id}" in route])
def test_who_may_not_ask_cannot_tell_a_customer_from_none(service: Service, file: File, route: str) -> None:
    """Nor a malformed question from a good one: head and body are the same, but for what was asked."""
    nobody, told = service.as_("u-9"), set()
    for customer_id in (file.customer_id, str(uuid4()), "17"):
        answer = Asked(route, customer_id).by(nobody)
        problem = _assert_refused(answer, PERMISSIONS[route])
        assert customer_id in problem.pop("instance")
        head = {name: text for name, text in answer.headers.items() if name not in _OF_EACH}
        told.add((str(problem), str(head)))
    assert len(told) == 1


PRINCIPALS = st.builds(
    Principal,
    id=st.just("u-1"),
    kind=st.sampled_from([ActorKind.HUMAN, ActorKind.SERVICE]),
    roles=st.frozensets(st.sampled_from(Role), max_size=3),
    scopes=st.none() | st.frozensets(st.sampled_from([*Action, *CLASS_SCOPES, "openid"])),
    on_behalf_of=st.none() | st.sampled_from(["u-1", "u-2"]),
)


@settings(max_examples=200, deadline=None)
@given(principal=PRINCIPALS, route=st.sampled_from(sorted(PERMISSIONS)), which=st.integers(0, 3))
def test_no_principal_gets_more_of_any_customer_than_is_allowed(
    service: Service, customers: list[str], principal: Principal, route: str, which: int
) -> None:
    answer = Asked(route, customers[which]).by(_api(service, principal))
    is_forbidden = answer.status_code == 403 and answer.json()["type"] == "urn:dossier:problem:forbidden"
    needed = (PERMISSIONS[route], *WITHIN.get(route, ()))
    assert is_forbidden == (not all(allowed(principal, action) for action in needed))
    assert answer.status_code < 500, answer.text


def _api(service: Service, principal: Principal) -> Api:
    scope = None if principal.scopes is None else " ".join(principal.scopes)
    claims = {"kind": principal.kind.value, "on_behalf_of": principal.on_behalf_of, "scope": scope}
    stated = {name: value for name, value in claims.items() if value is not None}
    return service.as_(principal.id, *sorted(principal.roles), **stated)


_TIER = {"type": "customer.tier-reassigned", "to_code": "ORDINARY", **WELL_FOUNDED}
_TAG = {"type": "customer.tag-applied", "group": "REGION", "code": "EAST"}
_OWNER = {"type": "customer.owner-assigned", "role": "SERVICE_LEAD", "to_staff": "u-9"}


@pytest.mark.parametrize(
    ("scope", "changes", "refused"),
    [
        ("customer:edit", [_TAG, _TIER], ("tier:assign", "/changes/1")),
        ("customer:edit tier:assign", [_OWNER, _TIER], ("owner:assign", "/changes/0")),
    ],
)
def test_in_a_list_every_change_must_be_allowed(
    service: Service, li_na: Api, scope: str, changes: list[Any], refused: tuple[str, str]
) -> None:
    file = li_na.register()
    before = file.version
    narrow = service.as_("u-118", "editor", scope=f"{scope} customer:view customer:enter")
    proposer = service.as_("u-118", "editor", scope=f"{scope} customer:view proposal:make")
    for answer in (
        file.seen_by(narrow).send("/changes", {"changes": changes}, expect=403),
        file.seen_by(proposer).send("/proposals", {"changes": changes}, expect=403),
        narrow.post("/v1/customers", {**_OPENING, "changes": changes}, expect=403),
    ):
        problem = answer.json()
        assert (problem["permission"], problem["errors"][0]["pointer"]) == refused
    assert file.version == before


_OPENING = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"points": [PHONE]}, "owner": "u-118"}


def test_entering_and_editing_are_two_permissions(service: Service) -> None:
    clerk = service.as_("u-7", "editor", scope="customer:enter customer:view")
    file = clerk.file(clerk.post("/v1/customers", _OPENING, expect=201).json()["customer_id"])
    assert file.profile()["owner"] == {"ACCOUNT_MANAGER": "u-118"}
    assert file.send("/names", {"name": "Other"}, expect=403).json()["permission"] == "customer:edit"


@pytest.mark.parametrize("how", [{"if_match": "*"}, {"initial_load": True}])
def test_what_importers_do_needs_their_permission(service: Service, li_na: Api, how: dict[str, Any]) -> None:
    file = li_na.register()
    headers = {"if_match": how["if_match"]} if "if_match" in how else {}
    body = {"key": "k", "value": 1} | {name: value for name, value in how.items() if name not in headers}
    scope = " ".join(each for each in Action if each is not Action.IMPORT)
    for api in (li_na, service.as_("svc-import", "importer", kind="SERVICE", scope=scope)):
        problem = file.seen_by(api).send("/attributes", body, expect=403, **headers).json()
        assert problem["permission"] == "customer:import"
    file.seen_by(service.as_("svc-import", "importer", kind="SERVICE")).send("/attributes", body, **headers)


@pytest.mark.parametrize("media_type", ["text/csv", "application/x-ndjson", "application/vnd.apache.parquet"])
def test_taking_all_of_it_away_is_more_than_looking(service: Service, li_na: Api, media_type: str) -> None:
    asked = {"content": b"{}", "headers": {"Accept": media_type}}
    problem = li_na.request("POST", "/v1/portfolio/query", expect=403, **asked).json()
    assert (problem["permission"], problem["errors"][0]["pointer"]) == ("customer:export", "Accept")
    headers = {"Authorization": f"Bearer {service.as_('u-9', 'risk').token}", "Accept": media_type}
    assert service.http.post("/v1/portfolio/query", content=b"{}", headers=headers).status_code == 200


def test_of_the_log_hashes_are_open_and_entries_are_not(service: Service, file: File) -> None:
    entries = "/log/tile/entries/000.p/1"
    del file
    assert service.anonymous.request("GET", entries, expect=401)
    assert service.as_("u-9").request("GET", entries, expect=403).json()["permission"] == "log:view"
    headers = {"Authorization": f"Bearer {service.as_('u-9', 'viewer').token}"}
    assert service.http.get(entries, headers=headers).status_code == 200


@pytest.mark.parametrize("scope", [7, [7], {"customer:view": True}])
def test_a_scope_that_is_no_list_of_words_is_refused(service: Service, scope: Any) -> None:
    service.as_("u-118", "editor", scope=scope).request("GET", "/v1/customers", expect=401)
