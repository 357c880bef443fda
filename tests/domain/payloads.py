"""One full payload, or a few, of every event type."""

from __future__ import annotations

from typing import Any

from domain.events import EVENT_TYPES, Payload
from domain.events.identity import NameKind
from tests.domain.story import uid

_BUDGET = {"min": "1", "max": "2", "currency": "CNY"}
_NEED = {
    "statement": "s",
    "pain_point": "p",
    "concerns": ["c"],
    "budget": _BUDGET,
    "decision_cycle": "P1M",
    "required_by": "2026-01-01",
}
_PERSON = {"name": "Li", "title": "CEO", "department": "Board", "buying_role": "DECIDER"}
_ANSWER = {"request_id": uid(60), "comment": "c"}
_TIER = {"scheme": "VALUE", "from_code": "ORDINARY", "to_code": "POTENTIAL"}
_REASSIGNED = {**_TIER, "direction": "RAISED", "basis": "MANUAL"}
_TAG = {"taxonomy_version": 1, "group": "REGION", "code": "EAST"}
_ERASURE = {"subject": uid(10), "legal_basis": "GDPR_17_1_A"}
_POINT = {"contact_id": uid(10), "point_id": uid(11), "kind": "PHONE", "value": "+8675586013388"}

_CHANGE = {"type": "customer.tag-applied", "fields": {"group": "REGION", "code": "EAST"}, "circumstances": {}}
_PROPOSAL = {
    "subject": uid(10),
    "commands": ["customer.tag-applied"],
    "slots": ["/tags/REGION/EAST"],
    "changes": [_CHANGE],
    "seen": [{"slot": "/tags/REGION/EAST", "absent": True}],
    "expires_at": "2026-01-01T00:00:00Z",
}
_DECIDED = {"proposal_id": uid(62), "comment": "c"}

_CONTENTS: dict[str, list[dict[str, Any]]] = {
    "registered": [{"customer_kind": "ORGANISATION"}],
    "archived": [{"reason_code": "LOST"}],
    "reinstated": [{}],
    "legal-name-changed": [{"name": "N", "language": "en", "name_kind": kind} for kind in NameKind],
    "identifier-recorded": [
        {"scheme": scheme, "value": "123456789", "issuer": "i", "issued_on": "2026-01-01"}
        for scheme in ("DUNS", "CN_RIC")
    ],
    "identifier-revoked": [{"scheme": "OTHER", "value": "a/b"}],
    "address-changed": [
        {"address_kind": kind, "country": "CN", "geo": {"latitude": 1, "longitude": 2}} for kind in ("OFFICE", "HOME")
    ],
    "contact-added": [{"contact_id": uid(10), **_PERSON, "is_primary": True}],
    "contact-details-changed": [{"contact_id": uid(10), "changed": _PERSON}],
    "contact-point-changed": [_POINT, {**_POINT, "value": None}],
    "primary-contact-replaced": [{"old_contact_id": uid(10), "new_contact_id": uid(20)}],
    "contact-removed": [{"contact_id": uid(10), "removal_reason": "OBJECTION", "was_primary": True}],
    "need-identified": [{"need_id": uid(50), **_NEED}],
    "need-revised": [{"need_id": uid(50), "changes": _NEED, "cause_analysis": "why"}],
    "need-closed": [{"need_id": uid(50), "outcome": "MET"}],
    "tier-reassignment-requested": [{**_ANSWER, **_TIER, "expires_at": "2026-01-01T00:00:00Z"}],
    "tier-reassignment-approved": [_ANSWER],
    "tier-reassignment-rejected": [_ANSWER],
    "tier-reassignment-withdrawn": [_ANSWER],
    "tier-reassigned": [_REASSIGNED],
    "owner-assigned": [{"role": "FILE_CUSTODIAN", "to_staff": "u-1"}],
    "tag-applied": [_TAG],
    "tag-removed": [_TAG],
    "attribute-recorded": [{"key": "a/b", "value": None}],
    "attribute-removed": [{"key": "~"}],
    "fact-corrected": [{"replaced_type": "customer.tier-reassigned", "replacement": _REASSIGNED}],
    "field-verified": [{"path": "/tier/VALUE", "value_event_id": uid(70), "method": "CALLBACK", "result": "MATCH"}],
    "erasure-requested": [{"request_id": uid(60), **_ERASURE}],
    "erasure-approved": [{**_ANSWER, "after_hold": True}],
    "erasure-rejected": [_ANSWER],
    "erasure-withdrawn": [_ANSWER],
    "personal-data-erased": [{**_ERASURE, "fields": ["/"], "request_id": uid(60), "approver_id": "u-1"}],
    "legal-hold-placed": [{"hold_id": uid(61), "basis": "INVESTIGATION", "reference": "r"}],
    "legal-hold-lifted": [{"hold_id": uid(61)}],
    "change-proposed": [{"proposal_id": uid(62), **_PROPOSAL}],
    "proposal-approved": [_DECIDED],
    "proposal-rejected": [_DECIDED],
    "proposal-withdrawn": [_DECIDED],
    "fact-retracted": [{"retracted_type": "customer.tier-reassigned", "slots": ["/tier/VALUE"]}],
}
_VIEW = {"principal": "u-1", "kind": "VIEW", "of": "PROFILE", "highest": "INTERNAL", "seen": [{"customer_id": uid(1)}]}
_ONE_VIEW = {"at": "2026-01-01T00:00:00Z", "view": {**_VIEW, "purpose": {"code": "SALES"}}}
_SEARCH = {"at": "2026-01-01T00:00:00Z", "view": {**_VIEW, "kind": "SEARCH", "answered": {"rows": 1, "question": {}}}}
_VIEWS = {"began_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:01Z", "viewed": [_VIEW]}
_PERIOD = {"effective_from": "2026-01-01", "effective_to": "2026-02-01"}
_REVISION = {"revision_id": uid(80), "comment": "c"}
_OF_SERVICE: dict[str, list[dict[str, Any]]] = {
    "policy.revision-proposed": [
        {"revision_id": uid(80), "based_on": 1, "document": {}, "expires_at": "2026-01-01T00:00:00Z"}
    ],
    "policy.revision-approved": [_REVISION],
    "policy.revision-rejected": [_REVISION],
    "policy.revision-withdrawn": [_REVISION],
    "policy.revised": [{"edition": 2, "document": {}, "revision_id": uid(80), "proposer": "u-1", "approver_id": "u-2"}],
    "access.profile-viewed": [_ONE_VIEW],
    "access.sensitive-data-viewed": [_ONE_VIEW],
    "access.profile-exported": [_ONE_VIEW],
    "access.search-run": [_SEARCH],
    "access.profiles-viewed": [_VIEWS],
    "staff.member-recorded": [{"subject": "u-1", "name": "n", "kind": "SERVICE", "team": "t"}],
    "staff.roles-assigned": [{"roles": ["editor"], **_PERIOD}],
    "staff.manager-assigned": [{"manager": None, **_PERIOD}],
    "staff.delegated": [{"delegation_id": uid(80), "to": "u-2", "scope": ["customer:view"], **_PERIOD}],
    "staff.delegation-ended": [{"delegation_id": uid(80), "effective_from": "2026-01-02"}],
    "staff.training-completed": [{"training": "T", "completed_on": "2026-01-01", "valid_until": "2026-12-31"}],
    "staff.deactivated": [{}],
    "staff.reactivated": [{}],
}
_CONTENTS["tier-reassignment-requested"][0].pop("comment")

PAYLOADS: list[Payload] = [
    EVENT_TYPES[name].model_validate(content)
    for name, contents in [*((f"customer.{name}", own) for name, own in _CONTENTS.items()), *_OF_SERVICE.items()]
    for content in contents
]
