"""What stands in answers instead of what their reader may not see, and that nothing else changes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest

from domain.replay import state_hash
from domain.slots import Sensitivity
from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service

_, _, CONFIDENTIAL, SENSITIVE = Sensitivity
HIDDEN = {level: {"masked": True, "class": level.value} for level in Sensitivity}
OWNER = "u-204"
CONTACT: dict[str, Any] = {"name": "Zhao Liu", "points": [{"kind": "OTHER", "value": "z"}]}
RIC, OTHER_RIC = "110101199003070935", "110101198502031231"
HOME: dict[str, Any] = {"address_kind": "HOME", "country": "CN", "lines": ["Nanjing Road 1"]}


@pytest.fixture
def file(custodian: Api) -> File:
    """Of OWNER, with an address and an attribute that not everybody may see."""
    file = custodian.register(owner=OWNER)
    file.record("/addresses", **HOME)
    file.record("/attributes", key="secret", value="s")
    return file


@pytest.fixture(scope="module")
def identified(custodian: Api) -> File:
    """The file that holds RIC, and no other name."""
    file = custodian.register(customer_kind="INDIVIDUAL")
    file.record("/identifiers", scheme="CN_RIC", value=RIC)
    return file


def test_a_hidden_value_is_marked_wherever_it_would_stand(file: File, viewer: Api, li_na: Api) -> None:
    seen = file.seen_by(viewer).profile()
    ((contact_id, contact),) = seen["contacts"].items()
    assert contact["name"] == HIDDEN[CONFIDENTIAL]
    assert [*contact["points"].values()] == [HIDDEN[CONFIDENTIAL]]
    assert seen["addresses"] == {"HOME": HIDDEN[SENSITIVE]}
    assert seen["attributes"] == {"secret": HIDDEN[CONFIDENTIAL]}
    assert seen["identity"] == {"legal_name": "Acme Ltd"}
    assert seen["primary_contact"] == contact_id
    assert file.seen_by(viewer).profile(known_at=seen["basis"]["known_at"])["contacts"] == seen["contacts"]

    for_editor = file.seen_by(li_na).profile()
    assert for_editor["addresses"] == {"HOME": HIDDEN[SENSITIVE]}
    assert for_editor["attributes"] == {"secret": "s"}


def test_a_number_is_hidden_in_the_pointer_that_holds_it(identified: File, viewer: Api) -> None:
    seen = identified.seen_by(viewer)
    assert seen.profile()["identifiers"] == {"CN_RIC": {"*": HIDDEN[SENSITIVE]}}
    (item,) = seen.history(type="customer.identifier-recorded")
    assert item["data"] == HIDDEN[SENSITIVE]
    assert item["changes"] == [{"path": "/identifiers/CN_RIC/*", "kind": "CHANGE", "new": HIDDEN[SENSITIVE]}]
    assert item["reason"] == {"text": HIDDEN[SENSITIVE]}
    assert item["evidence"] == [{"note": HIDDEN[SENSITIVE]}]


def test_what_a_customer_is_called_may_be_hidden_too(custodian: Api, importer: Api, viewer: Api) -> None:
    """Without a name a customer is called by an identifier."""
    number = {"scheme": "CN_RIC", "value": OTHER_RIC}
    file = importer.register(None, customer_kind="INDIVIDUAL", initial_load=True, identifiers=[number], **WELL_FOUNDED)
    assert file.seen_by(custodian).profile()["display_name"] == OTHER_RIC
    assert file.seen_by(viewer).profile()["display_name"] == HIDDEN[SENSITIVE]
    listed = viewer.get("/v1/customers", limit=500, after=file.seen_by(viewer).token).json()["items"]
    assert {HIDDEN[SENSITIVE]["class"]} == {
        item["display_name"]["class"] for item in listed if item["customer_id"] == file.customer_id
    }


def test_who_comes_to_own_a_customer_sees_more_of_all_its_past(file: File, service: Service) -> None:
    colleague = file.seen_by(service.as_("u-205", "viewer"))
    before = file.history(order="desc", limit=1)[0]["position"]

    def attributes(**moment: Any) -> Any:
        return colleague.profile(**moment)["attributes"]["secret"]

    assert attributes() == attributes(at_position=before) == HIDDEN[CONFIDENTIAL]
    handed_over: dict[str, Any] = {"role": "ACCOUNT_MANAGER", "reason": {"text": "moved"}}
    file.record("/owners", to_staff="u-205", **handed_over)
    assert attributes() == attributes(at_position=before) == "s"
    file.record("/owners", to_staff=OWNER, **handed_over)
    assert attributes() == attributes(at_position=before) == HIDDEN[CONFIDENTIAL]


def test_a_colleague_of_the_owners_team_sees_what_the_owner_sees(
    custodian: Api, administrator: Api, service: Service
) -> None:
    owner, colleague, stranger = (f"u-{uuid4()}" for _ in range(3))
    for subject, team in ((owner, "Shenzhen"), (colleague, "Shenzhen"), (stranger, "Lisbon")):
        administrator.post("/v1/staff", {"subject": subject, "name": "Somebody", "team": team}, expect=201)
        roles = {"roles": ["viewer"], "reason": {"text": "hired"}}
        administrator.post(f"/v1/staff/{subject}/roles", roles)
    file = custodian.register(owner=owner)
    file.record("/attributes", key="secret", value="s")
    seen = {
        who: file.seen_by(service.as_(who)).profile()["attributes"]["secret"] for who in (owner, colleague, stranger)
    }
    assert seen == {owner: "s", colleague: "s", stranger: HIDDEN[CONFIDENTIAL]}


@pytest.mark.parametrize("view", ["", "/blame"])
def test_what_is_hidden_is_part_of_what_an_etag_names(file: File, viewer: Api, view: str) -> None:
    moment = {"at_position": file.position, "valid_at": file.history()[-1]["recorded_at"]}
    for query in ({}, moment) if view == "" else (moment,):
        whole = file.api.get(file.path + view, **query)
        seen = viewer.get(file.path + view, **query)
        assert whole.headers["ETag"].strip('"') + ".m" in seen.headers["ETag"]
        tags = {"clear": whole.headers["ETag"], "masked": seen.headers["ETag"]}
        answered = {
            name: viewer.request("GET", file.path + view, params=query, headers={"If-None-Match": tag}).status_code
            for name, tag in tags.items()
        }
        assert answered == {"clear": 200, "masked": 304}


def test_the_tag_of_a_masked_profile_is_a_precondition_like_any_other(file: File, li_na: Api) -> None:
    seen = file.seen_by(li_na)
    assert ".m" in seen.etag
    seen.record("/tags", group="REGION", code="EAST")


def test_where_nothing_is_hidden_the_answer_is_as_for_who_sees_everything(custodian: Api, li_na: Api) -> None:
    file = custodian.register()
    file.record("/attributes", key="secret", value=1.50)
    moment = {"at_position": file.position, "valid_at": file.history()[-1]["recorded_at"]}
    for path, query in (
        ("", moment),
        ("/history", {}),
        ("/blame", moment),
        ("/timeline", {}),
        ("/knowledge", {"path": "/attributes/secret"}),
        ("/replay", {}),
    ):
        answers_ = [api.get(file.path + path, **query) for api in (custodian, li_na)]
        assert answers_[0].content == answers_[1].content
        assert answers_[0].headers.get("ETag") == answers_[1].headers.get("ETag")


def test_an_event_of_a_shown_slot_keeps_the_words_that_tell_of_hidden_ones(file: File, viewer: Api) -> None:
    """The event that added a contact set a slot that shows, too, and was reasoned about as a whole."""
    added = file.record("/contacts", name="Li Si", reason={"text": "Li Si called"})
    contact = added["data"]["contact_id"]
    assert file.blame(f"/contacts/{contact}/name")["set_by"]["reason"] == {"text": "Li Si called"}
    seen = file.seen_by(viewer)
    items = {item["path"]: item for item in seen.read("blame")["items"]}
    assert items[f"/contacts/{contact}"]["set_by"]["reason"] == {"text": HIDDEN[CONFIDENTIAL]}
    assert items["/identity/legal_name"]["set_by"]["reason"] is None
    (told,) = seen.read("knowledge", path=f"/contacts/{contact}")["items"]
    assert told["first"]["event"]["reason"] == {"text": HIDDEN[CONFIDENTIAL]}
    changes = seen.read("diff", from_=file.history()[0]["position"], to=file.position)["changes"]
    reasons = {change["path"]: change["caused_by"][0]["reason"] for change in changes}
    assert reasons[f"/contacts/{contact}"] == HIDDEN[CONFIDENTIAL]


def test_a_difference_of_a_hidden_value_is_one_step(file: File, viewer: Api) -> None:
    first = file.record("/attributes", key="secret", value={"a": 1, "b": 2})
    second = file.record("/attributes", key="secret", value={"a": 3, "c": 4})
    between = {"from_": file.known_at(first), "to": file.known_at(second)}
    assert len(file.read("diff", **between)["changes"]) == 3
    (change,) = file.seen_by(viewer).read("diff", **between)["changes"]
    assert (change["op"], change["path"]) == ("replace", "/attributes/secret")
    assert change["from"] == change["to"] == HIDDEN[CONFIDENTIAL]


def test_a_replay_proves_what_may_be_seen(file: File, viewer: Api) -> None:
    """As for who sees everything: anybody computes its hashes from what blame shows them."""
    seen = file.seen_by(viewer)
    lines = viewer.get(f"{file.path}/replay", after=seen.token).content.splitlines()
    *steps, end = map(orjson.loads, lines)
    assert end["summary"]["log_ok"]
    for line in steps:
        moment = {"at_position": line["position"], "valid_at": line["event"]["recorded_at"]}
        shown = {item["path"]: item["value"] for item in seen.read("blame", **moment)["items"]}
        assert state_hash(shown) == line["state_hash_after"]
    assert steps[-1]["event"]["data"] == HIDDEN[CONFIDENTIAL]
    assert steps[-1]["changed"] == ["/attributes/secret"]


def test_a_hidden_column_says_the_same_of_every_customer(file: File, custodian: Api, service: Service) -> None:
    without = custodian.register(owner=OWNER)
    ids = [file.customer_id, without.customer_id]
    columns = ["/addresses/HOME", "/addresses/HOME/city", "/attributes/secret", "/identity/legal_name"]
    body = {"where": {"all": [{"path": "customer_id", "in": ids}]}, "columns": columns}
    reader = service.as_("svc-erp", "service", kind="SERVICE")
    asked = f"/v1/portfolio/query?after={without.token}"
    rows = reader.post(asked, body, idempotency_key=None).json()["items"]
    assert len(rows) == 2
    for row in rows:
        assert [row[column] for column in columns] == [*[HIDDEN[SENSITIVE]] * 2, HIDDEN[CONFIDENTIAL], "Acme Ltd"]
    headers = {"Authorization": f"Bearer {reader.token}", "Accept": "text/csv"}
    table = reader.http.post(asked, json=body, headers=headers)
    assert table.text.count('"{""masked"":true,""class"":""SENSITIVE""}"') == 4


def test_a_movement_keeps_the_words_of_hidden_events(custodian: Api, viewer: Api) -> None:
    file = custodian.register(reason={"text": "their first contact"})
    where = {"all": [{"path": "/primary_contact", "exists": True}, {"path": "customer_id", "eq": file.customer_id}]}
    (added,) = file.history(type="customer.contact-added")
    between = {"from": {"at_position": added["position"] - 1}, "to": {"at_position": added["position"]}}
    for api, reason in ((custodian, "their first contact"), (viewer, HIDDEN[CONFIDENTIAL])):
        answer = api.post("/v1/portfolio/diff", {**between, "where": where}, idempotency_key=None)
        assert [cause["reason"] for cause in answer.json()["items"][0]["caused_by"]] == [reason]


# --- what is answered to who writes -----------------------------------------------------------------------------------


def test_a_write_does_not_repeat_what_its_writer_may_not_see(file: File, li_na: Api) -> None:
    seen = file.seen_by(li_na)
    assert seen.record("/addresses", **HOME, postcode="1")["data"] == HIDDEN[SENSITIVE]
    assert seen.record("/attributes", key="other", value=1)["data"] == {"key": "other", "value": 1}
    first = file.history(type="customer.address-changed")[0]
    corrected = {"corrects": first["event_id"], "replacement": {"postcode": "2"}}
    assert seen.record("/corrections", **corrected)["data"] == HIDDEN[SENSITIVE]


def test_whose_number_it_is_learns_only_who_may_see_it(identified: File, custodian: Api, li_na: Api) -> None:
    claim = {"identifiers": [{"scheme": "CN_RIC", "value": RIC}], **WELL_FOUNDED}
    problems = {}
    for name, api in (("custodian", custodian), ("editor", li_na)):
        opening = {"customer_kind": "INDIVIDUAL", "name": "Acme", "contact": CONTACT, **claim}
        problems[name] = api.post("/v1/customers", opening, expect=409).json()
    assert problems["custodian"]["holder_id"] == identified.customer_id
    assert not {"holder", "holder_id"} & problems["editor"].keys()
    assert problems["editor"]["type"] == problems["custodian"]["type"]
