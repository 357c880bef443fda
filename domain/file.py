"""A customer's file as the writer holds it: enough to decide the next command, and to show the present.

It keeps per slot the segments that matter from `as_of` on (time.md: the holder, what follows it, what is
pending), the decisions still open, and the numbers behind the ETag. Invariant: for any instant at or after a
slot's first kept segment it says what the whole history says; for an earlier one it raises HistoryNeeded,
unless the whole history is at hand (`history`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.errors import HistoryNeeded
from domain.events.base import RecordedEvent
from domain.events.classification import (
    TierReassignmentApproved,
    TierReassignmentRejected,
    TierReassignmentRequested,
    TierReassignmentWithdrawn,
)
from domain.events.lifecycle import CustomerArchived, CustomerKind, CustomerRegistered, CustomerReinstated
from domain.events.privacy import ErasedContent, LegalHoldLifted, LegalHoldPlaced, PersonalDataErased
from domain.facts import ABSENT, Fact, Segment, Timeline, from_instant, holder_at, with_fact
from domain.fold import History, visible
from domain.privacy import Privacy
from domain.proposals import Proposals
from domain.proposals import after as proposals_after
from domain.slots import parent_of, segments_of
from domain.values import EARLIEST, LATEST


@dataclass(frozen=True, slots=True)
class TierRequest:
    """An open request for a second person's decision."""

    request_id: UUID
    scheme: str
    from_code: str | None
    to_code: str
    takes_effect: datetime | None
    expires_at: datetime
    requester: str
    requester_for: str | None
    event_id: UUID
    version: int
    reason: str | None = None


@dataclass(slots=True)
class CustomerFile:
    """One customer's file, folded forward to `as_of`.

    `version` is the stream's head, 0 before registration. `profile_version` is the version of the last event
    that changed the profile document; `boundaries` counts the valid-time boundaries passed since then.
    """

    customer_id: UUID
    as_of: datetime
    version: int = 0
    profile_version: int = 0
    boundaries: int = 0
    kind: CustomerKind | None = None
    archived: bool = False
    registered_at: datetime | None = None
    effective_since: datetime | None = None
    requests: dict[UUID, TierRequest] = field(default_factory=dict)
    slots: MutableMapping[str, Timeline] = field(default_factory=dict)
    history: History | None = None
    privacy: Privacy = field(default_factory=Privacy)
    proposals: Proposals = field(default_factory=dict)
    quiet_until: datetime = field(default=EARLIEST, compare=False)
    """No boundary lies after `as_of` and before this: a bound, so that most files need not be searched for one."""

    @classmethod
    def folded(
        cls,
        customer_id: UUID,
        events: Iterable[RecordedEvent],
        as_of: datetime | None = None,
        *,
        keep_history: bool = True,
    ) -> CustomerFile:
        """The file from its whole stream, `as_of` (default: when the last event was recorded).

        Without its history it costs a third less; HistoryNeeded where something is taken back, erased or reaches far
        back.
        """
        customer = cls(customer_id, as_of=EARLIEST, history=History() if keep_history else None)
        for event in events:
            customer.advance(event.envelope.recorded_at)
            customer.apply(event)
        if as_of is not None:
            customer.advance(as_of)
        return customer

    def copy(self) -> CustomerFile:
        """A draft that can be changed and thrown away. A history is folded anew by whoever needs one."""
        return CustomerFile(
            self.customer_id,
            self.as_of,
            self.version,
            self.profile_version,
            self.boundaries,
            self.kind,
            self.archived,
            self.registered_at,
            self.effective_since,
            dict(self.requests),
            copy(self.slots),
            privacy=self.privacy,
            proposals=self.proposals,
            quiet_until=self.quiet_until,
        )

    def trial(self) -> CustomerFile:
        """A copy with its history, if there is one: for finding out what would happen."""
        trial = self.copy()
        trial.history = None if self.history is None else self.history.copy()
        return trial

    # Reading

    @property
    def is_erased(self) -> bool:
        """Whether the customer itself was erased, and with it everything that the file had said."""
        return self.customer_id in self.privacy.erased

    @property
    def revision(self) -> str:
        """Names what the profile shows: two files of one customer with the same revision show the same."""
        return f"{self.profile_version}.{self.boundaries}"

    def holder(self, slot: str, valid_at: datetime) -> Fact | None:
        """The fact that holds `slot` at `valid_at`. HistoryNeeded if that lies before what is kept."""
        if self.history is not None:
            return self.history.holder(slot, valid_at)
        segments = self.slots.get(slot, ())
        if segments and valid_at < segments[0].start:
            raise HistoryNeeded(slot)
        return holder_at(segments, valid_at)

    def value(self, slot: str, valid_at: datetime) -> Any:
        """The value that shows at `valid_at`, or ABSENT."""
        parent = parent_of(slot)
        if parent is not None and self.value(parent, valid_at) is ABSENT:
            return ABSENT
        fact = self.holder(slot, valid_at)
        return ABSENT if fact is None else fact.value

    def timeline(self, slot: str, since: datetime) -> Timeline:
        """The kept segments of `slot`, known to be complete from `since` on, else HistoryNeeded."""
        if self.history is not None:
            return self.history.timeline(slot)
        segments = self.slots.get(slot, ())
        if segments and since < segments[0].start:
            raise HistoryNeeded(slot)
        return segments

    def visible(self, valid_at: datetime) -> dict[str, Fact]:
        """What the profile shows at `valid_at`, which must not lie before `as_of`."""
        holders = {slot: holder_at(segments, valid_at) for slot, segments in self.slots.items()}
        return visible({slot: fact for slot, fact in holders.items() if fact})

    def below(self, prefix: str, valid_at: datetime) -> list[str]:
        """The slots under `prefix` that show at `valid_at`."""
        candidates = self.slots if self.history is None else self.history.slots
        return [slot for slot in candidates if slot.startswith(prefix) and self.value(slot, valid_at) is not ABSENT]

    def pending(self, valid_at: datetime) -> list[Segment]:
        """What will come to hold later than `valid_at`, soonest first."""
        upcoming = [segment for segments in self.slots.values() for segment in segments if segment.start > valid_at]
        return sorted(upcoming, key=lambda segment: (segment.start, segment.fact.slot))

    def claims(self) -> set[tuple[str, str]]:
        """The identifiers this file holds (rule I4): recorded, not revoked, whatever their valid time.

        Only events change them, never the clock: an order that leaves lapsing claims is refused.
        """
        return {_identifier(slot) for slot, segments in self._identifiers() if _holds_a_value(segments)}

    def lapsing_claims(self) -> set[tuple[str, str]]:
        """The identifiers that would be given up without an event, where an earlier revocation comes to hold again."""
        return {
            _identifier(slot)
            for slot, segments in self._identifiers()
            if segments[-1].fact.value is ABSENT and segments[-1].start > self.as_of and _holds_a_value(segments)
        }

    def _identifiers(self) -> Iterator[tuple[str, Timeline]]:
        return ((slot, segments) for slot, segments in self.slots.items() if slot.startswith("/identifiers/"))

    def boundaries_between(self, after: datetime, until: datetime) -> int:
        """How many valid-time boundaries lie in (after, until]: each may change what the profile shows."""
        return len({instant for instant in self._boundaries() if after < instant <= until})

    def next_boundary(self) -> datetime | None:
        """The first valid-time boundary after `as_of`: until then the profile shows the same."""
        if self.quiet_until == LATEST:
            return None
        found = min((instant for instant in self._boundaries() if instant > self.as_of), default=None)
        self.quiet_until = found or LATEST
        return found

    def _boundaries(self) -> Iterable[datetime]:
        for segments in self.slots.values():
            for segment in segments:
                yield segment.start
                if segment.end is not None:
                    yield segment.end

    # Changing

    def advance(self, now: datetime) -> None:
        """Fold forward to `now`: count the boundaries passed and let go of what can no longer matter."""
        if now <= self.as_of:
            return
        due = self.next_boundary() if now >= self.quiet_until else None
        if due is not None and due <= now:
            self.boundaries += self.boundaries_between(self.as_of, now)
            self.slots = {slot: from_instant(segments, now) for slot, segments in self.slots.items()}
            self.quiet_until = EARLIEST
        self.as_of = now

    def apply(self, event: RecordedEvent) -> None:
        """Take one recorded event in. Call `advance(recorded_at)` first."""
        changed = self._apply_facts(event)
        if event.payload.decision:
            changed |= self._apply_decision(event)
        self.version = event.envelope.version
        if changed:
            self.profile_version = self.version
            self.boundaries = 0

    def _apply_facts(self, event: RecordedEvent) -> bool:
        envelope = event.envelope
        touched = None if self.history is None else self.history.apply(event)
        if envelope.corrects or envelope.retracts or isinstance(event.payload, PersonalDataErased):
            if touched is None:
                raise HistoryNeeded("/")
            changed = self._take_over(touched)
        else:
            changed = False
            for fact in event.facts:
                changed |= self._set(fact.slot, self._joined_by(fact))
            if envelope.effective_from is not None:
                self._note_effective(envelope.effective_from)
        return changed

    def _joined_by(self, fact: Fact) -> Timeline:
        """The timeline of a fact's slot after it joins: from what is kept, unless the fact reaches back further."""
        segments = self.slots.get(fact.slot, ())
        if not segments or segments[0].start <= fact.effective_from:
            return with_fact(segments, fact)
        if self.history is None:
            raise HistoryNeeded(fact.slot)
        return self.history.timeline(fact.slot)

    def _take_over(self, touched: set[str]) -> bool:
        assert self.history is not None  # noqa: S101 - only called with a history
        changed = [self._set(slot, self.history.timeline(slot)) for slot in touched]
        self.effective_since = self.history.first_effective()
        return any(changed)

    def _set(self, slot: str, segments: Timeline) -> bool:
        before, kept = self.slots.get(slot, ()), from_instant(segments, self.as_of)
        if kept == before:
            return False
        if kept:
            self.slots[slot] = kept
            self._note_boundaries(kept)
        else:
            self.slots.pop(slot, None)
        return self._still_shows(before) != self._still_shows(kept)

    def _still_shows(self, segments: Timeline) -> list[tuple[datetime, datetime | None, Fact]]:
        """What the segments say from `as_of` on: a change to the past alone leaves the profile as it was."""
        return [
            (max(segment.start, self.as_of), segment.end, segment.fact)
            for segment in segments
            if segment.end is None or segment.end > self.as_of
        ]

    def _note_boundaries(self, segments: Timeline) -> None:
        for segment in segments:
            for instant in (segment.start, segment.end):
                if instant is not None and self.as_of < instant < self.quiet_until:
                    self.quiet_until = instant

    def _note_effective(self, instant: datetime) -> None:
        if self.effective_since is None or instant < self.effective_since:
            self.effective_since = instant

    def _apply_decision(self, event: RecordedEvent) -> bool:
        envelope = event.envelope
        proposals = proposals_after(self.proposals, event)
        if proposals is not None:
            self.proposals = proposals
        privacy = self.privacy.after(event)
        if privacy is not None:
            self.privacy = privacy
            if self.is_erased:
                self.kind, self.requests = None, {}
            return not isinstance(event.payload, LegalHoldPlaced | LegalHoldLifted)  # the profile shows no holds
        match event.payload:
            case CustomerRegistered(customer_kind=kind):
                self.kind, self.registered_at = kind, envelope.recorded_at
            case ErasedContent(type=CustomerRegistered.type):
                self.registered_at = envelope.recorded_at
            case CustomerArchived() | ErasedContent(type=CustomerArchived.type):
                self.archived = True
            case CustomerReinstated() | ErasedContent(type=CustomerReinstated.type):
                self.archived = False
            case TierReassignmentRequested() as request:
                self.requests[request.request_id] = _open(request, event)
            case (
                TierReassignmentApproved(request_id=request_id)
                | TierReassignmentRejected(request_id=request_id)
                | TierReassignmentWithdrawn(request_id=request_id)
            ):
                self.requests.pop(request_id, None)
            case _:
                return proposals is not None
        return True


def _identifier(slot: str) -> tuple[str, str]:
    _, scheme, value = segments_of(slot)
    return scheme, value


def _holds_a_value(segments: Timeline) -> bool:
    return any(segment.fact.value is not ABSENT for segment in segments)


def _open(request: TierReassignmentRequested, event: RecordedEvent) -> TierRequest:
    envelope = event.envelope
    return TierRequest(
        request.request_id,
        request.scheme,
        request.from_code,
        request.to_code,
        request.takes_effect,
        request.expires_at,
        envelope.actor.id,
        envelope.actor.on_behalf_of,
        envelope.event_id,
        envelope.version,
        envelope.reason.text if envelope.reason else None,
    )
