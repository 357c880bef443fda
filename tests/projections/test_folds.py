"""The pure folds against the oracle: the whole history, and the profile row kept up event by event."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from db import arrays
from domain.errors import HistoryNeeded
from domain.facts import same_json
from domain.file import CustomerFile
from domain.fold import History
from ledger.statements import FileChange
from projections.profile import FOLD_VERSION, ProfileView, decode, encode
from tests.make import Stream
from tests.oracle import state
from tests.projections.histories import instants_of, streams

_UNHURRIED = settings(deadline=None)


@_UNHURRIED
@given(streams(), st.data())
def test_the_fold_says_what_the_oracle_says(stream: Stream, data: st.DataObject) -> None:
    known = stream.events[: data.draw(st.integers(0, len(stream.events)))]
    history = History.of(known)
    for valid_at in instants_of(stream.events):
        folded = {slot: fact.value for slot, fact in history.visible(valid_at).items()}
        assert same_json(folded, state(known, valid_at))


@_UNHURRIED
@given(streams(), st.integers(0, 400))
def test_the_profile_row_says_what_the_oracle_says(stream: Stream, hours_later: int) -> None:
    now = stream.events[-1].envelope.recorded_at + timedelta(hours=hours_later)
    kept_up = _kept_up(stream, now)
    for valid_at in {now, *(instant for instant in instants_of(stream.events) if instant >= now)}:
        shown = {slot: fact.value for slot, fact in kept_up.visible(valid_at).items()}
        assert same_json(shown, state(stream.events, valid_at))


@_UNHURRIED
@given(streams(), st.integers(0, 400))
def test_a_row_kept_up_event_by_event_is_the_row_folded_from_the_stream(stream: Stream, hours_later: int) -> None:
    now = stream.events[-1].envelope.recorded_at + timedelta(hours=hours_later)
    folded = CustomerFile.folded(stream.customer_id, stream.events, now)
    assert _comparable(_kept_up(stream, now)) == _comparable(folded)


@_UNHURRIED
@given(streams())
def test_what_is_encoded_comes_back(stream: Stream) -> None:
    file = CustomerFile.folded(stream.customer_id, stream.events).copy()
    assert _stored(file) == file


@_UNHURRIED
@given(streams(), st.data())
def test_what_nobody_replaced_is_stored_as_it_was_whoever_looked_at_it(stream: Stream, data: st.DataObject) -> None:
    stored = encode(CustomerFile.folded(stream.customer_id, stream.events).copy())
    file = decode(stream.customer_id, (1, 1, 0, stream.events[0].envelope.recorded_at, FOLD_VERSION, stored))
    assert file is not None
    draft = file.copy()
    for slot in data.draw(st.lists(st.sampled_from(sorted(file.slots)), unique=True)) if file.slots else ():
        assert draft.slots[slot]
    draft.slots["/attributes/of_the_draft"] = ()
    assert encode(file) == stored
    assert orjson.loads(encode(draft)) != orjson.loads(stored)
    del draft.slots["/attributes/of_the_draft"]
    assert encode(draft) == stored


def test_a_row_of_another_fold_version_is_not_decoded() -> None:
    stream = Stream()
    stream.attribute("a", 1)
    row = (1, 1, 0, stream.events[0].envelope.recorded_at, FOLD_VERSION + 1, b"whatever it was")
    assert decode(stream.customer_id, row) is None


def test_nothing_changed_needs_no_statement() -> None:
    assert ProfileView().statements([]) == []


def test_rows_are_written_in_the_order_of_their_keys() -> None:
    files = [CustomerFile.folded(stream.customer_id, stream.events) for stream in (Stream(), Stream(), Stream())]
    changes = [FileChange(frozenset(), file) for file in reversed(files)]
    (statement,) = ProfileView().statements(changes)
    assert statement.params["customer_ids"] == arrays.uuids(sorted(file.customer_id for file in files))


def _kept_up(stream: Stream, now: datetime) -> CustomerFile:
    """The row as the writer keeps it: stored after every event, from the stream where the row does not reach back."""
    file = CustomerFile(stream.customer_id, as_of=stream.events[0].envelope.recorded_at)
    for number, event in enumerate(stream.events, start=1):
        draft = file.copy()
        draft.advance(event.envelope.recorded_at)
        try:
            draft.apply(event)
        except HistoryNeeded:
            draft = CustomerFile.folded(stream.customer_id, stream.events[:number]).copy()
        file = _stored(draft)
    file.advance(now)
    return file


def _stored(file: CustomerFile) -> CustomerFile:
    columns = (file.version, file.profile_version, file.boundaries, file.as_of, FOLD_VERSION)
    decoded = decode(file.customer_id, (*columns, encode(file)))
    assert decoded is not None
    return decoded


def _comparable(file: CustomerFile) -> tuple[object, ...]:
    return (file.slots, file.version, file.profile_version, file.boundaries, file.effective_since, file.archived)
