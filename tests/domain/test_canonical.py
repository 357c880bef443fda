"""JSON in the one way of RFC 8785; the numbers are those of its appendix B."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import canonical
from domain.facts import same_json

_NUMBERS = {
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x8000000000000001: "-5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0xFFEFFFFFFFFFFFFF: "-1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0xC340000000000000: "-9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x44B52D02C7E14AF7: "1.0000000000000001e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF4F: "999999999999999900000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0x41B3DE4355555557: "333333333.33333343",
    0xBECBF647612F3696: "-0.0000033333333333333333",
    0x43143FF3C1CB0959: "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), _NUMBERS.items(), ids=_NUMBERS.values())
def test_numbers_are_written_as_ecmascript_writes_them(bits: int, text: str) -> None:
    (number,) = struct.unpack(">d", bits.to_bytes(8))
    assert canonical(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1"),
        (2**64 - 1, "18446744073709551615"),
        ("\u20ac$\x0f\nA'B\"\\/\x7f\u2028", '"\u20ac$\\u000f\\nA\'B\\"\\\\/\x7f\u2028"'),
        ([], "[]"),
        ({"b": [1, {}], "a": ()}, '{"a":[],"b":[1,{}]}'),
        # the order is that of UTF-16, where what needs two units comes before U+FB33
        (
            {"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4, "\u20ac": 5},
            '{"\\r":3,"1":4,"\u20ac":5,"\U0001f600":2,"\ufb33":1}',
        ),
    ],
)
def test_values_are_written_without_blanks_and_in_order(value: Any, text: str) -> None:
    assert canonical(value) == text


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(_VALUES)
def test_what_is_written_is_read_back_as_the_same_value(value: Any) -> None:
    read = json.loads(canonical(value))
    assert same_json(_as_doubles(read), _as_doubles(value))
    assert canonical(read) == canonical(value) or _has_large_double(value)


def _as_doubles(value: Any) -> Any:
    """Numbers as RFC 8785 means them: ECMAScript knows doubles alone."""
    if isinstance(value, dict):
        return {name: _as_doubles(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _has_large_double(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_double, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_double, value))
    return isinstance(value, float) and abs(value) > 2**53
