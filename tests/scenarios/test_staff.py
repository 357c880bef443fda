"""Members of staff: what is recorded of them decides what their tokens are good for, at once and afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import connect

from domain.access import Role
from domain.events import Actor, Reason
from domain.events.staff import Deactivated
from ledger.service_records import ServiceEvent
from ledger.staff_records import stream_of
from tests.ledger.service import of_service
from tests.ledger.writing import write_path
from tests.scenarios.client import Api
from tests.scenarios.service import Service, wait_until

_TODAY = datetime.now(UTC).date()
SOON, EARLIER, BETWEEN = ((_TODAY + timedelta(days=days)).isoformat() for days in (30, -60, -30))
WHY = {"reason": {"text": "as agreed with the department"}}


class Office:
    """An administrator's way to the staff; every test has people of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.administrator = service.as_("u-900", "administrator")

    def hire(self, *roles: str, name: str = "Somebody", **stated: Any) -> str:
        subject = f"u-{uuid4()}"
        self.administrator.post("/v1/staff", {"subject": subject, "name": name, **stated}, expect=201)
        if roles:
            self.do(subject, "roles", roles=list(roles))
        return subject

    def do(self, subject: str, what: str, /, *, expect: int = 200, by: Api | None = None, **body: Any) -> Any:
        path = f"/v1/staff/{subject}/{what}"
        return (by or self.administrator).post(path, {**WHY, **body}, expect=expect).json()

    def show(self, subject: str, **moment: Any) -> Any:
        return self.administrator.get(f"/v1/staff/{subject}", **moment).json()


@pytest.fixture(scope="module")
def office(service: Service) -> Office:
    return Office(service)


def test_recorded_roles_are_the_roles_whatever_the_token_says(service: Service, office: Office) -> None:
    subject = office.hire("viewer", name="Li Na")
    claims_more = service.as_(subject, "editor", "privacy", name="Somebody Else")
    claims_more.post("/v1/customers", {}, expect=403)
    office.do(subject, "roles", roles=["editor"])
    event = claims_more.register().history()[0]
    assert (event["actor"]["id"], event["actor"]["name_at_time"], event["actor"]["roles"]) == (
        subject,
        "Li Na",
        ["editor"],
    )
    office.do(subject, "roles", roles=[])
    claims_more.request("GET", "/v1/customers", expect=403)


def test_a_scope_narrows_what_is_recorded(service: Service, office: Office) -> None:
    subject = office.hire("editor")
    narrow = service.as_(subject, scope="customer:view")
    narrow.request("GET", "/v1/customers", expect=200)
    assert narrow.post("/v1/customers", {}, expect=403).json()["permission"] == "customer:enter"


def test_who_is_deactivated_is_out_at_once_and_comes_back_with_the_same_roles(service: Service, office: Office) -> None:
    subject = office.hire("viewer")
    theirs = service.as_(subject, "viewer")
    theirs.request("GET", "/v1/customers", expect=200)
    office.do(subject, "deactivate")
    problem = theirs.request("GET", "/v1/customers", expect=403).json()
    assert problem["type"] == "urn:dossier:problem:inactive"
    assert service.anonymous.request("GET", "/healthz", expect=200)
    office.do(subject, "deactivate", expect=422)
    office.do(subject, "reactivate")
    theirs.request("GET", "/v1/customers", expect=200)


def test_a_change_by_another_process_counts_within_a_moment(service: Service, office: Office) -> None:
    """As if by another: the stream is written to behind the back of the process that answers."""
    subject = office.hire("viewer")
    theirs = service.as_(subject)
    theirs.request("GET", "/v1/customers", expect=200)
    with write_path(service.conninfo, kek=service.kek) as path:
        left = ServiceEvent(Deactivated(), Actor(id="u-900", roles=("administrator",)), Reason(text="left"))
        of_service(path).append(stream_of(subject), 2, [left])
    wait_until(lambda: theirs.request("GET", "/v1/customers").status_code == 403)


def test_roles_are_asked_about_as_of_a_day_as_known_then_and_now(office: Office) -> None:
    subject = office.hire("viewer")
    then = office.show(subject)["basis"]["known_at"]
    office.do(subject, "roles", roles=["editor", "risk"], effective_from=EARLIER)
    assert office.show(subject)["roles"] == ["viewer"]
    assert office.show(subject, valid_at=BETWEEN)["roles"] == ["editor", "risk"]
    assert office.show(subject, valid_at=BETWEEN, known_at=then)["roles"] == []
    assert office.show(subject, known_at=then)["basis"] == {"known_at": then, "valid_at": then, "version": 2}
    office.administrator.get(f"/v1/staff/{subject}", known_at=BETWEEN, expect=404)


def test_a_training_counts_to_its_last_day(office: Office) -> None:
    subject = office.hire()
    training: dict[str, Any] = {"training": "DATA_PROTECTION", "completed_on": EARLIER, "valid_until": SOON}
    office.do(subject, "training", **training)
    assert office.show(subject)["trainings"] == [training]
    after = (_TODAY + timedelta(days=32)).isoformat()
    assert office.show(subject, valid_at=after)["trainings"] == []


def test_what_was_recorded_says_by_whom_and_why(office: Office) -> None:
    subject = office.hire("viewer")
    events = office.administrator.get(f"/v1/staff/{subject}/history").json()["items"]
    assert [event["type"] for event in events] == ["staff.member-recorded", "staff.roles-assigned"]
    assert (events[1]["actor"]["id"], events[1]["reason"]["text"]) == ("u-900", WHY["reason"]["text"])
    page = office.administrator.get(f"/v1/staff/{subject}/history", limit=1).json()
    token = page["next_page_token"]
    following = office.administrator.get(f"/v1/staff/{subject}/history", limit=1, page_token=token).json()
    assert [*page["items"], *following["items"]] == events


def test_everybody_is_listed_page_by_page(office: Office) -> None:
    hired = {office.hire("viewer") for _ in range(3)}
    found: list[str] = []
    token = None
    while True:
        page = office.administrator.get("/v1/staff", limit=2, page_token=token).json()
        found += [member["subject"] for member in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert found == sorted(found)
    assert hired <= set(found)


def test_one_acts_for_a_recorded_colleague_only_while_a_delegation_is_in_force(
    service: Service, office: Office
) -> None:
    owner, deputy = office.hire("editor"), office.hire("editor")
    deputising = service.as_(deputy, on_behalf_of=owner)
    problem = deputising.request("GET", "/v1/customers", expect=403).json()
    assert problem["type"] == "urn:dossier:problem:delegation-missing"
    given = office.do(owner, "delegations", to=deputy, effective_to=SOON)
    delegation_id = given["data"]["delegation_id"]
    actor = deputising.register().history()[0]["actor"]
    assert (actor["id"], actor["on_behalf_of"]) == (deputy, owner)
    service.as_(office.hire("editor"), on_behalf_of=owner).request("GET", "/v1/customers", expect=403)
    office.do(owner, f"delegations/{delegation_id}/end")
    deputising.request("GET", "/v1/customers", expect=403)
    service.as_(deputy).request("GET", "/v1/customers", expect=200)


def test_a_delegation_gives_no_role_and_narrows_to_its_scope(service: Service, office: Office) -> None:
    owner, deputy = office.hire("administrator"), office.hire("editor")
    office.do(owner, "delegations", to=deputy, effective_to=SOON, scope=["customer:view", "staff:manage"])
    deputising = service.as_(deputy, on_behalf_of=owner)
    deputising.request("GET", "/v1/customers", expect=200)
    assert deputising.post("/v1/staff", {}, expect=403).json()["permission"] == "staff:manage"
    assert deputising.post("/v1/customers", {}, expect=403).json()["permission"] == "customer:enter"


def test_a_delegation_of_somebody_who_has_left_is_void(service: Service, office: Office) -> None:
    owner, deputy = office.hire("editor"), office.hire("editor")
    office.do(owner, "delegations", to=deputy, effective_to=SOON)
    deputising = service.as_(deputy, on_behalf_of=owner)
    deputising.request("GET", "/v1/customers", expect=200)
    office.do(owner, "deactivate")
    deputising.request("GET", "/v1/customers", expect=403)


def test_a_deputy_decides_nothing_that_they_are_asked_for_whether_they_say_so_or_not(
    service: Service, office: Office
) -> None:
    asking, deciding = office.hire("editor"), office.hire("approver")
    file = service.as_(asking).register(owner="u-500")
    file.record("/tier", to_code="ORDINARY")
    request_id = file.record("/tier-requests", to_code="HIGH_VALUE")["data"]["request_id"]
    given = office.do(asking, "delegations", to=deciding, effective_to=SOON)
    theirs = file.seen_by(service.as_(deciding))
    problem = theirs.send(f"/tier-requests/{request_id}/approve", {}, expect=403).json()
    assert problem["invariant"] == "I6"
    assert "deputy of the requester" in problem["errors"][0]["detail"] + problem["detail"]
    asked: dict[str, Any] = {"can_decide": "true", "customer_id": file.customer_id, "after": file.token}
    assert theirs.api.get("/v1/approvals", **asked).json()["items"] == []
    office.do(asking, f"delegations/{given['data']['delegation_id']}/end")
    theirs.send(f"/tier-requests/{request_id}/approve", {})


@pytest.mark.parametrize("what", ["roles", "manager", "delegations", "training", "deactivate", "reactivate"])
def test_nobody_changes_their_own_record(service: Service, office: Office, what: str) -> None:
    subject, colleague = office.hire("administrator"), office.hire()
    bodies: dict[str, dict[str, Any]] = {
        "roles": {"roles": ["administrator", "privacy"]},
        "manager": {"manager": None},
        "delegations": {"to": colleague, "effective_to": SOON},
        "training": {"training": "T", "completed_on": "2026-01-05", "valid_until": SOON},
    }
    before = office.show(subject)["basis"]["version"]
    problem = office.do(subject, what, by=service.as_(subject), expect=403, **bodies.get(what, {}))
    assert problem["type"] == "urn:dossier:problem:four-eyes-violation"
    assert office.show(subject)["basis"]["version"] == before


def test_nobody_lets_themselves_act_in_somebody_s_place(service: Service, office: Office) -> None:
    subject, owner = office.hire("administrator"), office.hire("privacy")
    office.do(owner, "delegations", by=service.as_(subject), to=subject, effective_to=SOON, expect=403)


def test_the_same_request_under_its_key_takes_effect_once(office: Office) -> None:
    subject = office.hire("viewer")
    path, key = f"/v1/staff/{subject}/roles", str(uuid4())
    body = {**WHY, "roles": ["risk", "editor"]}
    first = office.administrator.post(path, body, idempotency_key=key)
    again = office.administrator.post(path, body, idempotency_key=key)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    for other in ({**body, "roles": ["risk"]}, {**body, "reason": {"text": "another"}}, {**body, "roles": []}):
        office.administrator.post(path, other, expect=422, idempotency_key=key)
    office.administrator.post(f"/v1/staff/{subject}/deactivate", WHY, expect=422, idempotency_key=key)
    office.administrator.post(path, body, expect=400, idempotency_key=None)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_only_administrators_change_the_staff(service: Service, office: Office, role: Role) -> None:
    subject = office.hire("viewer")
    office.do(subject, "roles", by=service.as_("u-901", role), roles=["editor"], expect=403)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("roles", {"roles": ["emperor"]}),
        ("roles", {"roles": "editor"}),
        ("roles", {"roles": ["editor"], "actor": "u-1"}),
        ("roles", {"roles": ["editor"], "recorded_at": "2020-01-01"}),
        ("manager", {"manager": "u-nobody"}),
        ("delegations", {"to": "u-nobody", "effective_to": SOON}),
        ("training", {"training": "t'; DROP TABLE ledger.event; --", "completed_on": "x", "valid_until": "y"}),
    ],
    ids=repr,
)
def test_what_cannot_be_recorded_is_refused(office: Office, what: str, body: dict[str, Any]) -> None:
    subject = office.hire("viewer")
    status = 404 if "u-nobody" in body.values() else 422
    problem = office.do(subject, what, expect=status, **body)
    assert problem["errors"]


def test_nobody_is_shown_who_is_nobody(office: Office) -> None:
    for path in ("/v1/staff/u-nobody", "/v1/staff/u-nobody/history", "/v1/staff/x'%20OR%201=1"):
        assert office.administrator.get(path, expect=404).json()["type"] == "urn:dossier:problem:staff-unknown"
    office.do("u-nobody", "roles", roles=["editor"], expect=404)


def test_the_staff_is_in_the_log_like_everything_else(service: Service, office: Office) -> None:
    """What it is in the log as is verified with everything else when the service ends (see `service`)."""
    subject = office.hire("viewer")
    wait_until(lambda: _is_sealed(service, subject))


def _is_sealed(service: Service, subject: str) -> bool:
    with connect(service.conninfo) as connection:
        found = connection.execute("SELECT count(*) FROM ledger.log WHERE stream = %s", [stream_of(subject)]).fetchone()
        return found == (2,)
