"""JSON written in the one way that everybody writes it (RFC 8785), so that equal values have equal hashes.

Members in the order of their names' UTF-16 code units, no blanks, only the escapes that JSON demands, numbers as
ECMAScript writes them: 1 and 1.0 alike. Integers that a double cannot hold, which RFC 8785 leaves out, are written in
all their digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_FIRST_WITH_EXPONENT: Final = 21
_LAST_WITH_EXPONENT: Final = -7


def canonical(value: Any) -> str:
    """The text of a JSON value, whose numbers are finite."""
    if isinstance(value, Mapping):
        return canonical_object({name: canonical(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    return _number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def canonical_object(members: Mapping[str, str]) -> str:
    """The text of an object whose members' texts are known."""
    names = sorted(members) if all(map(str.isascii, members)) else sorted(members, key=_utf_16)
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{members[name]}" for name in names) + "}"


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _number(number: float) -> str:
    """As ECMAScript does it: the shortest digits that lead back to the number, an exponent from 21 digits on."""
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - the number is finite
    text = "".join(map(str, digits))
    point = len(text) + exponent  # how many digits stand before the decimal point
    if _LAST_WITH_EXPONENT + 1 < point <= _FIRST_WITH_EXPONENT:
        text = _plain(text, point)
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if sign else text


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    whole = digits[:point].ljust(point, "0")
    return f"{whole}.{digits[point:]}" if len(digits) > point else whole
