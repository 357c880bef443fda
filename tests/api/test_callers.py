"""What follows from a token and from what is recorded: who comes in, as what, and until when that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.callers import Caller, Concluded, caller_of
from api.claims import Claims
from api.errors import Problem
from api.staff_directory import StaffDirectory
from domain.access import Action, Role
from domain.decisions.staff import AssignRoles, Deactivate, Delegate, EndDelegation, RecordMember, StaffCommand
from domain.events import Actor, ActorKind, Reason
from ledger.errors import Unavailable
from ledger.staff_records import stream_of
from tests.damages import disarm
from tests.ledger.test_staff_records import order, staff_records
from tests.ledger.writing import Path, write_path

WHY = Reason(text="as agreed")
FAR = 4e9
"""When a token expires, unless something else is said."""
SOON = datetime.now(UTC) + timedelta(days=30)
GIVEN = UUID(int=7)
PATIENCE = 120.0


class Staff:
    """Records on a database, and a directory that reads them."""

    def __init__(self, path: Path, conninfo: str) -> None:
        self.path = path
        self.records = staff_records(path)
        self.conninfo = conninfo
        self.directory = StaffDirectory(self.records, patience_seconds=PATIENCE)
        self._number = 0

    def do(self, subject: str, command: StaffCommand) -> None:
        self._number += 1
        asked = order(command.model_copy(update={"reason": WHY}), f"k-{self._number}", subject=subject)
        self.records.record(asked, self.directory.member)
        self.look()

    def hire(self, subject: str, *roles: str) -> None:
        self.do(subject, RecordMember(subject=subject, name=f"Name of {subject}", team="East"))
        self.do(subject, AssignRoles(roles=roles or ("viewer",)))

    def look(self) -> None:
        """Read what there is, as a service does twice a second."""

        async def once() -> None:
            async with self.directory.kept():
                pass

        asyncio.run(once())

    def concluded(self, subject: str, **claimed: Any) -> Concluded:
        scopes = claimed.pop("scopes", None)
        return caller_of(Claims(Actor(id=subject, **claimed), scopes, FAR), self.directory)

    def caller(self, subject: str, **claimed: Any) -> Caller:
        return self.concluded(subject, **claimed).caller

    def refusal(self, subject: str, **claimed: Any) -> tuple[int, str]:
        with pytest.raises(Problem) as refused:
            self.caller(subject, **claimed)
        return refused.value.status, refused.value.slug


@pytest.fixture
def staff(database: str) -> Iterator[Staff]:
    with write_path(database) as path:
        staff = Staff(path, database)
        staff.look()
        yield staff


def test_a_stranger_is_what_the_token_says(staff: Staff) -> None:
    concluded = staff.concluded("u-1", roles=("editor",), on_behalf_of="u-2", scopes=frozenset(["customer:view"]))
    assert concluded.until == FAR
    principal = concluded.caller.principal
    assert principal.roles == {Role.EDITOR}
    assert (principal.on_behalf_of, principal.team) == ("u-2", None)
    assert principal.granted == {Action.READ_PROFILE}


def test_a_member_is_what_is_recorded_narrowed_by_the_token(staff: Staff) -> None:
    staff.hire("u-1", "editor")
    actor, principal, deputy_of = staff.caller("u-1", roles=("privacy",), scopes=frozenset(["customer:view"]))
    assert (actor.roles, actor.name_at_time, principal.team) == (("editor",), "Name of u-1", "East")
    assert not deputy_of
    assert principal.granted == {Action.READ_PROFILE}


def test_a_program_stays_one_by_the_word_of_either(staff: Staff) -> None:
    staff.hire("u-1")
    staff.do("u-1", RecordMember(subject="u-1", name="Importer", kind="SERVICE"))
    staff.hire("u-2")
    assert staff.caller("u-1").principal.kind is ActorKind.SERVICE
    assert staff.caller("u-2", kind=ActorKind.SERVICE).principal.kind is ActorKind.SERVICE
    assert staff.caller("u-2").principal.kind is ActorKind.HUMAN


def test_what_holds_for_a_time_is_concluded_until_its_end(staff: Staff) -> None:
    staff.hire("u-1", "editor")
    staff.do("u-1", AssignRoles(roles=("risk",), effective_from=SOON, effective_to=SOON + timedelta(days=1)))
    assert staff.concluded("u-1").until == SOON.timestamp()
    staff.hire("u-2")
    staff.do("u-1", Delegate(delegation_id=GIVEN, to="u-2", effective_to=SOON - timedelta(days=1)))
    end = (SOON - timedelta(days=1)).timestamp()
    assert [staff.concluded("u-2").until, staff.concluded("u-2", on_behalf_of="u-1").until] == [end, end]


def test_who_is_inactive_does_not_come_in(staff: Staff) -> None:
    staff.hire("u-1")
    staff.do("u-1", Deactivate())
    assert staff.refusal("u-1", roles=("administrator",)) == (403, "inactive")


def test_nobody_stands_in_for_a_member_without_a_delegation(staff: Staff) -> None:
    staff.hire("u-1")
    missing = (403, "delegation-missing")
    assert staff.refusal("u-2", roles=("editor",), on_behalf_of="u-1") == missing
    staff.hire("u-2")
    assert staff.refusal("u-2", on_behalf_of="u-1") == missing
    assert staff.refusal("u-2", on_behalf_of="a stranger") == missing
    staff.do("u-1", Delegate(delegation_id=GIVEN, to="u-2", effective_to=SOON))
    assert staff.caller("u-2", on_behalf_of="u-1").principal.on_behalf_of == "u-1"
    assert staff.caller("u-2").deputy_of == {"u-1"}
    staff.do("u-1", EndDelegation(delegation_id=GIVEN))
    assert staff.refusal("u-2", on_behalf_of="u-1") == missing
    assert staff.caller("u-2").deputy_of == set()


def test_scopes_of_token_and_delegation_narrow_together_and_classes_stay(staff: Staff) -> None:
    staff.hire("u-1")
    staff.hire("u-2", "editor")
    scope = (Action.READ_PROFILE, Action.WRITE_FACTS)
    staff.do("u-1", Delegate(delegation_id=GIVEN, to="u-2", scope=scope, effective_to=SOON))
    narrow = frozenset(["customer:view", "customer:history", "class:internal"])
    assert staff.caller("u-2", on_behalf_of="u-1").principal.scopes == frozenset(map(str, scope))
    found = staff.caller("u-2", on_behalf_of="u-1", scopes=narrow).principal.scopes
    assert found == frozenset(["customer:view", "class:internal"])
    assert staff.caller("u-2", scopes=narrow).principal.scopes == narrow


def test_those_who_remember_are_told_whose_record_has_changed_and_of_their_deputies(staff: Staff) -> None:
    staff.hire("u-1")
    staff.hire("u-2")
    told: list[frozenset[str]] = []
    staff.directory.when_changed(told.append)
    staff.do("u-1", Delegate(delegation_id=GIVEN, to="u-2", effective_to=SOON))
    staff.do("u-2", AssignRoles(roles=("risk",)))
    staff.look()
    assert told == [{"u-1", "u-2"}, {"u-2"}]


def test_an_older_state_never_takes_the_place_of_a_newer_one(staff: Staff) -> None:
    staff.hire("u-1", "editor")
    older = staff.records.read([stream_of("u-1")])[stream_of("u-1")]
    staff.do("u-1", Deactivate())
    assert older is not None
    staff.directory.learn(stream_of("u-1"), older)
    assert staff.refusal("u-1") == (403, "inactive")


def test_nobody_comes_in_before_the_staff_is_known(staff: Staff) -> None:
    staff.directory = StaffDirectory(staff.records)
    assert staff.refusal("u-1", roles=("viewer",)) == (503, "staff-unavailable")


def test_who_cannot_be_read_does_not_come_in_and_everybody_else_does(staff: Staff) -> None:
    staff.hire("u-1")
    staff.hire("u-2")
    with psycopg.connect(staff.conninfo) as connection:
        disarm(connection)
        connection.execute("UPDATE ledger.event SET entry = '{' WHERE stream = %s", [stream_of("u-1")])
    staff.directory = StaffDirectory(staff.records, patience_seconds=PATIENCE)
    staff.look()
    assert staff.refusal("u-1") == (503, "staff-unavailable")
    assert staff.refusal("u-2", on_behalf_of="u-1") == (503, "staff-unavailable")
    assert staff.caller("u-2").principal.roles == {Role.VIEWER}


def test_while_the_database_is_away_what_is_known_stands(staff: Staff) -> None:
    staff.hire("u-1", "editor")
    staff.path.pool.close()
    with pytest.raises(Unavailable):
        staff.records.heads()
    staff.look()
    assert staff.caller("u-1").principal.roles == {Role.EDITOR}
