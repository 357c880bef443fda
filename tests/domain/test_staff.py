"""Members of staff: who they are, what they may do, from when until when; and what nobody may do to themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import ValidationError

from domain.decisions.staff import (
    AssignManager,
    AssignRoles,
    Deactivate,
    Delegate,
    EndDelegation,
    Reactivate,
    RecordMember,
    RecordTraining,
    StaffCase,
    StaffCommand,
    decide,
)
from domain.errors import (
    EffectiveDateOutOfRange,
    EffectivePeriodInvalid,
    NoChange,
    OwnStaffRecord,
    ReasonRequired,
    Refusal,
    StaffUnknown,
    UnknownItem,
)
from domain.events import Actor, Envelope, Reason, RecordedEvent
from domain.events.service import ServicePayload
from domain.staff import StaffFile, StaffMember
from tests.domain.story import uid

NOON: Final = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
DAY: Final = timedelta(days=1)
ADMIN: Final = Actor(id="u-900", roles=("administrator",))
WHY: Final = Reason(text="as agreed with the department")
GIVEN: Final = uid(80)


class Office:
    """Everybody's stream, and a clock."""

    def __init__(self) -> None:
        self.now = NOON
        self.streams: dict[str, list[RecordedEvent]] = {}
        for subject in ("u-1", "u-2", "u-3"):
            self.do(subject, RecordMember(subject=subject, name=f"Name of {subject}"))

    def file(self, subject: str, known_at: datetime | None = None) -> StaffFile:
        events = self.streams.get(subject, [])
        return StaffFile.of(each for each in events if known_at is None or each.envelope.recorded_at <= known_at)

    def member(self, subject: str, valid_at: datetime | None = None, known_at: datetime | None = None) -> StaffMember:
        found = self.file(subject, known_at).at(valid_at or self.now)
        assert found is not None
        return found

    def do(self, subject: str, command: StaffCommand, actor: Actor = ADMIN, **stated: Any) -> ServicePayload:
        stated_command = command.model_copy(update={"reason": WHY, **stated})
        case = StaffCase(subject, self.file(subject), actor, self.now, lambda other: self.file(other).at(self.now))
        payload = decide(stated_command.with_ids(lambda: uid(99)), case)
        stream = self.streams.setdefault(subject, [])
        envelope = Envelope(
            event_id=uid(1000 + len(stream)),
            customer_id=UUID(int=1),
            version=len(stream) + 1,
            recorded_at=self.now,
            effective_from=None,
            actor=actor,
            policy_version=1,
        )
        stream.append(RecordedEvent(envelope, payload))
        return payload


@pytest.fixture
def office() -> Office:
    return Office()


def test_somebody_who_is_recorded_is_active_and_has_no_roles(office: Office) -> None:
    member = office.member("u-1")
    assert (member.subject, member.name, member.active, member.roles, member.manager) == (
        "u-1",
        "Name of u-1",
        True,
        (),
        None,
    )
    assert office.file("u-4").at(NOON) is None
    assert office.file("u-4").version == 0


def test_roles_are_those_of_the_day_as_known_then_and_as_known_now(office: Office) -> None:
    office.do("u-1", AssignRoles(roles=("editor",)))
    office.now = NOON + 10 * DAY
    office.do("u-1", AssignRoles(roles=("risk", "viewer"), effective_from=NOON + 2 * DAY))
    asked = NOON + 5 * DAY
    assert office.member("u-1", asked, known_at=asked).roles == ("editor",)
    assert office.member("u-1", asked).roles == ("risk", "viewer")
    assert office.member("u-1", NOON).roles == ("editor",)


def test_a_role_for_a_time_gives_way_to_the_one_before(office: Office) -> None:
    office.do("u-1", AssignRoles(roles=("viewer",)))
    office.do("u-1", AssignRoles(roles=("editor",), effective_from=NOON + DAY, effective_to=NOON + 3 * DAY))
    roles = [office.member("u-1", NOON + days * DAY).roles for days in (0, 1, 2, 3)]
    assert roles == [("viewer",), ("editor",), ("editor",), ("viewer",)]
    file = office.file("u-1")
    assert [file.next_change_after(NOON + days * DAY) for days in (0, 1, 3)] == [NOON + DAY, NOON + 3 * DAY, None]


def test_roles_that_were_given_before_somebody_was_recorded_are_known_of_then(office: Office) -> None:
    office.do("u-1", AssignRoles(roles=("editor",), effective_from=NOON - 30 * DAY))
    before = office.member("u-1", NOON - DAY)
    assert (before.name, before.roles) == ("Name of u-1", ("editor",))


def test_who_is_deactivated_is_until_reactivated(office: Office) -> None:
    office.do("u-1", AssignRoles(roles=("editor",)))
    office.now = NOON + DAY
    office.do("u-1", Deactivate())
    assert not office.member("u-1").active
    with pytest.raises(NoChange):
        office.do("u-1", Deactivate())
    office.now = NOON + 2 * DAY
    office.do("u-1", Reactivate())
    active = [office.member("u-1", NOON + days * DAY).active for days in (0, 1, 2)]
    assert active == [True, False, True]
    assert office.member("u-1").roles == ("editor",)
    with pytest.raises(NoChange):
        office.do("u-1", Reactivate())


def test_a_delegation_is_in_force_for_its_time_and_ends_when_it_is_ended(office: Office) -> None:
    given = Delegate(delegation_id=GIVEN, to="u-2", effective_from=NOON + DAY, effective_to=NOON + 9 * DAY)
    office.do("u-1", given)
    in_force = [office.member("u-1", NOON + days * DAY).delegation_to("u-2") is not None for days in (0, 1, 8, 9)]
    assert in_force == [False, True, True, False]
    assert office.member("u-1", NOON + DAY).delegation_to("u-3") is None
    office.now = NOON + 4 * DAY
    office.do("u-1", EndDelegation(delegation_id=GIVEN))
    in_force = [office.member("u-1", NOON + days * DAY).delegation_to("u-2") is not None for days in (3, 4, 8)]
    assert in_force == [True, False, False]
    assert office.member("u-1", NOON + 8 * DAY, known_at=NOON).delegation_to("u-2") is not None
    with pytest.raises(NoChange):
        office.do("u-1", EndDelegation(delegation_id=GIVEN))


def test_a_delegation_that_is_ended_before_it_begins_never_holds(office: Office) -> None:
    given = Delegate(delegation_id=GIVEN, to="u-2", effective_from=NOON + DAY, effective_to=NOON + 9 * DAY)
    office.do("u-1", given)
    office.do("u-1", EndDelegation(delegation_id=GIVEN))
    assert not office.member("u-1", NOON + 2 * DAY).delegations


def test_of_two_delegations_to_one_person_the_wider_one_counts(office: Office) -> None:
    office.do("u-1", Delegate(delegation_id=uid(1), to="u-2", scope=("customer:view",), effective_to=NOON + DAY))
    office.do("u-1", Delegate(delegation_id=uid(2), to="u-2", effective_to=NOON + DAY))
    found = office.member("u-1").delegation_to("u-2")
    assert found is not None
    assert (found.delegation_id, found.scope) == (uid(2), ())


def test_a_training_counts_to_its_last_day(office: Office) -> None:
    training = RecordTraining(training="DATA_PROTECTION", completed_on="2026-05-01", valid_until="2026-06-02")
    office.do("u-1", training)
    assert [each.valid_until for each in office.member("u-1").trainings] == [date(2026, 6, 2)]
    assert office.member("u-1", datetime(2026, 6, 2, 15, 59, tzinfo=UTC)).trainings
    assert not office.member("u-1", datetime(2026, 6, 2, 16, 0, tzinfo=UTC)).trainings


ALL: Final[list[StaffCommand]] = [
    RecordMember(subject="u-1", name="Another name"),
    AssignRoles(roles=("administrator",)),
    AssignManager(manager="u-3"),
    Delegate(to="u-2", effective_to=NOON + DAY),
    EndDelegation(delegation_id=GIVEN),
    RecordTraining(training="T", completed_on="2026-05-01", valid_until="2026-06-02"),
    Deactivate(),
    Reactivate(),
]


@pytest.mark.parametrize("command", ALL, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize(
    "actor", [Actor(id="u-1", roles=("administrator",)), Actor(id="u-2", on_behalf_of="u-1")], ids=["self", "deputy"]
)
def test_nobody_changes_their_own_record(office: Office, command: StaffCommand, actor: Actor) -> None:
    with pytest.raises(OwnStaffRecord):
        office.do("u-1", command, actor)


def test_nobody_lets_themselves_act_in_somebody_s_place(office: Office) -> None:
    for actor in (Actor(id="u-2"), Actor(id="u-3", on_behalf_of="u-2")):
        with pytest.raises(OwnStaffRecord):
            office.do("u-1", Delegate(to="u-2", effective_to=NOON + DAY), actor)


@pytest.mark.parametrize("command", [each for each in ALL if each.records.needs_reason], ids=lambda c: c.records.type)
def test_what_weighs_needs_a_reason(office: Office, command: StaffCommand) -> None:
    with pytest.raises(ReasonRequired):
        office.do("u-1", command, reason=None)


@pytest.mark.parametrize(
    "command",
    [each for each in ALL if not isinstance(each, RecordMember | EndDelegation)],
    ids=lambda command: type(command).__name__,
)
def test_of_whom_nothing_is_recorded_nothing_is_changed(office: Office, command: StaffCommand) -> None:
    with pytest.raises(StaffUnknown):
        office.do("u-77", command)


@pytest.mark.parametrize(
    "command",
    [
        AssignRoles(roles=("viewer",), effective_to=NOON + DAY),
        AssignManager(manager=None, effective_to=NOON + DAY),
    ],
)
def test_nor_for_a_time(office: Office, command: StaffCommand) -> None:
    with pytest.raises(StaffUnknown):
        office.do("u-77", command.model_copy(update={"reason": Reason(text="as agreed with them")}))


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (RecordMember(subject="u-1", name="Name of u-1"), NoChange),
        (AssignRoles(roles=()), NoChange),
        (AssignRoles(roles=("viewer",), effective_from=NOON - 400 * DAY), EffectiveDateOutOfRange),
        (AssignRoles(roles=("viewer",), effective_from=NOON + 400 * DAY), EffectiveDateOutOfRange),
        (AssignRoles(roles=("viewer",), effective_from=NOON + DAY, effective_to=NOON), EffectivePeriodInvalid),
        (AssignManager(manager=None), NoChange),
        (AssignManager(manager="u-1"), StaffUnknown),
        (AssignManager(manager="u-88"), StaffUnknown),
        (Delegate(to="u-1", effective_to=NOON + DAY), StaffUnknown),
        (Delegate(to="u-88", effective_to=NOON + DAY), StaffUnknown),
        (Delegate(to="u-2", effective_to=NOON - DAY), EffectivePeriodInvalid),
        (Delegate(to="u-2", effective_to=NOON + 400 * DAY), EffectivePeriodInvalid),
        (Delegate(to="u-2", effective_from=NOON - 2 * DAY, effective_to=NOON + DAY), EffectiveDateOutOfRange),
        (EndDelegation(delegation_id=GIVEN), UnknownItem),
        (RecordTraining(training="T", completed_on="2026-05-02", valid_until="2026-05-01"), EffectivePeriodInvalid),
        (RecordTraining(training="T", completed_on="2026-06-02", valid_until="2027-05-01"), EffectiveDateOutOfRange),
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused(office: Office, command: StaffCommand, refused: type[Refusal]) -> None:
    with pytest.raises(refused):
        office.do("u-1", command)


def test_managers_make_no_circle(office: Office) -> None:
    office.do("u-1", AssignManager(manager="u-2"))
    office.do("u-2", AssignManager(manager="u-3"))
    with pytest.raises(StaffUnknown, match="manager's manager"):
        office.do("u-3", AssignManager(manager="u-1"))
    office.do("u-2", AssignManager(manager=None))
    office.do("u-3", AssignManager(manager="u-1"))
    assert office.member("u-3").manager == "u-1"


def test_who_is_inactive_is_no_deputy_and_no_manager(office: Office) -> None:
    office.do("u-2", Deactivate())
    for command in (Delegate(to="u-2", effective_to=NOON + DAY), AssignManager(manager="u-2")):
        with pytest.raises(StaffUnknown):
            office.do("u-1", command)


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (AssignRoles, {"roles": ["emperor"]}),
        (AssignRoles, {"roles": ["tier:approve"]}),
        (Delegate, {"to": "u-2", "effective_to": "2026-07-01", "scope": ["everything"]}),
        (Delegate, {"to": "u-2"}),
        (RecordMember, {"subject": "a/b", "name": "n"}),
        (RecordMember, {"subject": "u-1\u200b", "name": "n"}),
        (RecordMember, {"subject": "u-1", "name": "n", "roles": ["administrator"]}),
    ],
    ids=repr,
)
def test_what_is_no_role_action_or_id_is_no_command(model: type[StaffCommand], content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(content)
