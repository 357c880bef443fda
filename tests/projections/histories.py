"""Random histories for hypothesis: every kind of fact, in any order, over few slots so that they collide."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from domain.events import Payload, RecordedEvent
from domain.events.classification import AttributeRecorded, AttributeRemoved, TagApplied, TagRemoved
from domain.events.contacts import ContactAdded, ContactDetails, ContactDetailsChanged, ContactRemoved, RemovalReason
from domain.events.lifecycle import (
    ArchiveReason,
    CustomerArchived,
    CustomerKind,
    CustomerRegistered,
    CustomerReinstated,
)
from tests.make import RECORDING_STARTS, Stream

_CONTACT = UUID("0192d3a0-0000-7000-8000-00000000c0de")
LONG_TEXTS = ("long " * 60, '说"明\u2028\\🏭\x7f\u0001' * 20)
"""Longer than what rows hold twice (projections/long_texts.py)."""
_DAYS = 12
_JSON: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        1,
        1.5,
        1e300,
        5e-324,
        -(2**63),
        2**64 - 1,
        "1",
        "",
        "中文\u2028\\",
        [],
        {},
        {"a": [1, None]},
        [True, 1],
        *LONG_TEXTS,
        {"new": LONG_TEXTS[0]},
    ]
)
_INSTANTS = st.integers(0, _DAYS * 2).map(lambda halves: RECORDING_STARTS + timedelta(hours=12 * (halves - _DAYS)))

_FACTS: st.SearchStrategy[Payload] = st.one_of(
    st.builds(AttributeRecorded, key=st.sampled_from(["a", "b/~c"]), value=_JSON),
    st.builds(AttributeRemoved, key=st.sampled_from(["a", "b/~c"])),
    st.builds(TagApplied, taxonomy_version=st.just(1), group=st.just("G"), code=st.just("C")),
    st.builds(TagRemoved, taxonomy_version=st.just(1), group=st.just("G"), code=st.just("C")),
    st.builds(ContactAdded, contact_id=st.just(_CONTACT), name=st.sampled_from(["Li", "Wu"]), is_primary=st.booleans()),
    st.builds(
        ContactDetailsChanged,
        contact_id=st.just(_CONTACT),
        changed=st.sampled_from(
            [
                ContactDetails(name="Xu"),
                ContactDetails(title=None),
                ContactDetails(title="CFO", department="采购" * 45),
                ContactDetails(title="采购" * 50, department="采购" * 50),
            ]
        ),
    ),
    st.builds(ContactRemoved, contact_id=st.just(_CONTACT), removal_reason=st.just(RemovalReason.WRONG_DATA)),
)
_DECISIONS: st.SearchStrategy[Payload] = st.sampled_from(
    [CustomerArchived(reason_code=ArchiveReason.LOST), CustomerReinstated()]
)


@st.composite
def streams(draw: st.DrawFn, most: int = 14, facts: st.SearchStrategy[Payload] = _FACTS) -> Stream:
    """A stream of up to `most` events after registration; corrections may aim at anything, corrections too."""
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    for _ in range(draw(st.integers(1, most))):
        _add(draw, stream, facts)
    return stream


def _add(draw: st.DrawFn, stream: Stream, facts: st.SearchStrategy[Payload]) -> None:
    pause = timedelta(hours=draw(st.sampled_from([0, 1, 30])))
    recorded_at = stream.events[-1].envelope.recorded_at + pause
    action = draw(st.sampled_from(["fact", "fact", "fact", "fact", "correct", "retract", "decide"]))
    target = draw(st.sampled_from(stream.events))
    start, end = draw(_INSTANTS), draw(st.none() | _INSTANTS)
    end = end if end is not None and end > start else None
    if action == "fact":
        stream.add(draw(facts), start, effective_to=end, recorded_at=recorded_at)
    elif action == "decide":
        stream.add(draw(_DECISIONS), recorded_at=recorded_at)
    elif action == "correct":
        moved = draw(st.sampled_from([target.envelope.effective_from, start])) or start
        end = end if end is not None and end > moved else None
        stream.correct(target, draw(facts), moved, effective_to=end, recorded_at=recorded_at)
    else:
        stream.retract(target, recorded_at=recorded_at)


def instants_of(events: list[RecordedEvent]) -> Iterator[datetime]:
    """Every instant at which something begins or ends, and one before and after all."""
    for event in events:
        for instant in (event.envelope.effective_from, event.envelope.effective_to):
            if instant is not None:
                yield instant
    yield RECORDING_STARTS - timedelta(days=100)
    yield RECORDING_STARTS + timedelta(days=100)
