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
_HOME_CODE: Final = f"+{phonenumbers.country_code_for_region(_HOME_REGION)}"
_MOBILE: Final = phonenumbers.PhoneNumberType.to_string(phonenumbers.PhoneNumberType.MOBILE)
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


def _mobiles_at_home() -> re.Pattern[str]:
    """The form of nearly every number, by libphonenumber's own rule for it; its way there takes twenty times as long.

    No number of this form begins like one that is dialled abroad or through another carrier, nor is it of another type
    as well: what this takes is what the other way makes of it, and a test asks for all beginnings.
    """
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(_HOME_REGION)
    assert metadata is not None  # noqa: S101 - it has every region
    assert metadata.mobile is not None  # noqa: S101 - and mobile phones in this one
    return re.compile(rf"(?:{re.escape(_HOME_CODE)})?({metadata.mobile.national_number_pattern})", re.ASCII)


_MOBILES_AT_HOME: Final = _mobiles_at_home()


def _phone(value: str) -> tuple[str, str]:
    if (mobile := _MOBILES_AT_HOME.fullmatch(value)) is not None:
        return _HOME_CODE + mobile[1], _MOBILE
    return any_phone(value)


def any_phone(value: str) -> tuple[str, str]:
    """What libphonenumber makes of a number of any country and form."""
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
