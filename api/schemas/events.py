"""Events: as they are recorded, with their receipts, and as histories list them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.schemas.base import Answer, ChangeKind, LogPosition, Masked, Page
from domain.events.envelope import Actor, Certainty, Proposed, SourceKind


class Source(Answer):
    """Where the knowledge came from."""

    kind: SourceKind
    detail: str | Masked | None = None
    url: str | Masked | None = None
    batch_id: str | None = None
    row: int | None = None


class Reason(Answer):
    code: str | None = None
    text: str | Masked | None = None


class Evidence(Answer):
    document_id: UUID | None = None
    url: str | Masked | None = None
    sha256: str | None = None
    note: str | Masked | None = None


class RecordedEvent(Answer):
    """`masked_from`: from then on a later fact hides what this one says, so the present did not change."""

    event_id: UUID
    type: str
    version: int
    recorded_at: AwareDatetime
    effective_from: AwareDatetime | None
    effective_to: AwareDatetime | None
    masked_from: AwareDatetime | None = None
    data: dict[str, Any] | Masked


class Receipt(Answer):
    """Where the log has an event. `proof` is a C2SP tlog-proof: it leads from `entry_hash` to a signed checkpoint."""

    version: int
    position: int
    entry_hash: str
    proof: str


class EventReceipt(Receipt):
    customer_id: UUID


class Recorded(Answer):
    """`events` is left out with `Prefer: return=minimal`; `dry_run` says that nothing was stored.

    `entry_hashes`: the leaf hashes by which the log knows the events, in base64 and in the order of their versions,
    the last of which is `version`. `receipts` are there with `Prefer: wait=sealed` if they came in time.
    """

    customer_id: UUID
    version: int
    profile_version: int
    events: list[RecordedEvent] = Field([])
    entry_hashes: list[str] = Field([])
    receipts: list[Receipt] = Field([])
    dry_run: bool = False


class UsedIdempotencyKey(Answer):
    """`status` is what was answered at first; `position` is that of the last version, null while it is not sealed."""

    key: str
    actor: str
    customer_id: UUID
    first_version: int
    last_version: int
    status: int
    recorded_at: AwareDatetime
    position: int | None


class SlotChange(Answer):
    """`old` or `new` is left out where there was, or is, no value; null is a value."""

    path: str
    old: Any = None
    new: Any = None
    kind: ChangeKind


class RecordedInLog(Answer):
    """An event with its whole envelope and its place in the log; members that nobody stated are left out."""

    customer_id: UUID
    version: int
    position: int
    event_id: UUID
    type: str
    decision: bool
    recorded_at: AwareDatetime
    observed_at: AwareDatetime | None = None
    effective_from: AwareDatetime | None
    effective_to: AwareDatetime | None
    actor: Actor
    source: Source | None = None
    reason: Reason | None = None
    evidence: list[Evidence] = Field([])
    certainty: Certainty = Certainty.FACT
    probability: float | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    policy_version: int
    initial_load: bool = False
    corrects: UUID | None = None
    retracts: UUID | None = None
    proposed: Proposed | None = Field(None, description="The proposal it follows from, if one; the actor agreed to it")
    data: dict[str, Any] | Masked


class HistoryItem(RecordedInLog):
    """An event with what it did to which slots."""

    changes: list[SlotChange]


class HistoryPage(Page[HistoryItem]):
    basis: LogPosition
