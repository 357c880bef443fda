"""What an event is: an envelope and a payload, and how payloads declare themselves.

A payload class is one row of the event table (domain.md 2.3): its stored name, its marks, its fields, and, for
a fact, the slots that it asserts. Declaring the class is all it takes for the domain to know the event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from domain.erased import MayBeErased
from domain.events.envelope import Envelope
from domain.facts import Fact
from domain.values import Value

Assertion = tuple[str, Any]
"""A slot (JSON Pointer) and the JSON value, or ABSENT, that the event asserts for it."""


@dataclass(frozen=True, slots=True)
class Personal(MayBeErased):
    """Marks a field that belongs to a data subject of its own: the one named by the field `subject`.

    Unmarked fields belong to the customer. The ledger encrypts each subject's fields under that subject's key; of
    values that were erased it builds the event with an Erased in their place.
    """

    subject: str


class Payload(Value):
    """Base of all event contents. Subclasses set `type` (the stored name, for ever) and the marks.

    Marks: `decision` (happened when it happened, asserts no slot, no valid time), `major` (24-hour rule),
    `needs_reason`, `needs_evidence`, `outlives_erasure` (says nothing about anybody but that and why something was
    erased or kept: it stays readable when its customer is erased).
    """

    type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    decision: ClassVar[bool] = False
    major: ClassVar[bool] = False
    needs_reason: ClassVar[bool] = False
    needs_evidence: ClassVar[bool] = False
    outlives_erasure: ClassVar[bool] = False

    def assertions(self) -> Iterator[Assertion]:
        """The slots this event asserts, each once. A decision asserts none."""
        yield from ()

    def tells_of(self) -> Iterator[Assertion]:
        """The slots that it speaks of, and what it says of them: whoever may not see these may not read it."""
        return self.assertions()


@dataclass(frozen=True)
class RecordedEvent:
    """An event as it stands in the ledger. `originator_*` is how the eventsourcing library calls the stream.

    `has_skeleton`: it is kept beside others' personal values which of them there are, so that once they are erased it
    is known which slots they had filled. Events of before that was so lack it.
    """

    envelope: Envelope
    payload: Payload
    has_skeleton: bool = field(default=True, compare=False)

    @property
    def originator_id(self) -> UUID:
        return self.envelope.customer_id

    @property
    def originator_version(self) -> int:
        return self.envelope.version

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """The facts it asserts, at the rank of its own version; made once, as every part of a write asks for them."""
        return self.facts_ranked(self.envelope.version)

    def facts_ranked(self, rank: int) -> tuple[Fact, ...]:
        """The facts it asserts at another rank: a correction inherits its target's."""
        envelope = self.envelope
        start, end, version = envelope.effective_from, envelope.effective_to, envelope.version
        if start is None:
            return ()
        return tuple(Fact(slot, value, start, end, rank, version) for slot, value in self.payload.assertions())


EVENT_TYPES: dict[str, type[Payload]] = {}
"""Every declared payload class by its stored name; filled by `declare`, complete once `domain.events` is imported."""


PayloadClass = TypeVar("PayloadClass", bound=type[Payload])


def declare(payload_class: PayloadClass) -> PayloadClass:
    """Class decorator: enter a payload class into the table of event types."""
    if payload_class.type in EVENT_TYPES:
        raise ValueError(f"the stored name {payload_class.type} is taken")
    EVENT_TYPES[payload_class.type] = payload_class
    return payload_class
