"""A whole stream read after erasures: it folds to the file that the erasing order wrote, and shows nothing erased."""

from __future__ import annotations

import os
from collections.abc import Sequence
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings

from domain.events import RecordedEvent
from domain.events.privacy import RECORDS_SUBJECT, PersonalDataErased
from domain.file import CustomerFile
from domain.replay import Replay
from ledger import codec
from ledger.plain import to_json
from tests.domain.private_histories import histories
from tests.domain.story import Story, same_file


def stored(events: Sequence[RecordedEvent]) -> tuple[list[StoredEvent], dict[UUID, bytes]]:
    subjects = {subject for event in events for subject in codec.subjects_of(event)} | {RECORDS_SUBJECT}
    keys = {subject: os.urandom(32) for subject in subjects}
    return [codec.encode(event, keys) for event in events], keys


@settings(max_examples=60)
@given(histories())
def test_what_is_read_after_an_erasure_folds_to_what_the_erasing_order_wrote(story: Story) -> None:
    events, keys = stored(story.events)
    erased = codec.erasures_in(events)
    assert erased == story.whole().privacy.erased
    read = [codec.decode(event, keys, erased) for event in events]
    file = CustomerFile.folded(story.customer_id, read, story.now)
    same_file(file, story.whole())
    replay = Replay()
    for event in read:
        replay.take(event)


@settings(max_examples=60)
@given(histories())
def test_nothing_of_whoever_was_erased_is_in_any_event(story: Story) -> None:
    events, keys = stored(story.events)
    erased = codec.erasures_in(events)
    for event in events:
        text = to_json(codec.decode(event, keys, erased).payload).decode()
        if any(str(subject) in text for subject in erased) or story.customer_id in erased:
            assert "Secret" not in text


@settings(max_examples=30)
@given(histories())
def test_a_stream_is_read_as_erased_by_a_version(story: Story) -> None:
    events, keys = stored(story.events)
    for number, event in enumerate(story.events, start=1):
        if isinstance(event.payload, PersonalDataErased):
            until = codec.erasures_in(events[:number])
            assert until[event.payload.subject] == event.envelope.event_id
            read = [codec.decode(each, keys, until) for each in events[:number]]
            then = CustomerFile.folded(story.customer_id, story.events[:number])
            same_file(CustomerFile.folded(story.customer_id, read), then)
