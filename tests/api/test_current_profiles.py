"""What is remembered of a profile outlives neither its row nor the instant at which the row says another thing."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from api.current_profiles import CurrentProfiles
from api.encoding import to_json
from api.profile_document import of_current_file, rendered
from domain.file import CustomerFile
from domain.values import LATEST
from projections.errors import FoldOutdated
from projections.profile import FOLD_VERSION, CurrentRow, encode
from tests.make import Stream
from tests.projections.files import registered

DAY = timedelta(days=1)


def row_of(stream: Stream) -> CurrentRow:
    file = CustomerFile.folded(stream.customer_id, stream.events)
    return CurrentRow(file.version, file.profile_version, file.boundaries, file.as_of, FOLD_VERSION, encode(file))


def fresh(stream: Stream, now: datetime) -> bytes:
    """The profile as it is without remembering anything."""
    file = CustomerFile.folded(stream.customer_id, stream.events).copy()
    file.advance(now)
    return to_json(rendered(of_current_file(file, now)))


def last(stream: Stream) -> datetime:
    return stream.events[-1].envelope.recorded_at


def test_a_remembered_profile_reads_as_a_fresh_one_at_every_instant() -> None:
    stream = registered()
    stream.attribute("a", 1)
    stream.attribute("a", 2, effective_from=last(stream) + 10 * DAY)
    stream.attribute("b", 3, effective_to=last(stream) + 20 * DAY)
    profiles, row = CurrentProfiles(), row_of(stream)
    tags = []
    for days in (1, 2, 10, 11, 12, 21, 40):
        now = last(stream) + days * DAY
        tags.append(profiles.etag(stream.customer_id, row, now))
        assert profiles.body(stream.customer_id, row, now) == fresh(stream, now)
    assert [tag == before for before, tag in pairwise(tags)] == [
        True,
        False,
        True,
        True,
        False,
        True,
    ]


def test_a_file_that_is_not_effective_yet_comes_to_be_so() -> None:
    stream = registered()
    begins = last(stream) + 5 * DAY
    stream.attribute("a", 1, effective_from=begins)
    profiles, row = CurrentProfiles(), row_of(stream)
    shown = [
        orjson.loads(profiles.body(stream.customer_id, row, now))["existence"] for now in (begins - DAY, begins, LATEST)
    ]
    assert shown == ["NOT_EFFECTIVE", "EFFECTIVE", "EFFECTIVE"]


def test_a_row_that_was_replaced_under_the_same_numbers_is_read_anew() -> None:
    stream, other = registered(), registered()
    stream.attribute("a", 1)
    other.attribute("a", 2)
    now = last(stream) + DAY
    profiles = CurrentProfiles()
    before = profiles.body(stream.customer_id, row_of(stream), now)
    repaired = row_of(stream)._replace(state=row_of(other).state)
    assert profiles.body(stream.customer_id, repaired, now) != before
    assert profiles.body(stream.customer_id, row_of(stream), now) == before


def test_what_was_not_asked_for_lately_is_forgotten() -> None:
    streams = [registered() for _ in range(3)]
    profiles = CurrentProfiles(most=2)
    for stream in (*streams, streams[0]):
        now = last(stream) + DAY
        assert profiles.body(stream.customer_id, row_of(stream), now) == fresh(stream, now)
    assert len(profiles) == 2


def test_a_row_of_another_fold_is_not_rendered() -> None:
    stream = registered()
    with pytest.raises(FoldOutdated):
        CurrentProfiles().body(stream.customer_id, row_of(stream)._replace(fold_version=0), last(stream))


def test_what_nobody_asks_for_is_forgotten() -> None:
    wanted, unwanted = registered(), Stream()
    unwanted.attribute("a", 1)
    profiles = CurrentProfiles()
    for stream in (wanted, unwanted):
        profiles.etag(stream.customer_id, row_of(stream), last(stream))
    profiles.forget_unused()
    assert len(profiles) == 2
    profiles.etag(wanted.customer_id, row_of(wanted), last(wanted))
    profiles.forget_unused()
    assert len(profiles) == 1
    profiles.forget_unused()
    assert len(profiles) == 0
