"""Contact points in the one form in which they are stored: E.164 phones, RFC 5321 mail addresses.

Phones without a country code are read as Chinese. The masked sample of the users' form ("1388888") is refused.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from domain.errors import FieldError, InvalidField
from domain.events.contacts import ContactPointKind

_HOME_REGION: Final = "CN"
_WECHAT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}|\+?\d{5,20}", re.ASCII)


def normalised(kind: ContactPointKind, value: str) -> tuple[str, str | None]:
    """The stored form of `value`, and for a phone the type libphonenumber gives it. InvalidField otherwise."""
    match kind:
        case ContactPointKind.PHONE | ContactPointKind.MOBILE | ContactPointKind.FAX:
            return _phone(value)
        case ContactPointKind.EMAIL:
            return _mail(value), None
        case ContactPointKind.WECHAT if not _WECHAT.fullmatch(value):
            raise _invalid("a WeChat id has 6 to 20 letters, digits, _ or -, and starts with a letter")
        case _:
            return value, None


def _phone(value: str) -> tuple[str, str]:
    try:
        number = phonenumbers.parse(value, _HOME_REGION)
    except phonenumbers.NumberParseException as error:
        raise _invalid(f"not a phone number: {error}") from error
    number_type = phonenumbers.number_type(number)
    if number_type == phonenumbers.PhoneNumberType.UNKNOWN:  # no valid number is
        raise _invalid("no such phone number can exist; write it whole, with +country code if not Chinese")
    stored = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number.extension:
        stored += f";ext={number.extension}"
    return stored, phonenumbers.PhoneNumberType.to_string(number_type)


def _mail(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise _invalid(str(error)) from error


def _invalid(detail: str) -> InvalidField:
    return InvalidField("not a valid contact point", FieldError("/value", detail))
