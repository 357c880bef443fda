"""Nothing protected takes effect by the requests of one person, over HTTP (tests/domain/test_four_eyes.py has more)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service

_ROLES = ("editor", "approver", "privacy", "importer", "administrator", "custodian")
_PROPOSALS = [str(uuid4()) for _ in range(2)]
_REQUESTS = [str(uuid4()) for _ in range(2)]
_HIGH = {"type": "customer.tier-reassigned", "to_code": "HIGH_VALUE"}
_OWNER = {"type": "customer.owner-assigned", "role": "ACCOUNT_MANAGER", "to_staff": "u-118"}
_changes = st.sampled_from(
    [_HIGH, {**_HIGH, "to_code": "ORDINARY"}, _OWNER, {"type": "customer.identifier-revoked", "scheme": "OTHER"}]
)
_steps: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    _changes.map(lambda change: ("/changes", {"changes": [change]})),
    st.tuples(_changes, st.sampled_from(_PROPOSALS)).map(
        lambda pair: ("/proposals", {"proposal_id": pair[1], "changes": [pair[0]]})
    ),
    st.tuples(st.sampled_from(_PROPOSALS), st.sampled_from(["approve", "withdraw"])).map(
        lambda pair: (f"/proposals/{pair[0]}/{pair[1]}", {})
    ),
    st.sampled_from(_REQUESTS).map(lambda request: ("/tier-requests", {"request_id": request, "to_code": "ORDINARY"})),
    st.sampled_from(_REQUESTS).map(lambda request: (f"/tier-requests/{request}/approve", {})),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(_steps, st.integers(0, 3)), min_size=3, max_size=8))
def test_whatever_one_person_sends_what_is_protected_stays(service: Service, li_na: Api, steps: list[Any]) -> None:
    number = str(uuid4())
    file = li_na.register(owner="u-500", identifiers=[{"scheme": "OTHER", "value": number}], **WELL_FOUNDED)
    scoring = file.seen_by(service.as_("scoring", "service", kind="SERVICE"))
    scoring.record("/tier", to_code="HIGH_VALUE", basis="RULE")
    names = [
        service.as_("u-118", *_ROLES),
        service.as_("u-118", *_ROLES, on_behalf_of="u-301"),
        service.as_("u-302", *_ROLES, on_behalf_of="u-118"),
        service.as_("bot", "service", "importer", kind="SERVICE", on_behalf_of="u-118"),
    ]
    for (path, body), name in steps:
        send(file.seen_by(names[name]), path, body, number)
    profile = file.profile()
    assert profile["tier"]["VALUE"] == {"code": "HIGH_VALUE"}
    assert profile["owner"]["ACCOUNT_MANAGER"] == "u-500"
    assert profile["identifiers"] == {"OTHER": {number: {}}}


def send(file: File, path: str, body: dict[str, Any], number: str) -> None:
    """Whatever comes of it; that nothing is left unanswered is what other tests are about."""
    if "changes" in body:
        filled = [{**change, "value": number} if "scheme" in change else change for change in body["changes"]]
        body = {**WELL_FOUNDED, **body, "changes": filled}
    elif "to_code" in body:
        body = {**WELL_FOUNDED, **body}
    headers = {"Authorization": f"Bearer {file.api.token}", "Idempotency-Key": str(uuid4()), "If-Match": file.etag}
    answer = file.api.http.post(file.path + path, json=body, headers=headers)
    assert answer.status_code in {200, 403, 404, 409, 422}, answer.text
