"""Who read what: the events of the read ledger.

They stand in streams of their own, one per process and day (AccessLog). The actor of such an event is the process that
kept the record; who read is said in its views. What must stay true: a view names customers by their ids and shows none
of their values; what was asked for is kept without the values that were searched for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import Field, Strict, StringConstraints
from pydantic_core import PydanticCustomError

from domain.events.base import declare
from domain.events.envelope import ActorKind, TraceId
from domain.events.service import ServicePayload
from domain.purposes import Purpose
from domain.slots import Sensitivity
from domain.values import Instant, JsonContent, StaffId, Value

MOST_CUSTOMERS: Final = 1000
"""So many customers are named by one view; of an answer about more there are further events."""
MOST_VIEWS: Final = 1000
"""So many views stand in one event."""

Count = Annotated[int, Strict(), Field(ge=0)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ReadKind(StrEnum):
    """VIEW: of a file. EXPORT: as a table that leaves. SEARCH: across files. EVIDENCE: as proof for an outsider."""

    VIEW = "VIEW"
    EXPORT = "EXPORT"
    SEARCH = "SEARCH"
    EVIDENCE = "EVIDENCE"


class ReadOf(StrEnum):
    """Which view of a file, or of many, was asked for."""

    PROFILE = "PROFILE"
    HISTORY = "HISTORY"
    BLAME = "BLAME"
    DIFF = "DIFF"
    TIMELINE = "TIMELINE"
    KNOWLEDGE = "KNOWLEDGE"
    REPLAY = "REPLAY"
    ERASURES = "ERASURES"
    CUSTOMERS = "CUSTOMERS"
    IDENTIFIER = "IDENTIFIER"
    PORTFOLIO = "PORTFOLIO"
    PORTFOLIO_DIFF = "PORTFOLIO_DIFF"
    AUDIT_TRAIL = "AUDIT_TRAIL"
    EVIDENCE_PACK = "EVIDENCE_PACK"
    RECEIPT = "RECEIPT"
    APPROVALS = "APPROVALS"
    IDEMPOTENCY_KEY = "IDEMPOTENCY_KEY"
    ACCESSES = "ACCESSES"


class ReadBasis(Value):
    """As of when a file was shown. Where nothing is stated it is the file as it was when it was read."""

    position: Annotated[int, Strict(), Field(ge=0)] | None = None
    known_at: Instant | None = None
    valid_at: Instant | None = None


class Seen(Value):
    """A customer whose data was shown; `times` where it was more often than once, `request_id` of the last time."""

    customer_id: UUID
    times: Annotated[int, Strict(), Field(ge=2)] | None = None
    request_id: TraceId | None = None


class Answered(Value):
    """What an answer about many was: how many rows, their content hash where it has one, and what had been asked.

    `rows` is null where they were not counted before they were sent; another view then follows. `part` of `parts`: the
    customers of one answer go on in further views. Of more rows than can be named nobody is.
    """

    rows: Count | None = None
    sha256: _Sha256 | None = None
    question: JsonContent = None
    request_id: TraceId | None = None
    part: Annotated[int, Strict(), Field(ge=1)] = 1
    parts: Annotated[int, Strict(), Field(ge=1)] = 1

    def model_post_init(self, _context: object) -> None:
        if self.part > self.parts:
            raise PydanticCustomError("part", "a part lies within the parts")


class View(Value):
    """One reading, or several alike: by whom, what for, what of which customers, and the highest class shown."""

    principal: StaffId
    principal_kind: ActorKind = ActorKind.HUMAN
    on_behalf_of: StaffId | None = None
    kind: ReadKind
    of: ReadOf
    highest: Sensitivity
    basis: ReadBasis | None = None
    purpose: Purpose | None = None
    seen: Annotated[tuple[Seen, ...], Field(max_length=MOST_CUSTOMERS)] = ()
    answered: Answered | None = None


class AccessPayload(ServicePayload):
    """Base of the read ledger's events. `views` and when they were: not before `since`, not after `until`.

    Not abstract properties: in a subclass these may be fields, which an abstract class does not take for them.
    """

    @property
    def views(self) -> Sequence[View]:
        raise NotImplementedError

    @property
    def since(self) -> datetime:
        raise NotImplementedError

    @property
    def until(self) -> datetime:
        raise NotImplementedError


class _OneView(AccessPayload):
    """`at` is the reading process's clock, as are the times of all these events."""

    at: Instant
    view: View

    @property
    def views(self) -> Sequence[View]:
        return (self.view,)

    @property
    def since(self) -> datetime:
        return self.at

    @property
    def until(self) -> datetime:
        return self.at


@declare
class ProfileViewed(_OneView):
    type: ClassVar[str] = "access.profile-viewed"


@declare
class SensitiveDataViewed(_OneView):
    """Values of the class SENSITIVE were shown in clear; recorded before they were."""

    type: ClassVar[str] = "access.sensitive-data-viewed"


@declare
class ProfileExported(_OneView):
    """Data left as a table or as an evidence pack."""

    type: ClassVar[str] = "access.profile-exported"


@declare
class SearchRun(_OneView):
    """A question across files was answered."""

    type: ClassVar[str] = "access.search-run"


@declare
class ProfilesViewed(AccessPayload):
    """All views of one process between two instants, about a second apart; those that are alike stand together."""

    type: ClassVar[str] = "access.profiles-viewed"

    began_at: Instant
    ended_at: Instant
    viewed: Annotated[tuple[View, ...], Field(min_length=1, max_length=MOST_VIEWS)]

    @property
    def views(self) -> Sequence[View]:
        return self.viewed

    @property
    def since(self) -> datetime:
        return self.began_at

    @property
    def until(self) -> datetime:
        return self.ended_at
