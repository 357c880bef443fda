"""One customer over two times: blame, timeline, knowledge, differences, replay."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, RootModel

from api.schemas.base import Answer, Basis, ChangeKind, LogPosition, Masked, Page, Problem
from api.schemas.events import Evidence, Reason, RecordedInLog, Source
from domain.events.envelope import Certainty
from domain.events.quality import VerificationMethod, VerificationResult


class SetBy(Answer):
    """The event that holds a slot; `approved_by` is the second person, where one was needed."""

    event_id: UUID
    type: str
    version: int
    position: int
    recorded_at: AwareDatetime
    observed_at: AwareDatetime | None
    effective_from: AwareDatetime
    effective_to: AwareDatetime | None
    actor: str
    on_behalf_of: str | None
    source: Source | None
    reason: Reason | None
    evidence: list[Evidence]
    certainty: Certainty
    approved_by: str | None
    proposed_by: str | None = Field(None, description="Who had proposed it, where the second person recorded it")
    kind: ChangeKind


class PreviousValue(Answer):
    value: Any
    event_id: UUID
    version: int


class Verification(Answer):
    """The event that says that the value was checked: when, by whom, how, and what came of it."""

    event_id: UUID
    at: AwareDatetime
    by: str
    method: VerificationMethod
    result: VerificationResult


class BlameItem(Answer):
    """`previous` is what had shown before, at the time from which `set_by` is effective.

    `last_verified` is the last check of the value that `set_by` put there; earlier values' checks do not count.
    """

    customer_id: UUID
    path: str
    value: Any
    set_by: SetBy
    previous: PreviousValue | None
    last_verified: Verification | None


class EventInBrief(Answer):
    event_id: UUID
    type: str
    version: int
    position: int
    recorded_at: AwareDatetime
    actor: str


class TimelineItem(Answer):
    """What a slot says (`value`, or `absent`) in [valid_from, valid_to), as known at [position_from, position_to)."""

    customer_id: UUID
    path: str
    value: Any = None
    absent: Literal[True] | None = None
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    position_from: int
    position_to: int | None
    known_from: AwareDatetime
    known_to: AwareDatetime | None
    set_by: EventInBrief


class ValidPeriod(Answer):
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None


class TellingEvent(EventInBrief):
    observed_at: AwareDatetime | None
    on_behalf_of: str | None
    source: Source | None
    reason: Reason | None
    evidence: list[Evidence]
    certainty: Certainty


class Telling(Answer):
    """From `position` (sealed at `known_at`) on the slot held the value for the `valid` periods, told by `event`."""

    position: int
    known_at: AwareDatetime
    valid: list[ValidPeriod]
    event: TellingEvent


class Ending(Answer):
    """From `position` on the slot holds the value for no instant any more, because of `event`."""

    position: int
    known_at: AwareDatetime
    event: TellingEvent


class KnowledgeItem(Answer):
    """`first` and `last`: the first and the newest event that told the value. `ended` is null while it is believed."""

    customer_id: UUID
    path: str
    value: Any
    first: Telling
    last: Telling
    still_believed: bool
    ended: Ending | None


class Cause(Answer):
    event_id: UUID
    type: str
    version: int
    position: int
    actor: str
    approved_by: str | None
    reason: str | Masked | None


class Difference(Answer):
    """One step from `from` to `to`, as JSON Patch names them. LATE: effective before `from`, known only after."""

    op: Literal["add", "remove", "replace"]
    path: str
    from_: Any = Field(None, alias="from")
    to: Any = None
    caused_by: list[Cause]
    effective_from: AwareDatetime | None
    kind: ChangeKind


class Differences(Answer):
    customer_id: UUID
    axis: Literal["known", "valid"]
    from_: Basis = Field(alias="from")
    to: Basis
    changes: list[Difference]


class TimelinePage(Page[TimelineItem]):
    """By path, position_from and valid_from."""

    basis: LogPosition


class KnowledgePage(Page[KnowledgeItem]):
    """By the position at which each value was first known."""

    basis: LogPosition


class BlamePage(Page[BlameItem]):
    """By path; always one page."""

    basis: Basis


class ReplayStep(Answer):
    """What an event did to what showed at the instant at which it was recorded.

    A state hash is the SHA-256 of the canonical JSON (RFC 8785) of one object, slot to value. `event` is null where it
    cannot be read; the summary says why.
    """

    n: int
    position: int
    type: str | None
    event: RecordedInLog | None
    state_hash_before: str
    state_hash_after: str
    changed: list[str]


class ReplayProblem(Answer):
    version: int
    detail: str


class ReplaySummary(Answer):
    """`log_ok`: nothing of the stream is missing, altered or unreadable; else `problems` has the first 100."""

    events: int
    final_hash: str
    log_ok: bool
    problems: list[ReplayProblem]


class ReplayEnd(Answer):
    """The last line of a whole replay."""

    summary: ReplaySummary


class ReplayBroken(Answer):
    """The last line of a replay that the service had to break off."""

    problem: Problem


class ReplayLine(RootModel[ReplayStep | ReplayEnd | ReplayBroken]):
    """One line: a step, or the end."""
