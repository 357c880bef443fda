"""A past file put together from the server's JSON says what the profile's own document says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.encoding import to_json
from api.moments import basis_json
from api.past_document import past_body
from api.profile_document import Profile, rendered
from projections.basis import Basis
from projections.errors import LongTextMissing
from projections.past import PastFile

CUSTOMER = UUID("0192d3a0-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
BASIS = Basis(NOW, 1, NOW, stable=True)
SLOTS = """
    /identity/legal_name /identity/english_name /identity/short_name /identity/legal_name_language /identifiers/LEI/5299
    /identifiers/VAT/D~1E /attributes/a /attributes/b~1~0c /tier/VALUE /tags/REGION/SOUTH /contacts/c1 /contacts/c1/name
    /contacts/c1/points/p1 /contacts/c1/points/p2 /contacts/c2/name /needs/n1 /needs/n1/budget /needs/n2/budget
    /primary_contact /owner/ACCOUNT_MANAGER
""".split()
VALUES: list[Any] = [
    None, True, 0, -3, 1.5, 1e300, 5e-324, 2**64 - 1, -(2**63), "", "Acme", '中\n\u2028"\\', [], {}, [1e22, "x"],
    {"n": [None, 1e300]}, "12345678901234567890123",
]  # fmt: skip
REGISTERED = {"type": "customer.registered", "data": {"customer_kind": "ORGANISATION"}}
ARCHIVED = {"type": "customer.archived"}
ERASED = {"type": "customer.registered", "data": {"by": "0192d3a0-0000-7000-8000-000000000009", "erased": True}}


def written_out(value: Any) -> str:
    """As PostgreSQL writes it: numbers without exponents."""
    if isinstance(value, float):
        return f"{Decimal(value):f}" if abs(value) < 1 else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written_out, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written_out(name)}: {written_out(below)}' for name, below in value.items())}}}"
    return orjson.dumps(value).decode()


def later(number: int) -> bytes:
    says = {"value": number} if number % 3 else {"absent": True}
    times = {"effective_from": "x", "effective_to": None}
    return orjson.dumps({"path": f"/attributes/{number}", **says, **times, "version": 9})


@given(
    values=st.dictionaries(st.sampled_from(SLOTS), st.sampled_from(VALUES)),
    decisions=st.sampled_from([None, [REGISTERED], [REGISTERED, ARCHIVED], [ERASED, ARCHIVED]]),
    is_effective=st.booleans(),
    pending=st.integers(0, 12),
    basis=st.builds(Basis, st.just(NOW), st.sampled_from([0, 7]), st.just(NOW), st.booleans()),
)
def test_it_says_what_the_profile_says(
    values: dict[str, Any],
    decisions: list[dict[str, Any]] | None,
    is_effective: bool,
    pending: int,
    basis: Basis,
) -> None:
    slots = sorted(values)
    file = PastFile(
        3,
        None if decisions is None else orjson.dumps(decisions).decode(),
        orjson.dumps(slots).decode(),
        "\n".join(written_out(values[slot]) for slot in slots).encode(),
        is_effective,
        b"\n".join(later(number) for number in range(pending)),
    )
    profile = Profile(
        CUSTOMER,
        file.decided.kind,
        file.decided.archived,
        is_effective,
        file.values,
        file.later,
        file.decided.requests.values(),
        basis_json(basis) | {"version": 3},
        "?x",
        file.decided.erased_by,
    )
    assert orjson.loads(past_body(str(CUSTOMER), basis, "?x", file)) == orjson.loads(to_json(rendered(profile)))
    assert file.values == {slot: values[slot] for slot in file.values}


@pytest.mark.parametrize("value", [1e300, 1.2345678901234567e20, 2**64 - 1])
def test_a_number_that_not_everybody_reads_is_written_as_it_came(value: float) -> None:
    file = PastFile(1, None, '["/attributes/a"]', written_out(value).encode(), True, b"")
    assert b'"a":%b}' % orjson.dumps(value) in past_body(str(CUSTOMER), BASIS, "", file)


@pytest.mark.parametrize("lines", [b"", b"1\n", b"\n1"])
def test_a_value_that_is_not_where_it_is_kept_shifts_no_other(lines: bytes) -> None:
    slots = ["/attributes/a", "/attributes/b"] if b"1" in lines else ["/attributes/a"]
    file = PastFile(1, None, orjson.dumps(slots).decode(), lines, True, b"")
    with pytest.raises(LongTextMissing):
        past_body(str(CUSTOMER), BASIS, "", file)


def test_an_open_request_is_listed() -> None:
    body = {
        "type": "customer.tier-reassignment-requested", "event_id": "e", "version": 2,
        "actor": {"id": "u-1"}, "data": {"request_id": "r", "scheme": "VALUE", "to_code": "X", "expires_at": "t"},
    }  # fmt: skip
    file = PastFile(2, orjson.dumps([REGISTERED, body]).decode(), "[]", b"", True, b"")
    told = orjson.loads(past_body(str(CUSTOMER), BASIS, "?x", file))
    assert (told["requests"], told["provenance"][-2:]) == (list(file.decided.requests.values()), "?x")
    assert told["pending"] == list(file.decided.awaited.values())
