"""What answers look like, for the OpenAPI document and for whoever reads it.

Answers are made as bytes, not through these models; every answer of every scenario test is held against them.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

from domain.access import Action
from domain.events.access import ReadKind, ReadOf
from domain.events.contacts import BuyingRole, ContactPointKind, Geo, Usage
from domain.events.envelope import Actor, ActorKind, Certainty, Proposed, SourceKind
from domain.events.lifecycle import CustomerKind
from domain.events.needs import NeedOutcome
from domain.events.privacy import HoldBasis, LegalBasis
from domain.events.quality import VerificationMethod, VerificationResult
from domain.events.staff import StaffKind
from domain.pending import RequestKind
from domain.policy_file import RevisionState
from domain.purposes import PurposeCode
from domain.slots import Sensitivity

ChangeKind = Literal["CHANGE", "CORRECTION", "LATE"]
FileState = Literal["LIVE", "ARCHIVED"]


class Answer(BaseModel):
    """Base of the models of answers."""

    model_config = ConfigDict(extra="forbid")


class Masked(Answer):
    """Stands where there is a value that the caller's roles and scopes do not show, of that class."""

    masked: Literal[True]
    class_: Sensitivity = Field(alias="class")


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
    events: list[RecordedEvent] = []
    entry_hashes: list[str] = []
    receipts: list[Receipt] = []
    dry_run: bool = False


class LogPosition(Answer):
    position: int


class Basis(Answer):
    """Which events are known (up to `position`) and which instant is shown; null: the present, ahead of the log.

    `stable`: the same question will get the same answer for ever.
    """

    known_at: AwareDatetime
    position: int | None
    valid_at: AwareDatetime
    stable: bool


class ProfileBasis(Basis):
    """`version` is that of the file's last event known."""

    version: int


class Identifier(Answer):
    issuer: str | None = None
    issued_on: str | None = None
    expires_on: str | None = None


class Address(Answer):
    country: str
    region: str | None = None
    city: str | None = None
    district: str | None = None
    lines: list[str] = []
    postcode: str | None = None
    geo: Geo | None = None


class Erased(Answer):
    """Stands where a value was erased, at every moment that is asked about; `by` is the event that erased it."""

    erased: Literal[True]
    by: UUID


class ContactPoint(Answer):
    kind: ContactPointKind
    value: str | Erased
    usage: Usage
    verified: bool
    number_type: str | None = None


class Contact(Answer):
    name: str | Erased | Masked | None = None
    title: str | Erased | Masked | None = None
    department: str | Erased | Masked | None = None
    buying_role: BuyingRole | Erased | Masked | None = None
    points: dict[UUID, ContactPoint | Masked] = {}


class PlannedBudget(Answer):
    """Amounts are decimal text."""

    min: str
    max: str
    currency: str
    approximate: bool


class Need(Answer):
    statement: str | Masked | None = None
    pain_point: str | Masked | None = None
    concerns: list[str] | Masked = []
    budget: PlannedBudget | Masked | None = None
    decision_cycle: str | Masked | None = None
    required_by: str | Masked | None = None
    outcome: NeedOutcome | Masked | None = None


class Tier(Answer):
    code: str


class PendingValue(Answer):
    """What will come to hold a slot; `absent` where its value will be taken away."""

    path: str
    value: Any = None
    absent: Literal[True] | None = None
    effective_from: AwareDatetime
    effective_to: AwareDatetime | None
    version: int


class AwaitedRequest(Answer):
    """What waits for a second person. `paths`: the slots that it would move; `subject`: whom it is about.

    `approved_by`: it is approved, and waits for the last hold to be lifted.
    """

    kind: RequestKind
    request_id: UUID
    requester: str
    requester_for: str | None
    reason: str | Masked | None
    expires_at: AwareDatetime | None
    event_id: UUID
    version: int
    paths: list[str]
    commands: list[str] = Field(description="Of a proposal, the events that it would record")
    subject: UUID | None
    approved_by: str | None


class Approval(AwaitedRequest):
    """One of all files. `can_decide`: nothing speaks against the caller's deciding it. `position`: its event's."""

    customer_id: UUID
    recorded_at: AwareDatetime
    position: int
    owner: str | None = Field(description="Who manages the account, and so cannot decide")
    can_decide: bool


class OpenTierRequest(Answer):
    request_id: UUID
    scheme: str
    from_code: str | Masked | None
    to_code: str | Masked
    takes_effect: AwareDatetime | None
    expires_at: AwareDatetime
    requester: str
    requester_for: str | None
    event_id: UUID
    version: int
    reason: str | Masked | None


class Profile(Answer):
    """One file at one moment. A slot `/a/b` stands at that place in this object; what is empty is left out.

    Where the caller may not see a value stands {"masked": true, "class": ...}, here as in every other answer.
    `erased` stands in a file whose customer was erased, and with it everything else that the file had said.
    """

    customer_id: UUID
    customer_kind: CustomerKind | None = Field(description="Null once the customer was erased")
    erased: Erased | None = None
    file_state: FileState
    existence: Literal["EFFECTIVE", "NOT_EFFECTIVE"]
    display_name: str | Masked | None
    basis: ProfileBasis
    identity: dict[str, str | Masked] = {}
    identifiers: dict[str, dict[str, Identifier | Masked]] = Field(
        {}, description="By scheme and value; * stands for values that are masked"
    )
    addresses: dict[str, Address | Masked] = {}
    contacts: dict[UUID, Contact] = {}
    primary_contact: UUID | Masked | None = None
    needs: dict[UUID, Need] = {}
    tier: dict[str, Tier | Masked] = {}
    owner: dict[str, str | Masked] = {}
    tags: dict[str, dict[str, Literal[True] | Masked]] = {}
    attributes: dict[str, Any] = {}
    pending: list[AwaitedRequest | PendingValue] = Field(
        description="What waits for a second person, oldest first; then what comes to hold later than valid_at, soonest"
        " first; at most 10"
    )
    more_pending: bool = Field(description="Whether more is pending than is listed")
    requests: list[OpenTierRequest]
    provenance: str = Field(description="Where to read who set what of this")


class ErasureStep(Answer):
    at: AwareDatetime
    by: str = Field(description="A staff id")
    event_id: UUID


class ErasureAsked(ErasureStep):
    reason: str | Masked | None


class ErasureDecided(ErasureStep):
    comment: str | Masked | None


class ErasureDone(ErasureStep):
    version: int
    position: int
    fields: list[str] = Field(description="The slots that had shown the subject's values; / for the whole file")


class FileErasure(Answer):
    """A request for erasure with its certificate. APPROVED: it waits for the last hold to be lifted."""

    request_id: UUID
    subject: UUID
    legal_basis: LegalBasis
    state: Literal["REQUESTED", "APPROVED", "REJECTED", "WITHDRAWN", "SUPERSEDED", "ERASED"]
    requested: ErasureAsked
    decided: ErasureDecided | None
    erased: ErasureDone | None
    unreadable_since: AwareDatetime | None = Field(description="When the last copy of the key was out of use")
    scrubbed_since: AwareDatetime | None = Field(description="When deleted rows had left the database's files, too")
    residue: list[str] = Field(description="What may still hold something of it, as of now")


class FileHold(Answer):
    hold_id: UUID
    basis: HoldBasis
    reference: str | Masked
    placed: ErasureAsked


class FileErasures(Answer):
    """As known at `position`; what was carried out is as of now. `holds` are those in force."""

    customer_id: UUID
    position: int
    erasures: list[FileErasure]
    holds: list[FileHold]


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
    """An event with its whole envelope and its place in the log."""

    customer_id: UUID
    version: int
    position: int
    event_id: UUID
    type: str
    decision: bool
    recorded_at: AwareDatetime
    observed_at: AwareDatetime | None
    effective_from: AwareDatetime | None
    effective_to: AwareDatetime | None
    actor: Actor
    source: Source | None
    reason: Reason | None
    evidence: list[Evidence]
    certainty: Certainty
    probability: float | None
    correlation_id: str | None
    causation_id: str | None
    request_id: str | None
    idempotency_key: str | None
    policy_version: int
    initial_load: bool
    corrects: UUID | None
    retracts: UUID | None
    proposed: Proposed | None = Field(None, description="The proposal it follows from, if one; the actor agreed to it")
    data: dict[str, Any] | Masked


class HistoryItem(RecordedInLog):
    """An event with what it did to which slots."""

    changes: list[SlotChange]


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


class ListedCustomer(Answer):
    customer_id: UUID
    display_name: str | Masked | None
    customer_kind: CustomerKind | None = Field(description="Null once the customer was erased")
    file_state: FileState
    tier: dict[str, str | Masked]
    owner: dict[str, str | Masked]


Item = TypeVar("Item")


class _Page(Answer, Generic[Item]):
    items: list[Item]
    next_page_token: str | None


class CustomerPage(_Page[ListedCustomer]):
    """By customer id."""


class PolicyBasis(Answer):
    """`version` is that of the last event known of the policy's own stream; 0 before the first."""

    known_at: AwareDatetime
    version: int


class PolicyEdition(Answer):
    """The edition in force. Of the first one, which came with the program, nobody proposed or agreed to anything."""

    name: str
    edition: int
    document: dict[str, Any]
    since: AwareDatetime | None
    revision_id: UUID | None
    proposed_by: str | None
    approved_by: str | None
    basis: PolicyBasis


class PolicyRevision(Answer):
    """A revision that was proposed; `edition` is the one that it came to be."""

    number: int
    revision_id: UUID
    based_on: int
    document: dict[str, Any]
    expires_at: AwareDatetime
    requester: str
    requester_for: str | None
    reason: str | None
    proposed_at: AwareDatetime
    state: RevisionState
    decided_by: str | None
    decided_at: AwareDatetime | None
    comment: str | None
    edition: int | None
    can_decide: bool


class PolicyRevisionPage(_Page[PolicyRevision]):
    """Oldest first."""


class PolicyEvent(Answer):
    event_id: UUID
    type: str
    version: int
    recorded_at: AwareDatetime
    data: dict[str, Any]


class PolicyRecorded(Answer):
    """`edition` is the one in force after it."""

    name: str
    edition: int
    version: int
    events: list[PolicyEvent]


class ApprovalPage(_Page[Approval]):
    """Oldest first, every page as of one position."""

    basis: LogPosition


class HistoryPage(_Page[HistoryItem]):
    basis: LogPosition


class TimelinePage(_Page[TimelineItem]):
    """By path, position_from and valid_from."""

    basis: LogPosition


class KnowledgePage(_Page[KnowledgeItem]):
    """By the position at which each value was first known."""

    basis: LogPosition


class BlamePage(_Page[BlameItem]):
    """By path; always one page."""

    basis: Basis


class AccessBasis(Answer):
    """As of when a file was shown; left out: as it was when it was read."""

    position: int | None = None
    known_at: AwareDatetime | None = None
    valid_at: AwareDatetime | None = None


class AccessAnswer(Answer):
    """An answer about many customers: how many rows, their content hash, what had been asked (but for who was sought).

    `part` of `parts`: its customers go on in further events.
    """

    rows: int | None = None
    sha256: str | None = None
    question: Any = None
    part: int
    parts: int


class AccessPurpose(Answer):
    code: PurposeCode
    text: str | None = None


class AccessItem(Answer):
    """One customer seen in one view, or a view that names nobody. `since` and `until`: it was in between.

    `stream`, `version` and `position` say which event of the log tells of it, as `event_id` does; `place` is the view
    in it. `highest` is the highest class that was shown, `times` how often.
    """

    position: int
    stream: UUID
    version: int
    place: int
    event_id: UUID
    type: str
    since: AwareDatetime
    until: AwareDatetime
    customer_id: UUID | None
    times: int
    request_id: str | None
    principal: str
    principal_kind: ActorKind
    on_behalf_of: str | None
    kind: ReadKind
    of: ReadOf
    highest: Sensitivity
    basis: AccessBasis | None
    purpose: AccessPurpose | None
    answered: AccessAnswer | None


class AccessPage(_Page[AccessItem]):
    """Who saw whom, in the order of the log up to `basis.position`."""

    basis: LogPosition


class Alive(Answer):
    status: Literal["alive"]


class ScrubberFinding(Answer):
    """What does not hold of the log: which check, where, in which way, and from which log index on."""

    check: str
    place: str
    detail: str
    index: int | None = None
    found_at: str | None = None


class ScrubberState(Answer):
    """How far the scrubber has looked in this lap, how many laps it has done, and the first fault that it found."""

    position: int
    laps: int
    looked_at: str | None
    oldest_unsealed_seconds: float | None
    finding: ScrubberFinding | None


class SigningRefusal(Answer):
    """Why the log is not signed; `index` is the first place that is known to be wrong, where one is known."""

    reason: str
    index: int | None
    since: AwareDatetime


class Ready(Answer):
    """How far the log is sealed and signed, and how far every read model has come.

    `damaged`: the service is at work, and what the scrubber has found, or why the log is not signed any more, must be
    looked into.
    """

    status: Literal["ready", "damaged"]
    unsealed: int
    sealed: int
    signed: int
    position: int
    unsigned_because: SigningRefusal | None
    scrubber: ScrubberState | None


class ProblemField(Answer):
    """`pointer` is a JSON Pointer into the body, or the name of a header or parameter."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `type` is urn:dossier:problem:<slug>; `invariant` the broken rule, where it has an id.

    `permission` is what the caller lacks, where that is why. `instance` is the path; a request that was refused before
    it was read has none.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    invariant: str | None = None
    permission: str | None = None
    errors: list[ProblemField] = []


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


class PortfolioBasis(Basis):
    """`content_sha256`: over the rows, one a line, as JSON with sorted keys and no blanks; of every format the same."""

    row_count: int
    content_sha256: str


class PortfolioPage(Answer):
    """Rows by column; null where a customer has no value. Of groups: what they have in common, then the measures.

    Sums and extremes are exact decimals, as text; null where there was no number.
    """

    items: list[dict[str, Any]]
    next_page_token: str | None
    basis: PortfolioBasis


class PortfolioMovement(Answer):
    """`from` and `to` are null where the customer is outside, or has no value; kinds are those of a Difference."""

    customer_id: UUID
    movement: Literal["ENTERED", "LEFT", "MOVED"]
    from_: Any = Field(alias="from")
    to: Any
    caused_by: list[Cause]
    effective_from: AwareDatetime | None
    kind: ChangeKind


class PortfolioMatrixCell(Answer):
    from_: Any = Field(alias="from")
    to: Any
    count: int


class PortfolioCounts(Answer):
    ENTERED: int
    LEFT: int
    MOVED: int


class PortfolioDifferences(Answer):
    """`matrix`: how many came from what to what, empty without a path; it and `counts` are of all pages."""

    items: list[PortfolioMovement]
    matrix: list[PortfolioMatrixCell]
    counts: PortfolioCounts
    next_page_token: str | None
    from_: Basis = Field(alias="from")
    to: Basis


class InclusionProof(Answer):
    """RFC 6962 2.1.1, hashes in base64, from the leaf's sibling up; `checkpoint` is the note that has the root."""

    position: int
    index: int
    leaf_hash: str
    hashes: list[str]
    checkpoint: str


class ConsistencyProof(Answer):
    """RFC 6962 2.1.2, hashes in base64; `checkpoint` is the signed note of the larger log."""

    from_size: int
    hashes: list[str]
    checkpoint: str


# Members of staff


class StaffDelegation(Answer):
    """`to` acts in the member's place, in the actions of `scope`; without any, in all that `to` may do anyway."""

    delegation_id: UUID
    to: str
    scope: list[Action]
    effective_from: AwareDatetime
    effective_to: AwareDatetime


class StaffTraining(Answer):
    training: str
    completed_on: date
    valid_until: date


class StaffMemberNow(Answer):
    """A member of staff. Delegations and trainings are those that hold."""

    subject: str
    name: str
    kind: StaffKind
    team: str | None
    active: bool
    roles: list[str]
    manager: str | None
    delegations: list[StaffDelegation]
    trainings: list[StaffTraining]


class StaffBasis(Answer):
    """As known at one moment, as true at another; `version`: the last event that was known."""

    known_at: AwareDatetime
    valid_at: AwareDatetime
    version: int


class StaffMember(StaffMemberNow):
    basis: StaffBasis


class StaffPage(_Page[StaffMemberNow]):
    pass


class StaffEvent(Answer):
    """What was recorded of a member of staff."""

    event_id: UUID
    type: str
    version: int
    recorded_at: AwareDatetime
    actor: Actor
    reason: Reason | None
    data: dict[str, Any]


class StaffHistoryPage(_Page[StaffEvent]):
    pass


class StaffRecorded(StaffEvent):
    """`stream`: under which the log has the events of this member."""

    subject: str
    stream: UUID
