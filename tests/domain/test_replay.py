"""A replay's state after each event is the oracle's, whatever was recorded, and its facts are those of the fold."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given

from domain.facts import ABSENT, same_json
from domain.fold import History, LiveFacts
from domain.replay import Replay, state_hash
from tests.make import RECORDING_STARTS, Stream, at
from tests.oracle import state
from tests.projections.files import registered
from tests.projections.histories import instants_of, streams


@given(stream=streams())
def test_a_replay_shows_before_and_after_each_event_what_the_oracle_shows(stream: Stream) -> None:
    replay = Replay()
    for number, event in enumerate(stream.events):
        instant = event.envelope.recorded_at
        before, after = state(stream.events[:number], instant), state(stream.events[: number + 1], instant)
        step = replay.take(event)
        assert (step.before, step.after) == (state_hash(before), state_hash(after))
        slots = sorted({*before, *after})
        assert step.changed == [
            slot for slot in slots if not same_json(before.get(slot, ABSENT), after.get(slot, ABSENT))
        ]
        assert replay.state_hash() == step.after


@given(stream=streams())
def test_live_facts_are_those_of_the_history(stream: Stream) -> None:
    facts, history = LiveFacts(), History()
    for event in stream.events:
        assert facts.apply(event) == history.apply(event)
    for slot in history.slots:
        assert facts.timeline(slot) == history.timeline(slot)
    for instant in instants_of(stream.events):
        assert facts.visible(instant) == history.visible(instant)


def test_what_takes_effect_by_itself_is_no_events_doing() -> None:
    stream = registered()
    stream.attribute("a", 1, at("2026-02-01"), recorded_at=at("2026-01-10"))
    stream.attribute("b", 1, recorded_at=at("2026-02-02"))
    replay = Replay()
    steps = [replay.take(event) for event in stream.events]
    assert [step.changed for step in steps] == [[], [], ["/attributes/b"]]
    assert steps[1].before == steps[1].after == state_hash({})
    assert steps[2].before == state_hash({"/attributes/a": 1})
    assert steps[2].after == state_hash({"/attributes/a": 1, "/attributes/b": 1})


def test_a_late_fact_that_something_later_hides_changes_nothing_now() -> None:
    stream = registered()
    stream.attribute("a", 2, RECORDING_STARTS)
    stream.attribute("a", 1, RECORDING_STARTS - timedelta(days=3))
    replay = Replay()
    *_, last = (replay.take(event) for event in stream.events)
    assert (last.changed, last.before) == ([], last.after)
