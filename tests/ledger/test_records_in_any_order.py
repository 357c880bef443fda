"""Whatever is recorded in whatever order, stored profiles say what their streams say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.decisions import Command
from domain.decisions.classification import ApplyTag, AssignOwner, RecordAttribute, RemoveAttribute, RemoveTag
from domain.decisions.identity import ChangeLegalName, RecordIdentifier, RevokeIdentifier
from domain.decisions.lifecycle import ArchiveCustomer, ReinstateCustomer
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import Refusal
from domain.events import RecordedEvent
from domain.events.classification import OwnerRole
from domain.events.lifecycle import ArchiveReason
from ledger.records import Receipt, Submission
from tests.ledger.writing import (
    EDITOR,
    IMPORTER,
    assert_consistent,
    order,
    registration,
    write_path,
)
from tests.server import TestServer

# What happens to one file: a command, or the number of an earlier fact to correct or retract.
_KEYS = st.sampled_from(["a", "b"])
_CODES = st.sampled_from(["EAST", "WEST", "SOUTH"])
_NUMBERS = st.sampled_from(["1", "2"])
_VALUES = st.sampled_from([None, 1, "x", ["y"]])

_COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(RecordAttribute, key=_KEYS, value=_VALUES),
    st.builds(RemoveAttribute, key=_KEYS),
    st.builds(AssignOwner, role=st.sampled_from(OwnerRole), to_staff=st.sampled_from(["u-1", "u-2"])),
    st.builds(ApplyTag, group=st.just("REGION"), code=_CODES),
    st.builds(RemoveTag, group=st.just("REGION"), code=_CODES),
    st.builds(ChangeLegalName, name=st.sampled_from(["Acme", "Zenith"])),
    st.builds(RecordIdentifier, scheme=st.just("REGISTER"), value=_NUMBERS),
    st.builds(RevokeIdentifier, scheme=st.just("REGISTER"), value=_NUMBERS),
    st.just(ArchiveCustomer(reason_code=ArchiveReason.DUPLICATE)),
    st.just(ReinstateCustomer()),
)
_UNDOINGS = st.tuples(st.sampled_from(["correct", "retract"]), st.integers(0, 30), _VALUES)
_DAYS = st.one_of(st.none(), st.integers(-6, 6))
_CIRCUMSTANCES = st.fixed_dictionaries(
    {"since": _DAYS, "until": st.one_of(st.none(), st.integers(-4, 12)), "importer": st.booleans()}
)
_STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(_COMMANDS, _COMMANDS, _UNDOINGS), _CIRCUMSTANCES), min_size=6, max_size=25
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_profiles_say_what_their_streams_say(server: TestServer, steps: list[Any]) -> None:
    with server.database() as database, write_path(database) as path:
        customers = [path.accept(registration(name)).customer_id for name in ("Acme", "Zenith")]
        facts: list[list[RecordedEvent]] = [[], []]
        answered: list[tuple[Submission, Receipt]] = []
        for number, (whose, what, how) in enumerate(steps):
            command = _command(what, facts[whose])
            submission = order(customers[whose], command, key=f"k-{number}", **_circumstances(how))
            outcome = path.settle(submission)
            if isinstance(outcome, Receipt):
                facts[whose] += outcome.events
                answered.append((submission, outcome))
            else:
                assert isinstance(outcome, Refusal), outcome
            assert_consistent(database)
        for submission, receipt in answered:
            assert path.accept(submission) == receipt.again()


def _command(what: Any, facts: list[RecordedEvent]) -> Command:
    if isinstance(what, Command):
        return what
    verb, number, value = what
    if not facts:
        return RecordAttribute(key="a", value=value)
    target = facts[number % len(facts)]
    if verb == "retract":
        return RetractFact(retracts=target.envelope.event_id)
    return CorrectFact(corrects=target.envelope.event_id, replacement={"value": value})


def _circumstances(how: dict[str, Any]) -> dict[str, Any]:
    today = datetime.now(UTC)
    stated: dict[str, Any] = {"initial_load": how["importer"], "actor": IMPORTER if how["importer"] else EDITOR}
    if how["since"] is not None:
        stated["effective_from"] = today + timedelta(days=how["since"])
    if how["until"] is not None:
        stated["effective_to"] = today + timedelta(days=how["until"])
    return stated
