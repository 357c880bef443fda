"""A body that breaks a rule: refused as a problem that names rule and place, with nothing written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import PHONE, WELL_FOUNDED, File
from tests.scenarios.refused import ATTRIBUTE, assert_refused


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


_BACKDATED = {"reason": {"code": "BACKDATED"}}
# what is sent where, the status, the slug, the pointer, the rule
_REFUSED: dict[str, tuple[str, dict[str, Any], int, str, str | None, str | None]] = {
    "unknown field": ("/attributes", {**ATTRIBUTE, "colour": 1}, 422, "invalid-body", "/colour", None),
    "unknown field within": (
        "/attributes",
        {**ATTRIBUTE, "reason": {"why": 1}},
        422,
        "invalid-body",
        "/reason/why",
        None,
    ),
    "missing field": ("/attributes", {"key": "k"}, 422, "invalid-body", "/value", None),
    "wrong type": ("/attributes", {"key": 7, "value": 1}, 422, "invalid-body", "/key", None),
    "flag as text": ("/contacts", {"name": "Wu", "is_primary": "yes"}, 422, "invalid-body", "/is_primary", None),
    "flag as number": ("/attributes", {**ATTRIBUTE, "initial_load": 0}, 422, "invalid-body", "/initial_load", None),
    "number as text": (
        "/attributes",
        {**ATTRIBUTE, "source": {"kind": "VISIT", "row": "5"}},
        422,
        "invalid-body",
        "/source/row",
        None,
    ),
    "unknown code of a list": ("/archive", {"reason_code": "BORED"}, 422, "invalid-body", "/reason_code", None),
    "unknown code of a scheme": ("/tags", {"group": "REGION", "code": "MOON"}, 422, "unknown-code", "/code", "I23"),
    "unknown scheme": ("/tags", {"group": "REGOIN", "code": "SOUTH"}, 422, "unknown-code", "/group", "I23"),
    "unknown country": (
        "/addresses",
        {"address_kind": "HOME", "country": "XX"},
        422,
        "unknown-code",
        "/country",
        "I23",
    ),
    "missing evidence": (
        "/identifiers",
        {"scheme": "OTHER", "value": "1"},
        422,
        "evidence-required",
        "/evidence",
        "I5",
    ),
    "missing observed_at": (
        "/names",
        {"name": "Acme 2", "evidence": WELL_FOUNDED["evidence"]},
        422,
        "observed-at-required",
        "/observed_at",
        "I12",
    ),
    "observed in the future": (
        "/attributes",
        {**ATTRIBUTE, "observed_at": "2998-01-01"},
        422,
        "observed-at-required",
        "/observed_at",
        "I12",
    ),
    "empty reason": ("/attributes", {**ATTRIBUTE, "reason": {}}, 422, "invalid-body", "/reason", None),
    "empty evidence": ("/attributes", {**ATTRIBUTE, "evidence": [{}]}, 422, "invalid-body", "/evidence/0", None),
    "probability of a fact": ("/attributes", {**ATTRIBUTE, "probability": 0.5}, 422, "invalid-body", "", None),
    "probability over one": (
        "/attributes",
        {**ATTRIBUTE, "probability": 1.5, "certainty": "POSSIBILITY"},
        422,
        "invalid-body",
        "/probability",
        None,
    ),
    "too far ahead": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": in_days(367)},
        422,
        "effective-date-out-of-range",
        "/effective_from",
        "I13",
    ),
    "long ago without the code": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": in_days(-31)},
        422,
        "effective-date-out-of-range",
        "/reason/code",
        "I13",
    ),
    "long ago without evidence": (
        "/attributes",
        {**ATTRIBUTE, **_BACKDATED, "effective_from": in_days(-31)},
        422,
        "effective-date-out-of-range",
        "/evidence",
        "I13",
    ),
    "longer ago than a year": (
        "/attributes",
        {**ATTRIBUTE, **WELL_FOUNDED, **_BACKDATED, "effective_from": in_days(-366)},
        403,
        "four-eyes-violation",
        "/effective_from",
        "I13",
    ),
    "a decision with a date": (
        "/archive",
        {"reason_code": "LOST", "effective_from": in_days(0)},
        422,
        "effective-date-out-of-range",
        "/effective_from",
        "I13",
    ),
    "a revocation to come": (
        "/identifiers/revoke",
        {"scheme": "OTHER", "value": "1", "effective_from": in_days(1)},
        404,
        "unknown-item",
        "/value",
        None,
    ),
    "an end before the start": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": in_days(0), "effective_to": in_days(-1)},
        422,
        "effective-period-invalid",
        "/effective_to",
        "I14",
    ),
    "less than a day": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": in_days(0), "effective_to": in_days(0.9)},
        422,
        "effective-period-invalid",
        "/effective_to",
        "I14",
    ),
    "a time without an offset": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": "2026-01-01T10:00:00"},
        422,
        "invalid-body",
        "/effective_from",
        None,
    ),
    "no calendar date": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": "2026-02-30"},
        422,
        "invalid-body",
        "/effective_from",
        None,
    ),
    "a number for a time": (
        "/attributes",
        {**ATTRIBUTE, "effective_from": 1767225600},
        422,
        "invalid-body",
        "/effective_from",
        None,
    ),
    "nothing changes": ("/names", {"name": "Acme Ltd", **WELL_FOUNDED}, 422, "no-change", "", "I15"),
    "nothing to remove": ("/attributes/remove", {"key": "k"}, 422, "no-change", "/key", "I15"),
    "nothing to reinstate": ("/reinstate", {"reason": {"text": "x"}}, 422, "no-change", "", "I15"),
    "not correctable": (
        "/retractions",
        {"retracts": str(uuid4()), **WELL_FOUNDED},
        409,
        "not-correctable",
        "/retracts",
        "I16",
    ),
    "a personal contact point": (
        "/contacts",
        {"name": "Wu", "points": [{**PHONE, "usage": "PERSONAL"}]},
        422,
        "personal-contact-needs-consent",
        "/points/0/usage",
        "I11",
    ),
    "a masked phone number": (
        "/contacts",
        {"name": "Wu", "points": [{"kind": "PHONE", "value": "1388888"}]},
        422,
        "invalid-body",
        "/points/0/value",
        None,
    ),
    "an unknown currency": (
        "/needs",
        {"statement": "x", "budget": {"min": "1", "max": "2", "currency": "XXZ"}},
        422,
        "invalid-body",
        "/budget",
        "I21",
    ),
    "an upside-down budget": (
        "/needs",
        {"statement": "x", "budget": {"min": "3", "max": "2", "currency": "CNY"}},
        422,
        "invalid-body",
        "/budget",
        "I21",
    ),
    "half a cent": (
        "/needs",
        {"statement": "x", "budget": {"min": "0.001", "max": "2", "currency": "CNY"}},
        422,
        "invalid-body",
        "/budget",
        "I21",
    ),
    "an unknown contact": (
        f"/contacts/{uuid4()}/details",
        {"changed": {"title": "x"}},
        404,
        "unknown-item",
        "/contact_id",
        None,
    ),
    "an unknown need": (
        f"/needs/{uuid4()}/revise",
        {"changes": {"statement": "x"}, "cause_analysis": "y"},
        404,
        "unknown-item",
        "/need_id",
        None,
    ),
    "initial load by an editor": (
        "/attributes",
        {**ATTRIBUTE, "initial_load": True},
        403,
        "forbidden",
        "/initial_load",
        None,
    ),
    "a check digit": (
        "/identifiers",
        {"scheme": "CN_USCC", "value": "91440300TEMPLATE00", **WELL_FOUNDED},
        422,
        "invalid-body",
        "/value",
        None,
    ),
}


@pytest.mark.parametrize("case", _REFUSED.values(), ids=_REFUSED.keys())
def test_a_body_that_breaks_a_rule_is_refused(untouched: File, case: tuple[Any, ...]) -> None:
    route, body, status, slug, pointer, rule = case
    assert_refused(untouched, untouched.send(route, body, expect=status), slug, pointer, rule)


def test_removing_the_primary_contact_needs_another_one(untouched: File) -> None:
    profile = untouched.profile()
    route = f"/contacts/{profile['primary_contact']}/remove"
    answer = untouched.send(route, {"removal_reason": "LEFT_COMPANY", **WELL_FOUNDED}, expect=409)
    assert_refused(untouched, answer, "primary-contact-required", "/new_primary_contact_id", "I10")
