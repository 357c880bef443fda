"""JSON as the service sends it: made once, as bytes; times are RFC 3339 in UTC with six digits, days without a time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import orjson


def to_json(content: Any) -> bytes:
    return orjson.dumps(content, _jsonable, orjson.OPT_PASSTHROUGH_DATETIME)


def to_sorted_json(content: Any) -> bytes:
    """The same with the keys of every object in the order of their bytes: equal contents are equal bytes."""
    return orjson.dumps(content, _jsonable, orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SORT_KEYS)


@lru_cache
def time_text(instant: datetime) -> str:
    moment = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON value: {type(value).__name__}")
