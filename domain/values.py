"""The value types that events are made of, and what every one of them refuses.

Text never holds NUL or lone surrogates (PostgreSQL and UTF-8 cannot keep them); integers stay within 64 bits
and floats finite, so that every JSON value comes back with the value and type it went in with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from domain.currencies import minor_digits

BUSINESS_TIMEZONE: Final = ZoneInfo("Asia/Shanghai")
"""A date without a time means midnight here (time.md, section 3.4)."""

EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_DURATION: Final = re.compile(r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INTEGERS: Final = range(-(2**63), 2**64)
_DEPTH: Final = 32


class Value(BaseModel):
    """Base of every value object: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def storable_text(text: str) -> str:
    if "\x00" in text or (not text.isascii() and _UNSTORABLE.search(text)):
        raise PydanticCustomError("text", "text may hold neither NUL nor lone surrogates")
    return text


def storable_json(value: Any) -> Any:
    """`value` itself, if it can be kept exactly; else a validation error naming the limit it breaks."""
    for leaf, depth in _leaves(value, 0):
        if depth > _DEPTH:
            raise PydanticCustomError("json", "JSON is nested more than {depth} deep", {"depth": _DEPTH})
        match leaf:
            case str():
                storable_text(leaf)
            case bool() | None:
                pass
            case int():
                if leaf not in _INTEGERS:
                    raise PydanticCustomError("json", "integers fit into 64 bits; send longer ones as text")
            case float():
                if not math.isfinite(leaf):
                    raise PydanticCustomError("json", "numbers must be finite")
            case _:
                raise PydanticCustomError("json", "not a JSON value")
    return value


def _leaves(value: Any, depth: int) -> Iterator[tuple[Any, int]]:
    if depth > _DEPTH:
        yield None, depth
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise PydanticCustomError("json", "the keys of a JSON object are text")
            yield key, depth
            yield from _leaves(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, depth + 1)
    else:
        yield value, depth


def _effective_instant(value: Any) -> Any:
    """A date is midnight in the business time zone; a number, even written as text, is refused."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        value = _calendar_day(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(_calendar_day(value), time(), BUSINESS_TIMEZONE)
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DAY.match(value)):
        raise PydanticCustomError("effective_time", "write a date or an RFC 3339 time")
    return value


def _calendar_day(value: Any) -> Any:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            value = date.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("day", "not a calendar date") from error
    if not isinstance(value, date) or isinstance(value, datetime):
        raise PydanticCustomError("day", "write a date as YYYY-MM-DD")
    if not EARLIEST.year < value.year < LATEST.year:
        raise PydanticCustomError("day", "years 1001 to 9998 can be recorded")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("time", "a time needs its offset from UTC (RFC 3339)")
    try:
        value = value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("time", "years 1001 to 9998 can be recorded") from error
    if not EARLIEST <= value < LATEST:
        raise PydanticCustomError("time", "years 1001 to 9998 can be recorded")
    return value


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise PydanticCustomError("duration", "an ISO 8601 duration such as P2M is needed")
    return text


Instant = Annotated[datetime, BeforeValidator(_effective_instant), AfterValidator(_aware)]
"""An aware datetime in UTC; input may be a date (midnight in the business time zone) or an RFC 3339 time."""

Day = Annotated[date, BeforeValidator(_calendar_day)]
"""A calendar date, written YYYY-MM-DD."""

JsonContent = Annotated[Any, AfterValidator(storable_json)]
"""Any JSON value, null included, kept exactly."""

Duration = Annotated[str, AfterValidator(_duration), Field(max_length=40)]
"""ISO 8601 duration, e.g. P2M."""


def _text(most: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=most)


Line = Annotated[str, _text(300), AfterValidator(storable_text)]
Text = Annotated[str, _text(4000), AfterValidator(storable_text)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]
StaffId = Annotated[str, _text(128), AfterValidator(storable_text)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(storable_text)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
"""BCP 47, by shape."""


def _plain(amount: Decimal) -> Decimal:
    """Finite, and written without an exponent."""
    if not amount.is_finite():
        raise PydanticCustomError("money", "an amount is a finite decimal")
    return Decimal(format(amount, "f"))


Amount = Annotated[Decimal, AfterValidator(_plain), Field(max_digits=24)]


class Money(Value):
    """An amount in an ISO 4217 currency; JSON carries the amount as text. Rule I21."""

    amount: Amount
    currency: str

    def model_post_init(self, _context: Any) -> None:
        check_amount(self.amount, self.currency)


class Budget(Value):
    """A planned interval of spending; `approximate` for "about 500 000". Rule I21: min ≤ max."""

    min: Amount
    max: Amount
    currency: str
    approximate: StrictBool = False

    def model_post_init(self, _context: Any) -> None:
        check_amount(self.min, self.currency)
        check_amount(self.max, self.currency)
        if self.min > self.max:
            raise PydanticCustomError("I21", "the lower end of a budget may not exceed its upper end")


def check_amount(amount: Decimal, currency: str) -> None:
    digits = minor_digits(currency)
    if digits is None:
        raise PydanticCustomError("I21", "{code} is no ISO 4217 currency", {"code": currency})
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        raise PydanticCustomError("I21", "{code} has {digits} decimal places", {"code": currency, "digits": digits})
