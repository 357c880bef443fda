"""How sensitive an answer is: never less than what is in it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from domain.shown import highest_asked, highest_in, highest_of
from domain.slots import SLOTS, Sensitivity
from tests.domain.payloads import PAYLOADS

SENSITIVE, CONFIDENTIAL, INTERNAL = Sensitivity.SENSITIVE, Sensitivity.CONFIDENTIAL, Sensitivity.INTERNAL
PERSONAL: dict[str, Any] = {"kind": "MOBILE", "value": "+8613800138000", "usage": "PERSONAL"}


@pytest.mark.parametrize(
    ("values", "is_individual", "highest"),
    [
        ({}, False, Sensitivity.PUBLIC),
        ({"/identity/LEGAL": "Acme"}, False, Sensitivity.PUBLIC),
        ({"/identity/LEGAL": "Li"}, True, INTERNAL),
        ({"/tier/VALUE": {"code": "A"}, "/contacts/1/name": "Li"}, False, CONFIDENTIAL),
        ({"/contacts/1/points/2": {**PERSONAL, "usage": "WORK"}}, False, CONFIDENTIAL),
        ({"/contacts/1/points/2": PERSONAL}, False, SENSITIVE),
        ({"/addresses/HOME": {"country": "CN"}, "/tier/VALUE": None}, False, SENSITIVE),
    ],
)
def test_the_highest_class_of_a_files_values(values: dict[str, Any], is_individual: bool, highest: Sensitivity) -> None:
    assert highest_of(values, is_individual=is_individual) is highest


@pytest.mark.parametrize(
    ("paths", "highest"),
    [
        ([], INTERNAL),
        (["/tier/VALUE"], INTERNAL),
        (["/attributes/limit"], CONFIDENTIAL),
        (["/tier/VALUE", "/identifiers/CN_RIC/11010519491231002X"], SENSITIVE),
        (["/addresses/HOME"], SENSITIVE),
    ],
)
def test_the_highest_class_of_what_is_asked(paths: list[str], highest: Sensitivity) -> None:
    assert highest_asked(frozenset(paths)) is highest


@pytest.mark.parametrize(
    ("text", "highest"),
    [
        (b"", CONFIDENTIAL),
        (b'{"statement":"a HOME and PERSONAL loan"}', CONFIDENTIAL),
        (b'{"address_kind":"HOME"}', SENSITIVE),
        (b'{"address_kind": "HOME"}', SENSITIVE),
        (b'{"path":"/addresses/HOME"}', SENSITIVE),
        (b'["/identifiers/CN_RIC/11010519491231002X"]', SENSITIVE),
        (b'{"usage":"PERSONAL"}', SENSITIVE),
    ],
)
def test_what_is_sensitive_is_found_in_a_text_by_its_mark(text: bytes, highest: Sensitivity) -> None:
    assert highest_in(b"{}", text) is highest


def test_every_event_that_tells_of_a_sensitive_slot_has_a_mark() -> None:
    patterns = {kind.pattern for kind in SLOTS if SENSITIVE in {kind.sensitivity, kind.of_individual}}
    assert patterns == {"/identifiers/CN_RIC/{value}", "/addresses/HOME"}
    for payload in PAYLOADS:
        asserted = dict(payload.assertions())
        if highest_of(asserted, is_individual=True) is SENSITIVE:
            assert highest_in(orjson.dumps(payload.model_dump(mode="json"))) is SENSITIVE, payload.type
