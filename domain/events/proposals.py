"""Changes that one person proposes and another one agrees to (domain.md 2.4, I6).

What must stay true: what a proposal says of a person stands under that person's key, so that erasing them reaches it.
So it speaks of one data subject at most besides the customer, and all that it says of values belongs to that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import Field, StrictBool

from domain.erased import Erased
from domain.events.base import Assertion, Payload, Personal, declare
from domain.events.envelope import Circumstances
from domain.events.quality import SlotName
from domain.values import Instant, JsonContent, Line, Text, Value

MOST_PROPOSED: Final = 50


class ProposedChange(Value):
    """A command by the event that it would record, its own fields, and what was stated with it."""

    type: Line
    fields: dict[str, JsonContent]
    circumstances: Circumstances


class SeenValue(Value):
    """What stood in a slot when the change was proposed, and the version that had put it there; null: nothing did.

    `valid_at`: from when on the change would move the slot; None: from when it is agreed to.
    """

    slot: SlotName
    valid_at: Instant | None = None
    absent: StrictBool = False
    value: JsonContent = None
    version: Annotated[int, Field(ge=1)] | None = None


@declare
class ChangeProposed(Payload):
    """`slots` are those that the changes would move. `subject`: whom they speak of, a contact person or the customer.

    `changes` and `seen` belong to the subject.
    """

    type: ClassVar[str] = "customer.change-proposed"
    decision: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True

    proposal_id: UUID
    subject: UUID
    commands: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MOST_PROPOSED)]
    slots: tuple[SlotName, ...] = ()
    changes: Annotated[tuple[ProposedChange, ...], Personal("subject")]
    seen: Annotated[tuple[SeenValue, ...], Personal("subject")] = ()
    expires_at: datetime

    def tells_of(self) -> Iterator[Assertion]:
        seen = {} if isinstance(self.seen, Erased) else {each.slot: each.value for each in self.seen}
        return ((slot, seen.get(slot)) for slot in self.slots)


class _Answered(Payload):
    decision: ClassVar[bool] = True

    proposal_id: UUID
    comment: Text | None = None


@declare
class ProposalApproved(_Answered):
    """The events of the proposed changes follow it at once."""

    type: ClassVar[str] = "customer.proposal-approved"


@declare
class ProposalRejected(_Answered):
    type: ClassVar[str] = "customer.proposal-rejected"


@declare
class ProposalWithdrawn(_Answered):
    type: ClassVar[str] = "customer.proposal-withdrawn"
