"""Every command over HTTP: each example of the OpenAPI document is sent for real, and shows in profile and history."""

from __future__ import annotations

from typing import Any

import pytest

from api.examples import EXAMPLES
from api.routes.commands import ROUTES
from domain.decisions import COMMANDS
from tests.scenarios.client import WELL_FOUNDED, Api, File

_CONTACT = EXAMPLES["AddContactBody"]["contact_id"]
_IN_PATH = {
    "{contact_id}": _CONTACT,
    "{need_id}": EXAMPLES["IdentifyNeedBody"]["need_id"],
    "{request_id}": EXAMPLES["RequestTierReassignmentBody"]["request_id"],
    "{proposal_id}": EXAMPLES["ProposalBody"]["proposal_id"],
    "{hold_id}": EXAMPLES["PlaceLegalHoldBody"]["hold_id"],
}
_STORY = """
    ChangeLegalName RecordIdentifier RevokeIdentifier ChangeAddress AddContact ChangeContactDetails ChangeContactPoint
    ReplacePrimaryContact RemoveContact IdentifyNeed ReviseNeed CloseNeed AssignOwner AssignTier
    RequestTierReassignment
    WithdrawTierReassignment RequestTierReassignment RejectTierReassignment RequestTierReassignment
    ApproveTierReassignment ApplyTag RemoveTag RecordAttribute RemoveAttribute VerifyField
    WithdrawProposal RejectProposal ApproveProposal ArchiveCustomer ReinstateCustomer CorrectFact RetractFact
    RequestErasure WithdrawErasure PlaceLegalHold RequestErasure RejectErasure LiftLegalHold RequestErasure
    ApproveErasure
""".split()
"""In this order every example fits: what one needs, one before it has brought."""
_BY = {
    "wang": ("ApproveTierReassignment", "RejectTierReassignment", "ApproveProposal", "RejectProposal"),
    "importer": ("RevokeIdentifier",),
    "officer": ("RequestErasure", "WithdrawErasure", "PlaceLegalHold"),
    "second_officer": ("ApproveErasure", "RejectErasure", "LiftLegalHold"),
}
"""Who sends it, where it is not Li Na."""


def test_every_example_is_accepted(li_na: Api, wang: Api, officer: Api, second_officer: Api, importer: Api) -> None:
    """The whole story of one customer, told with the examples of the document."""
    file = _opened_by_example(li_na)
    senders = {"wang": wang, "officer": officer, "second_officer": second_officer, "importer": importer}
    file.send("/changes", EXAMPLES["ChangesBody"])
    events: dict[str, dict[str, Any]] = {}
    routes = {command.__name__: (path, command.records.type) for path, command, _ in ROUTES}
    assert {*_STORY} == {*routes}
    for name in _STORY:
        path, event_type = routes[name]
        for place, item_id in _IN_PATH.items():
            path = path.replace(place, item_id)
        body = dict(EXAMPLES[f"{name}Body"])
        if name in ("CorrectFact", "RetractFact"):
            (aim,) = {"corrects", "retracts"} & body.keys()
            body[aim] = events.get("CorrectFact", _debtor_number(file))["event_id"]
        if name == "VerifyField":
            body["value_event_id"] = _debtor_number(file)["event_id"]
        if "Proposal" in name:
            file.send("/proposals", EXAMPLES["ProposalBody"])
        sender = senders.get(next((who for who, names in _BY.items() if name in names), ""), li_na)
        events[name] = _last(file.seen_by(sender).send(path, body).json(), event_type)
    profile = file.profile()
    assert profile["tier"] == {"SERVICE": {"code": "STANDARD"}, "VALUE": {"code": "HIGH_VALUE"}}
    assert "attributes" not in profile
    assert len(file.history(limit=500)) == file.version


def _opened_by_example(api: Api) -> File:
    answer = api.post("/v1/customers", EXAMPLES["RegistrationBody"], expect=201)
    return api.file(answer.json()["customer_id"])


def _debtor_number(file: File) -> dict[str, Any]:
    (item,) = file.history(type="customer.attribute-recorded", path="/attributes/erp.debtor_number")
    return item


def _last(answer: dict[str, Any], event_type: str) -> dict[str, Any]:
    return next(event for event in reversed(answer["events"]) if event["type"] == event_type)


def test_every_fact_can_stand_in_a_list_of_changes_as_in_its_own_route() -> None:
    alone = {command.records.type for _, command, _ in ROUTES}
    assert COMMANDS.keys() <= alone


_CONTACT_ID = "0198c0de-0000-7000-8000-000000000101"
_POINT_ID = "0198c0de-0000-7000-8000-000000000102"
_NEED_ID = "0198c0de-0000-7000-8000-000000000103"
_OTHER_ID = "0198c0de-0000-7000-8000-000000000104"
_ACME: list[dict[str, Any]] = [
    {"type": "customer.contact-added", "contact_id": _CONTACT_ID, "name": "Wu"},
    {"type": "customer.contact-added", "contact_id": _OTHER_ID, "name": "Lin"},
    {"type": "customer.need-identified", "need_id": _NEED_ID, "statement": "less paper", "pain_point": "lost orders"},
    {"type": "customer.identifier-recorded", "scheme": "OTHER", "value": _OTHER_ID},
    {"type": "customer.tag-applied", "group": "STAGE", "code": "INTENT"},
    {"type": "customer.attribute-recorded", "key": "old", "value": {"a": [1, True, None]}},
    {"type": "customer.owner-assigned", "role": "RISK_OFFICER", "to_staff": "u-9"},
]
# route, body, the slot it moves, and what shows there afterwards (None: nothing any more)
_EFFECTS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("/names", {"name": "Acme GmbH", "name_kind": "TRADING"}, "/identity/trading_name", "Acme GmbH"),
    ("/identifiers", {"scheme": "X_REG", "value": _NEED_ID}, f"/identifiers/X_REG/{_NEED_ID}", {}),
    ("/addresses", {"address_kind": "BILLING", "country": "DE"}, "/addresses/BILLING", {"country": "DE", "lines": []}),
    ("/contacts", {"name": "Zhao", "contact_id": _POINT_ID}, f"/contacts/{_POINT_ID}/name", "Zhao"),
    (
        f"/contacts/{_CONTACT_ID}/details",
        {"changed": {"department": "IT"}},
        f"/contacts/{_CONTACT_ID}/department",
        "IT",
    ),
    (
        f"/contacts/{_CONTACT_ID}/points",
        {"kind": "EMAIL", "value": "Wu@EXAMPLE.com", "point_id": _POINT_ID},
        f"/contacts/{_CONTACT_ID}/points/{_POINT_ID}",
        {"kind": "EMAIL", "value": "Wu@example.com", "usage": "WORK", "verified": False},
    ),
    ("/primary-contact", {"new_contact_id": _CONTACT_ID}, "/primary_contact", _CONTACT_ID),
    (f"/contacts/{_OTHER_ID}/remove", {"removal_reason": "OBJECTION"}, f"/contacts/{_OTHER_ID}", None),
    ("/needs", {"need_id": _OTHER_ID, "statement": "speed"}, f"/needs/{_OTHER_ID}/statement", "speed"),
    (
        f"/needs/{_NEED_ID}/revise",
        {"changes": {"pain_point": None}, "cause_analysis": "solved by the new scanner"},
        f"/needs/{_NEED_ID}/pain_point",
        None,
    ),
    (f"/needs/{_NEED_ID}/close", {"outcome": "DROPPED"}, f"/needs/{_NEED_ID}/outcome", "DROPPED"),
    ("/tier", {"to_code": "ORDINARY"}, "/tier/VALUE", {"code": "ORDINARY"}),
    ("/owners", {"role": "RISK_OFFICER", "to_staff": "u-10"}, "/owner/RISK_OFFICER", "u-10"),
    ("/tags", {"group": "REGION", "code": "EAST"}, "/tags/REGION/EAST", True),
    ("/tags/remove", {"group": "STAGE", "code": "INTENT"}, "/tags/STAGE/INTENT", None),
    ("/attributes", {"key": "a/b~c 中", "value": 1.5}, "/attributes/a~1b~0c 中", 1.5),
    ("/attributes/remove", {"key": "old"}, "/attributes/old", None),
]


@pytest.fixture(scope="module")
def acme(li_na: Api) -> File:
    file = li_na.register()
    file.change(*_ACME)
    return file


@pytest.mark.parametrize(("route", "body", "slot", "shown"), _EFFECTS, ids=[effect[0] for effect in _EFFECTS])
def test_a_command_shows_in_the_profile_and_in_the_history(
    acme: File, route: str, body: dict[str, Any], slot: str, shown: Any
) -> None:
    event = acme.record(route, **body)
    newest = acme.history(order="desc", limit=1)[0]
    assert newest["event_id"] == event["event_id"]
    assert newest["recorded_at"] == event["recorded_at"]
    assert newest["reason"] == WELL_FOUNDED["reason"]
    assert newest["actor"] == {
        "id": "u-118",
        "kind": "HUMAN",
        "name_at_time": "Li Na",
        "roles": ["editor"],
        "on_behalf_of": None,
    }
    change = next(change for change in newest["changes"] if change["path"] == slot)
    assert change.get("new") == shown
    assert at(acme.profile(), slot) == shown
    assert at(acme.profile(valid_at=event["recorded_at"], at_position=newest["position"]), slot) == shown


def at(profile: dict[str, Any], slot: str) -> Any:
    """What stands in the profile where the slot's pointer leads; None if nothing."""
    place: Any = profile
    for segment in slot.split("/")[1:]:
        place = place.get(segment.replace("~1", "/").replace("~0", "~")) if place is not None else None
    return place


def test_archiving_and_reinstating_show_in_the_profile(li_na: Api) -> None:
    file = li_na.register()
    file.send("/archive", {"reason_code": "LOST"})
    assert file.profile()["file_state"] == "ARCHIVED"
    archived_at = file.position
    problem = file.record("/attributes", key="k", value=1, expect=409)
    assert problem["invariant"] == "I2"
    file.send("/reinstate", {"reason": {"text": "back again"}})
    assert file.profile()["file_state"] == "LIVE"
    assert file.profile(at_position=archived_at)["file_state"] == "ARCHIVED"
    assert [item["decision"] for item in file.history(type="customer.*")][-2:] == [True, True]
