"""The file that is kept from event to event is the file folded from all events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Change, Command
from domain.decisions.classification import AssignOwner, RecordAttribute, RemoveAttribute
from domain.decisions.contacts import AddContact, ChangeContactPoint, RemoveContact, ReplacePrimaryContact
from domain.decisions.identity import RecordIdentifier, RevokeIdentifier
from domain.decisions.lifecycle import ArchiveCustomer, ReinstateCustomer
from domain.decisions.needs import IdentifyNeed, ReviseNeed
from domain.decisions.quality import CorrectFact, RetractFact
from domain.decisions.tier import ApproveTierReassignment, AssignTier, RequestTierReassignment, WithdrawTierReassignment
from domain.errors import Refusal
from domain.events import Actor, Circumstances
from domain.events.classification import OwnerRole
from domain.events.contacts import ContactPointKind, RemovalReason
from domain.events.lifecycle import ArchiveReason
from domain.events.needs import NeedDetails
from domain.fold import History
from tests.domain.story import CLERK, EVERYTHING_STATED, Story, at, opened, same_file, uid
from tests.make import ONE_PERSON, Stream
from tests.oracle import state

CONTACTS = st.sampled_from([uid(10), uid(20), uid(30)])
KEYS = st.sampled_from(["a", "b"])
ACTORS = st.sampled_from([CLERK, Actor(id="u-301", roles=("tier:approve", "importer"))])
SCHEME_VALUE = {"scheme": "DUNS", "value": "123456789"}

commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(RecordAttribute, key=KEYS, value=st.sampled_from([1, True, "1", None])),
    st.builds(RemoveAttribute, key=KEYS),
    st.builds(AddContact, contact_id=CONTACTS, name=st.just("Han"), is_primary=st.booleans()),
    st.builds(ReplacePrimaryContact, new_contact_id=CONTACTS),
    st.builds(
        RemoveContact,
        contact_id=CONTACTS,
        removal_reason=st.just(RemovalReason.OBJECTION),
        new_primary_contact_id=st.none() | CONTACTS,
    ),
    st.builds(
        ChangeContactPoint,
        contact_id=CONTACTS,
        point_id=st.just(uid(11)),
        kind=st.just(ContactPointKind.OTHER),
        value=st.sampled_from([None, "x", "y"]),
    ),
    st.builds(AssignTier, to_code=st.sampled_from(["ORDINARY", "POTENTIAL", "CHURN_RISK"])),
    st.builds(RequestTierReassignment, request_id=st.just(uid(60)), to_code=st.just("HIGH_VALUE")),
    st.builds(ApproveTierReassignment, request_id=st.just(uid(60))),
    st.builds(WithdrawTierReassignment, request_id=st.just(uid(60))),
    st.builds(AssignOwner, role=st.just(OwnerRole.ACCOUNT_MANAGER), to_staff=st.sampled_from(["u-1", "u-2"])),
    st.builds(RecordIdentifier, **{name: st.just(text) for name, text in SCHEME_VALUE.items()}),
    st.builds(RevokeIdentifier, **{name: st.just(text) for name, text in SCHEME_VALUE.items()}),
    st.builds(IdentifyNeed, need_id=st.just(uid(50)), statement=st.sampled_from(["s", "t"])),
    st.builds(
        ReviseNeed,
        need_id=st.just(uid(50)),
        changes=st.sampled_from([NeedDetails(pain_point="p"), NeedDetails(pain_point=None)]),
        cause_analysis=st.just("because"),
    ),
    st.just(ArchiveCustomer(reason_code=ArchiveReason.OTHER)),
    st.just(ReinstateCustomer()),
)


@st.composite
def changes_to(draw: st.DrawFn, story: Story, now: datetime) -> Change:
    targets = [event.envelope.event_id for event in story.events]
    undo: st.SearchStrategy[Command] = st.builds(RetractFact, retracts=st.sampled_from(targets)) | st.builds(
        CorrectFact, corrects=st.sampled_from(targets), replacement=st.sampled_from([{}, {"value": "z"}])
    )
    start = draw(st.none() | st.integers(-20, 20))
    period: dict[str, Any] = {}
    if start is not None:
        period["effective_from"] = now + timedelta(days=start)
        if draw(st.booleans()):
            period["effective_to"] = now + timedelta(days=start + draw(st.integers(1, 20)))
    stated = Circumstances(**EVERYTHING_STATED, observed_at=now, **period)
    return Change(draw(commands | undo), stated)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_sequence_of_commands_leaves_the_kept_file_as_the_folded_one(data: st.DataObject) -> None:
    story = opened()
    story.policy = ONE_PERSON
    for _ in range(data.draw(st.integers(1, 14), label="commands")):
        story.now += timedelta(days=data.draw(st.sampled_from([0, 1, 7, 30]), label="days"), hours=1)
        change = data.draw(changes_to(story, story.now))
        try:
            story.order(change, by=data.draw(ACTORS))
        except Refusal:
            continue
    story.row.advance(story.now)
    same_file(story.row, story.whole().copy())
    shown = {slot: fact.value for slot, fact in story.row.visible(story.now).items()}
    assert shown == state(story.events, story.now)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), KEYS, st.integers(0, 3)), min_size=1, max_size=7, unique_by=lambda f: f[0]),
    st.randoms(use_true_random=False),
)
def test_the_recording_order_of_facts_with_different_starts_does_not_matter(
    facts: list[tuple[int, str, int]], random: Any
) -> None:
    shown = []
    for ordering in (facts, random.sample(facts, len(facts))):
        stream = Stream()
        for start, key, value in ordering:
            stream.attribute(key, value, at("2026-01-01") + timedelta(days=start))
        history = History.of(stream.events)
        instants = [at("2025-12-31") + timedelta(days=day) for day in range(64)]
        shown.append([{slot: fact.value for slot, fact in history.visible(now).items()} for now in instants])
    assert shown[0] == shown[1]


def test_the_profile_version_stands_still_while_the_profile_does() -> None:
    story = opened()
    story.do(RecordAttribute(key="k", value=1), now="2026-02-01")
    before = story.row.profile_version
    story.do(
        RecordAttribute(key="k", value=2), now="2026-03-01", effective_from="2026-02-05", effective_to="2026-02-09"
    )
    assert (story.row.profile_version, story.row.version) == (before, before + 1)


def test_the_revision_names_the_last_change_and_the_boundaries_passed_since() -> None:
    story = opened()
    story.do(RecordAttribute(key="k", value=1), now="2026-02-01", effective_to="2026-02-03")
    version = story.row.version
    assert story.row.revision == f"{version}.0"
    story.row.advance(at("2026-02-03"))
    assert story.row.revision == f"{version}.1"
    story.row.advance(at("2026-02-02"))
    assert story.row.as_of == at("2026-02-03")


def test_a_copy_can_be_thrown_away() -> None:
    story = opened()
    draft = story.row.copy()
    draft.advance(at("2027-01-01"))
    draft.slots.clear()
    draft.requests.clear()
    same_file(story.row, story.whole())
