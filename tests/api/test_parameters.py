"""A query and the instants in it: however they are written, the short way of reading gives what the long one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams

from api.dispatch import Query
from api.errors import Problem
from api.parameters import instant
from domain.values import Instant

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_FROM, _UNTIL = datetime.fromisoformat("0999-12-30"), datetime.fromisoformat("9999-01-02")


@given(
    moment=st.datetimes(_FROM, _UNTIL, timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))])),
    digits=st.integers(0, 6),
    zone=st.sampled_from(["own", "Z", "+00:00", "-00:00", " 00:00", ""]),
)
def test_an_instant_reads_as_the_domain_reads_it(moment: datetime, digits: int, zone: str) -> None:
    written = moment.isoformat(timespec="microseconds")
    fraction = f".{written[20:26][:digits]}" if digits else ""
    text = written[:19] + fraction + (written[26:] if zone == "own" else zone)
    try:
        expected = _INSTANT.validate_python(text.replace(" ", "+"))
    except ValidationError:
        with pytest.raises(Problem):
            instant("known_at", text)
    else:
        found = instant("known_at", text)
        assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20260101T000000Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00",
        "0999-12-31T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        instant("known_at", text)


_PIECES = st.lists(
    st.sampled_from(
        ["a", "b=", "=", "&", "+", "%", "%3A", "%3a", "%2B", "%2b", "%25", "%253A", "%E4%B8%AD", "%FF", "3A", "\xe9"]
    )
)


@given(pieces=_PIECES)
def test_a_query_reads_as_starlette_reads_it(pieces: list[str]) -> None:
    text = "".join(pieces).encode("latin-1")
    found, expected = Query(text), QueryParams(text)
    assert found.multi_items() == expected.multi_items()
    assert dict(found) == dict(expected)
