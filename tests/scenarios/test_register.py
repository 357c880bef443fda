"""Opening files: what it takes, and what a new file says."""

from __future__ import annotations

from uuid import uuid4

from tests.scenarios.client import PHONE, WELL_FOUNDED, Api


def test_an_organisation_is_registered_with_its_first_facts(li_na: Api) -> None:
    number = f"{uuid4().int % 10**9:09}"
    answer = li_na.post(
        "/v1/customers",
        {
            "customer_kind": "ORGANISATION",
            "name": "华南贸易有限公司",
            "language": "zh-CN",
            "country": "CN",
            "identifiers": [{"scheme": "DUNS", "value": number}],
            "contact": {"name": "王芳", "title": "采购总监", "points": [PHONE]},
            "owner": "u-118",
            "evidence": [{"note": "business licence"}],
            "changes": [{"type": "customer.attribute-recorded", "key": "erp.number", "value": 7}],
        },
        expect=201,
    )
    recorded = answer.json()
    file = li_na.file(recorded["customer_id"])
    assert answer.headers["Location"] == file.path
    assert answer.headers["Dossier-Token"] == f"{file.customer_id}:{recorded['version']}"
    assert answer.headers["ETag"] == file.etag
    assert [event["type"].removeprefix("customer.") for event in recorded["events"]] == [
        "registered",
        "legal-name-changed",
        "identifier-recorded",
        "address-changed",
        "contact-added",
        "contact-point-changed",
        "owner-assigned",
        "attribute-recorded",
    ]
    profile = file.profile()
    assert profile["display_name"] == "华南贸易有限公司"
    assert profile["identity"] == {"legal_name": "华南贸易有限公司", "legal_name_language": "zh-CN"}
    assert profile["identifiers"] == {"DUNS": {number: {}}}
    assert profile["addresses"]["REGISTERED"]["country"] == "CN"
    assert profile["owner"] == {"ACCOUNT_MANAGER": "u-118"}
    assert profile["attributes"] == {"erp.number": 7}
    (contact,) = profile["contacts"].values()
    assert (contact["name"], contact["title"]) == ("王芳", "采购总监")
    assert [point["value"] for point in contact["points"].values()] == ["+8613800138000"]
    assert [profile["primary_contact"]] == list(profile["contacts"])
    assert profile["customer_kind"] == "ORGANISATION"
    assert (profile["file_state"], profile["existence"]) == ("LIVE", "EFFECTIVE")


def test_an_individual_is_the_own_first_contact(li_na: Api) -> None:
    file = li_na.register("张三", customer_kind="INDIVIDUAL", contact={"points": [PHONE]})
    profile = file.profile()
    assert profile["customer_kind"] == "INDIVIDUAL"
    assert [contact["name"] for contact in profile["contacts"].values()] == ["张三"]


def test_an_initial_load_may_open_a_file_without_a_name(importer: Api) -> None:
    opening = {"customer_kind": "INDIVIDUAL", "initial_load": True, "effective_from": "1998-01-01"}
    identifier = {"scheme": "BIOGUIDE", "value": uuid4().hex}
    answer = importer.post("/v1/customers", {**opening, "identifiers": [identifier]}, expect=201)
    file = importer.file(answer.json()["customer_id"])
    profile = file.profile()
    assert profile["display_name"] == identifier["value"]
    assert "contacts" not in profile
    history = file.history()
    assert [item["initial_load"] for item in history] == [True, True]
    assert history[1]["effective_from"] == "1997-12-31T16:00:00.000000Z"
    assert history[1]["actor"]["kind"] == "SERVICE"


def test_a_client_may_choose_the_id_of_the_file_once(li_na: Api) -> None:
    customer_id = str(uuid4())
    assert li_na.register(customer_id=customer_id).customer_id == customer_id
    body = {
        "customer_kind": "ORGANISATION",
        "customer_id": customer_id,
        "name": "Again",
        "contact": {"points": [PHONE]},
    }
    problem = li_na.post("/v1/customers", body, expect=409).json()
    assert problem["type"] == "urn:dossier:problem:already-registered"
    assert problem["errors"][0]["pointer"] == "/customer_id"


def test_an_identifier_belongs_to_one_file_and_the_problem_names_it(li_na: Api, wang: Api) -> None:
    number = f"{uuid4().int % 10**9:09}"
    holder = li_na.register(identifiers=[{"scheme": "DUNS", "value": number}], **WELL_FOUNDED)
    written = f"{number[:2]}-{number[2:5]}-{number[5:]}"
    body = {"customer_kind": "ORGANISATION", "name": "Other", "contact": {"points": [PHONE]}}
    problem = li_na.post(
        "/v1/customers", {**body, "identifiers": [{"scheme": "DUNS", "value": written}]}, expect=409
    ).json()
    assert problem["invariant"] == "I4"
    assert (problem["holder"], problem["holder_id"]) == (holder.path, holder.customer_id)
    assert problem["errors"][0]["pointer"] == "/identifiers/0/value"
    holder.agree(wang, {"type": "customer.identifier-revoked", "scheme": "DUNS", "value": number})
    li_na.register("Other", identifiers=[{"scheme": "DUNS", "value": number}], **WELL_FOUNDED)


def test_a_dry_run_decides_and_stores_nothing(li_na: Api) -> None:
    opening = {"customer_kind": "ORGANISATION", "name": "Maybe Ltd", "contact": {"points": [PHONE]}}
    decided = li_na.post("/v1/customers?dry_run=true", opening, idempotency_key=None).json()
    assert decided["dry_run"] is True
    assert len(decided["events"]) == 4
    li_na.file(decided["customer_id"]).profile(expect=404)
    file = li_na.register()
    body = {"key": "k", "value": 1}
    assert file.send("/attributes?dry_run=true", body, idempotency_key=None).json()["version"] == file.version + 1
    assert "attributes" not in file.profile()


def test_a_repeated_request_takes_effect_once_and_is_answered_the_same(li_na: Api) -> None:
    opening = {"customer_kind": "ORGANISATION", "name": "Once Ltd", "contact": {"points": [PHONE]}}
    key = str(uuid4())
    first, again = (li_na.post("/v1/customers", opening, idempotency_key=key, expect=201) for _ in range(2))
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert {name: again.headers[name] for name in ("ETag", "Location", "Dossier-Token")} == {
        name: first.headers[name] for name in ("ETag", "Location", "Dossier-Token")
    }
    file = li_na.file(first.json()["customer_id"])
    attribute, etag, key = {"key": "k", "value": [1, None]}, file.etag, str(uuid4())
    writes = [file.send("/attributes", attribute, if_match=etag, idempotency_key=key) for _ in range(3)]
    assert len({write.content for write in writes}) == 1
    file.record("/attributes", key="other", value=1)
    assert file.send("/attributes", attribute, if_match=etag, idempotency_key=key).content == writes[0].content
    assert [item["data"]["key"] for item in file.history(path="/attributes")] == ["k", "other"]


def test_a_minimal_answer_leaves_the_events_out(li_na: Api) -> None:
    file = li_na.register()
    answer = file.send("/attributes", {"key": "k", "value": 1}, prefer="return=minimal").json()
    (entry_hash,) = answer.pop("entry_hashes")
    assert len(entry_hash) == 44
    assert answer == {"customer_id": file.customer_id, "version": 5, "profile_version": 5}
