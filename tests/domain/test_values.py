"""What every value type takes and refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.contact_points import any_phone
from domain.contact_points import normalised as normalised_point
from domain.currencies import minor_digits
from domain.errors import InvalidField, Refusal
from domain.events.contacts import ContactPointKind, Geo
from domain.identifiers import normalised
from domain.values import Budget, Day, Duration, Instant, JsonContent, Key, Line, Money, Text

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
JSON: TypeAdapter[Any] = TypeAdapter(JsonContent)


def refused(adapter: TypeAdapter[Any], value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    return caught.value.errors()[0]["type"]


# Text and JSON


@pytest.mark.parametrize("kind", [Line, Text, Key])
@pytest.mark.parametrize("text", ["", "a\x00b", "a\ud800b", "\udfff", "中\x00", 7, None, b"\xff"])
def test_text_is_never_empty_never_holds_nul_or_half_a_character_and_is_text(kind: Any, text: Any) -> None:
    refused(TypeAdapter(kind), text)


def test_text_is_stripped_and_has_its_length() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Line)
    assert adapter.validate_python("  张三 𠮷 ") == "张三 𠮷"
    assert refused(adapter, " " * 9) == "string_too_short"
    assert refused(adapter, "x" * 301) == "string_too_long"


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "a\x00",
        ["\ud800"],
        {"a\x00": 1},
        {"\udc00": 1},
        {1: 2},
        2**64,
        -(2**63) - 1,
        float("nan"),
        float("inf"),
        [[-float("inf")]],
        nested(33),
        {1, 2},
        b"bytes",
        Decimal(1),
    ],
)
def test_json_that_cannot_come_back_as_it_went_in_is_refused(value: Any) -> None:
    assert refused(JSON, value) in {"json", "text"}


@pytest.mark.parametrize("value", [None, True, 2**64 - 1, -(2**63), 1.5, "", "é", nested(31), {"": [{}]}])
def test_every_other_json_value_is_kept(value: Any) -> None:
    assert JSON.validate_python(value) is value


# Times


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-01", datetime(2026, 2, 28, 16, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 2, 28, 16, tzinfo=UTC)),
        ("1988-07-01", datetime(1988, 6, 30, 15, tzinfo=UTC)),  # summer time in Shanghai
        ("2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00.123456+08:00", datetime(2026, 3, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("1001-01-01", datetime(1000, 12, 31, 15, 54, 17, tzinfo=UTC)),
    ],
)
def test_a_date_is_midnight_in_shanghai_and_a_time_is_kept_in_utc(written: Any, meant: datetime) -> None:
    found = INSTANT.validate_python(written)
    assert (found, found.tzinfo) == (meant, UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-02-30",
        "2026-03-01T08:00:00",
        datetime(2026, 3, 1),  # noqa: DTZ001 - a time without a zone is what must be refused
        "1700000000",
        1700000000,
        1.5,
        True,
        "20260301",
        "yesterday",
        "",
        "0001-01-01",
        "1000-06-01",
        "9999-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-01-01T00:00:00Z",
        "0999-12-31T23:59:59Z",
        "\uff12\uff10\uff12\uff16-03-01",
    ],
)
def test_an_instant_that_is_ambiguous_or_out_of_range_is_refused(written: Any) -> None:
    refused(INSTANT, written)


@pytest.mark.parametrize("written", ["2026-02-30", 0, "0", "1700000000", "2026-03-01T00:00:00Z", "0001-01-01", True])
def test_a_day_is_written_as_a_calendar_date(written: Any) -> None:
    refused(TypeAdapter(Day), written)
    assert TypeAdapter(Day).validate_python("2026-02-28") == date(2026, 2, 28)


@pytest.mark.parametrize("text", ["P2M", "P1Y2M3W4D", "PT36H", "P1DT2H3M4S"])
def test_a_duration_is_iso_8601(text: str) -> None:
    assert TypeAdapter(Duration).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "P", "PT", "2M", "P2", "P1.5M", "P2M ", "P٢M", "P" + "1" * 40 + "Y", "-P1D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    refused(TypeAdapter(Duration), text)


# Money


@pytest.mark.parametrize(
    ("code", "digits"), [("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XAU", None), ("cny", None), ("ABC", None)]
)
def test_a_currency_has_its_decimal_places(code: str, digits: int | None) -> None:
    assert minor_digits(code) == digits


@pytest.mark.parametrize(
    ("amount", "currency"), [("150000.00", "CNY"), ("1.0", "JPY"), ("0.125", "KWD"), ("-1", "EUR")]
)
def test_an_amount_keeps_within_its_currency(amount: str, currency: str) -> None:
    money = Money.model_validate({"amount": amount, "currency": currency})
    assert money.model_dump(mode="json") == {"amount": amount, "currency": currency}


def test_an_amount_is_never_written_with_an_exponent() -> None:
    assert Money.model_validate({"amount": "1.5E+5", "currency": "CNY"}).model_dump(mode="json")["amount"] == "150000"


@pytest.mark.parametrize(
    ("amount", "currency", "problem"),
    [
        ("0.001", "CNY", "I21"),
        ("0.5", "JPY", "I21"),
        ("0.0001", "KWD", "I21"),
        ("1", "XXX", "I21"),
        ("1", "", "I21"),
        ("NaN", "CNY", "finite_number"),
        ("Infinity", "CNY", "finite_number"),
        ("1" * 25, "CNY", "decimal_max_digits"),
        ("1E+99", "CNY", "decimal_max_digits"),
        ("ten", "CNY", "decimal_parsing"),
    ],
)
def test_an_amount_that_its_currency_does_not_have_is_refused(amount: str, currency: str, problem: str) -> None:
    assert refused(TypeAdapter(Money), {"amount": amount, "currency": currency}) == problem


def test_a_budget_runs_from_less_to_more() -> None:
    same = Budget.model_validate({"min": "5", "max": "5.00", "currency": "CNY"})
    assert not same.approximate
    assert refused(TypeAdapter(Budget), {"min": "5.01", "max": "5", "currency": "CNY"}) == "I21"
    assert refused(TypeAdapter(Budget), {"min": "0.1", "max": "0.5", "currency": "JPY"}) == "I21"


# Identifiers, contact points, places


@pytest.mark.parametrize("value", ["9144030071526726XG", "91440300708461136T", "91330100799655058B"])
def test_real_social_credit_codes_pass(value: str) -> None:
    assert normalised("CN_USCC", value) == value
    with pytest.raises(InvalidField):
        normalised("CN_USCC", value[:-1] + ("0" if value[-1] != "0" else "1"))


@pytest.mark.parametrize("value", [" x", "x ", "", "a\nb", "x" * 129])
def test_an_identifier_of_a_free_scheme_is_held_to_its_shape(value: str) -> None:
    with pytest.raises(InvalidField):
        normalised("OTHER", value)


@given(st.sampled_from(["CN_USCC", "CN_RIC", "LEI", "VAT", "DUNS", "GB_COH"]), st.text(max_size=20))
def test_a_malformed_identifier_ends_in_a_refusal_and_normalising_twice_changes_nothing(scheme: str, text: str) -> None:
    try:
        once = normalised(scheme, text)
    except Refusal:
        return
    assert normalised(scheme, once) == once


@pytest.mark.parametrize("country", ["GB", "DE", "FR", "IN", "EL", "XI", "ZZ", "EU", "CH"])
@given(rest=st.text("0123456789ABCEX²٣", max_size=14))
def test_a_malformed_vat_number_ends_in_a_refusal(country: str, rest: str) -> None:
    try:
        assert normalised("VAT", country + rest).startswith(country)
    except Refusal:
        return


@given(st.sampled_from(ContactPointKind), st.text(max_size=24) | st.text("+0123456789 -x;=ext@.a", max_size=24))
def test_a_contact_point_is_refused_or_kept_in_a_form_that_stays(kind: ContactPointKind, text: str) -> None:
    try:
        once = normalised_point(kind, text)
    except Refusal:
        return
    assert normalised_point(kind, once[0]) == once


@pytest.mark.parametrize("ending", ["000000", "987654"])
@pytest.mark.parametrize("code", ["", "+86"])
def test_a_chinese_mobile_is_known_at_once_for_what_it_is(code: str, ending: str) -> None:
    """By its first five digits: no rule looks at more of them."""
    for beginning in range(10_000, 20_000):
        number = f"{code}{beginning}{ending}"
        try:
            found = any_phone(number)
        except InvalidField:
            with pytest.raises(InvalidField):
                normalised_point(ContactPointKind.MOBILE, number)
        else:
            assert normalised_point(ContactPointKind.MOBILE, number) == found


@pytest.mark.parametrize("place", [(90.1, 0), (0, -180.1), (float("nan"), 0)])
def test_a_place_lies_on_the_globe(place: tuple[float, float]) -> None:
    refused(TypeAdapter(Geo), {"latitude": place[0], "longitude": place[1]})
