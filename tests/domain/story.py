"""Given a file, when somebody commands something, then events or a refusal.

Every decision is taken twice: on the whole history and on the profile row's kept slots. The two must agree, and so
must the files after it, so that each story is also a test of the fast path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import pytest

from domain.decisions import Change, Command, Order, record
from domain.decisions.lifecycle import FirstContact, Registration
from domain.errors import HistoryNeeded, Refusal
from domain.events import Actor, ActorKind, Circumstances, Evidence, Reason, RecordedEvent
from domain.events.lifecycle import CustomerKind
from domain.file import CustomerFile
from domain.policy import first_edition
from domain.values import EARLIEST
from tests.make import CLERK, at

__all__ = ["APPROVER", "CLERK", "IMPORTER", "PHONE", "SCORING", "Story", "at", "opened", "same_file", "uid"]

APPROVER = Actor(id="u-301", roles=("tier:approve",))
IMPORTER = Actor(id="u-900", roles=("importer",))
SCORING = Actor(id="scoring", kind=ActorKind.SERVICE)
PHONE = "+86 755 8601 3388"

OPENED_AT = at("2026-01-05T09:00")
EVERYTHING_STATED: dict[str, Any] = {
    "reason": Reason(code="BACKDATED", text="The customer told us on the phone"),
    "evidence": (Evidence(note="note of the call"),),
}

AnyRefusal = TypeVar("AnyRefusal", bound=Refusal)
Events = list[RecordedEvent]


def uid(number: int) -> UUID:
    return UUID(int=number)


class Story:
    """One customer's file. The clock stands still until a decision names another moment."""

    def __init__(self, *events: RecordedEvent) -> None:
        self.events: Events = []
        self.customer_id = events[0].envelope.customer_id if events else uid(1)
        self.now = OPENED_AT
        self.row = CustomerFile(self.customer_id, as_of=EARLIEST)
        self.holders: dict[tuple[str, str], UUID] = {}
        self._ids = 1000
        self.policy = first_edition()
        if events:
            self._accept(events, events[-1].envelope.recorded_at)

    def do(self, *commands: Command, by: Actor = CLERK, now: str | None = None, **stated: Any) -> Events:
        """The events of an accepted order. Reason, evidence and observed_at are stated unless told otherwise."""
        self._set_clock(now)
        events = self._decide(self._changes(commands, stated), by)
        self._accept(events, self.now)
        return events

    def order(self, *changes: Change, by: Actor = CLERK) -> Events:
        events = self._decide(changes, by)
        self._accept(events, self.now)
        return events

    def refuses(
        self,
        error: type[AnyRefusal],
        *commands: Command,
        pointer: str | None = None,
        rule: str | None = None,
        by: Actor = CLERK,
        now: str | None = None,
        **stated: Any,
    ) -> AnyRefusal:
        """The refusal: exactly this class, its rule (`error.rule` unless given) and a field at `pointer`."""
        self._set_clock(now)
        with pytest.raises(error) as caught:
            self._decide(self._changes(commands, stated), by)
        refusal = caught.value
        assert type(refusal) is error
        assert refusal.rule == (rule or error.rule)
        assert [field.pointer for field in refusal.fields][:1] == ([] if pointer is None else [pointer])
        return refusal

    def shows(self, slot: str, valid_at: str | None = None) -> Any:
        """What the slot shows, as known now, or ABSENT."""
        return self.whole().value(slot, at(valid_at) if valid_at else self.now)

    def whole(self) -> CustomerFile:
        return CustomerFile.folded(self.customer_id, self.events, self.now)

    def _set_clock(self, now: str | None) -> None:
        self.now = at(now) if now else self.now + timedelta(hours=1)

    def _changes(self, commands: Sequence[Command], stated: Mapping[str, Any]) -> list[Change]:
        fields = {**EVERYTHING_STATED, "observed_at": self.now, **stated}
        circumstances = Circumstances(**{name: at(v) if _is_time(name, v) else v for name, v in fields.items()})
        places = [""] if len(commands) == 1 else [f"/changes/{index}" for index in range(len(commands))]
        new_id = map(UUID, self._new_ids())
        return [
            Change(command.with_ids(lambda: next(new_id)), circumstances, place)
            for command, place in zip(commands, places, strict=True)
        ]

    def _new_ids(self) -> Sequence[str]:
        self._ids += 100
        return [str(uid(number)) for number in range(self._ids, self._ids + 100)]

    def _decide(self, changes: Sequence[Change], by: Actor) -> Events:
        order = Order(self.customer_id, tuple(changes), by)
        self._ids += 100
        try:
            _, events = self._attempt(order, self.whole())
        except Refusal as refusal:
            self._agree(order, refusal)
            raise
        self._agree(order, events)
        return events

    def _attempt(self, order: Order, file: CustomerFile) -> tuple[CustomerFile, Events]:
        numbers = count(self._ids)
        return record(order, file, self.now, lambda: uid(next(numbers)), self.holders, policy=self.policy)

    def _agree(self, order: Order, expected: Events | Refusal) -> None:
        """The kept slots decide as the whole history does, unless they ask for it."""
        row = self.row.copy()
        row.advance(self.now)
        outcome: Events | Refusal
        try:
            _, outcome = self._attempt(order, row)
        except HistoryNeeded:
            return
        except Refusal as refusal:
            outcome = refusal
        if isinstance(expected, Refusal):
            assert isinstance(outcome, Refusal)
            assert (type(outcome), outcome.fields) == (type(expected), expected.fields)
        else:
            assert outcome == expected

    def _accept(self, events: Sequence[RecordedEvent], now: datetime) -> None:
        self.events += events
        self.now = now
        try:
            for event in events:
                self.row.advance(event.envelope.recorded_at)
                self.row.apply(event)
        except HistoryNeeded:
            self.row = self.whole().copy()
        same_file(self.row, self.whole())


def opened(*, owner: str | None = "u-204", contact: bool = True, **registration: Any) -> Story:
    """A file with a name, an owner and a first contact (u(10), point u(11))."""
    story = Story()
    points = [{"point_id": uid(11), "kind": "PHONE", "value": PHONE}]
    body = {
        "customer_kind": CustomerKind.ORGANISATION,
        "name": "深圳市腾讯计算机系统有限公司",
        "owner": owner,
        "contact": FirstContact(name="Li Lei", points=points) if contact else None,
        **registration,
    }
    commands = [command for _, command in Registration(**body).commands(initial_load=not contact)]
    ready = [c.model_copy(update={"contact_id": uid(10)}) if "points" in type(c).model_fields else c for c in commands]
    story.do(*ready, now="2026-01-05T09:00")
    return story


def same_file(left: CustomerFile, right: CustomerFile) -> None:
    """Everything that the next decision or the reader of the present can see is the same."""
    for name in (
        "version",
        "profile_version",
        "boundaries",
        "kind",
        "archived",
        "requests",
        "registered_at",
        "privacy",
        "proposals",
    ):
        assert getattr(left, name) == getattr(right, name), name
    assert left.slots == right.slots
    assert left.claims() == right.claims()
    assert left.effective_since == right.effective_since
    assert left.next_boundary() == right.next_boundary()


def _is_time(name: str, value: Any) -> bool:
    return isinstance(value, str) and name in ("effective_from", "effective_to", "observed_at")
