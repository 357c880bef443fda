"""Identifier schemes: how a value is normalised and which check it must pass.

Schemes with a published check digit are held to it; any other scheme, named by the register it comes from
(BIOGUIDE, OTHER, ...), is held to its shape only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import stdnum
from stdnum import lei
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from domain.errors import FieldError, InvalidField, UnknownCode

_SCHEME: Final = re.compile(r"[A-Z][A-Z0-9_]{1,31}")
_VALUE: Final = re.compile(r"\S(?:[^\x00-\x1f]{0,126}\S)?")
_DUNS: Final = re.compile(r"\d{9}", re.ASCII)
_COMPANY_NUMBER: Final = re.compile(r"(?:[A-Z]{2}\d{6}|[A-Z]\d{7}|\d{8})", re.ASCII)


def normalised(scheme: str, value: str) -> str:
    """`value` in the one form in which it is stored and compared; InvalidField or UnknownCode otherwise."""
    if not _SCHEME.fullmatch(scheme):
        raise UnknownCode(
            f"{scheme} cannot name an identifier scheme",
            FieldError("/scheme", "2 to 32 capital letters, digits or underscores, such as CN_USCC or LEI"),
        )
    if not _VALUE.fullmatch(value):
        raise InvalidField("the identifier is malformed", FieldError("/value", "1 to 128 printable characters"))
    try:
        return _CHECKS.get(scheme, str)(value)
    except ValidationError as error:
        raise InvalidField(f"not a valid {scheme}", FieldError("/value", str(error))) from error


def _vat(value: str) -> str:
    compact = re.sub(r"[\s.-]", "", value).upper()
    module = stdnum.get_cc_module(compact[:2].lower(), "vat")
    if module is None:
        raise ValidationError("a VAT number starts with its country, such as DE or GB")
    return compact[:2] + str(module.validate(compact)).removeprefix(compact[:2])


def _shape(pattern: re.Pattern[str], message: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        compact = re.sub(r"[\s-]", "", value).upper()
        if not pattern.fullmatch(compact):
            raise ValidationError(message)
        return compact

    return check


_CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "CN_USCC": uscc.validate,  # GB 32100-2015
    "CN_RIC": ric.validate,  # GB 11643-1999
    "LEI": lei.validate,  # ISO 17442
    "VAT": _vat,
    "DUNS": _shape(_DUNS, "a DUNS number has nine digits"),
    "GB_COH": _shape(_COMPANY_NUMBER, "a company number has eight characters, such as 01234567 or SC123456"),
}
