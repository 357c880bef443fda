"""What views become when they are written down: the events of the read ledger, of bounded size each.

Owns what is kept of a view until then. What must stay true: every view that was gathered is in one event, with how
often it was; whoever is named is named once by a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.events import ActorKind
from domain.events.access import (
    MOST_CUSTOMERS,
    AccessPayload,
    Answered,
    ProfileExported,
    ProfilesViewed,
    ProfileViewed,
    ReadBasis,
    ReadKind,
    ReadOf,
    SearchRun,
    Seen,
    SensitiveDataViewed,
    View,
)
from domain.purposes import Purpose, PurposeCode
from domain.slots import Sensitivity

_VIEWS_PER_EVENT: Final = 500


class Reader(NamedTuple):
    id: str
    kind: ActorKind
    on_behalf_of: str | None


class Reading(NamedTuple):
    """What views that are alike have in common. `basis`: position, known_at, valid_at; None: the current file."""

    reader: Reader
    kind: ReadKind
    of: ReadOf
    highest: Sensitivity
    basis: tuple[int | None, datetime | None, datetime | None] | None
    purpose: tuple[str, str | None] | None


class Shown(NamedTuple):
    """An answer about many: whose rows it had, as far as they are named, how many, their hash, what had been asked."""

    customer_ids: Sequence[UUID | str]
    rows: int | None
    sha256: str | None = None
    question: Any = None
    request_id: str | None = None


@dataclass(slots=True)
class Turn:
    """What was gathered between two instants. `views`: how often; `request_ids`: of the last time, where stated.

    A dictionary within a dictionary, and numbers in it: for what else it might hold the garbage collector would come
    by every few hundred views, which costs more than they do.
    """

    began: float
    views: dict[Reading, dict[UUID, int]] = field(default_factory=dict)
    request_ids: dict[tuple[Reading, UUID], str] = field(default_factory=dict)
    viewed: int = 0
    answers: list[tuple[float, Reading, Shown]] = field(default_factory=list)
    named: int = 0
    ended: float = 0.0

    def __len__(self) -> int:
        return self.viewed + self.named + len(self.answers)


def events_in(turn: Turn) -> Iterator[AccessPayload]:
    began, ended = _instant(turn.began), _instant(max(turn.ended, turn.began))
    seen: dict[Reading, list[Seen]] = {}
    for reading, customers in turn.views.items():
        of_reading = seen[reading] = []
        for customer_id, times in customers.items():
            stated: dict[str, Any] = {} if times == 1 else {"times": times}
            if (request_id := turn.request_ids.get((reading, customer_id))) is not None:
                stated["request_id"] = request_id
            of_reading.append(Seen(customer_id=customer_id, **stated))
    views = [
        _view(reading, of_reading[first : first + MOST_CUSTOMERS])
        for reading, of_reading in seen.items()
        for first in range(0, len(of_reading), MOST_CUSTOMERS)
    ]
    if len(views) == 1 and len(views[0].seen) == 1:
        yield ProfileViewed(at=ended, view=views[0])
    else:
        for some in _together(views):
            yield ProfilesViewed(began_at=began, ended_at=ended, viewed=tuple(some))
    for at, reading, shown in turn.answers:
        yield from events_of(reading, at, None, shown)


def _together(views: Sequence[View]) -> Iterator[list[View]]:
    """As many as make one event of bounded size."""
    some: list[View] = []
    customers = 0
    for view in views:
        if some and (len(some) >= _VIEWS_PER_EVENT or customers + len(view.seen) > MOST_CUSTOMERS):
            yield some
            some, customers = [], 0
        some.append(view)
        customers += len(view.seen)
    if some:
        yield some


def events_of(reading: Reading, at: float, seen: Seen | None, shown: Shown | None) -> Iterator[AccessPayload]:
    """One view of one customer, or of an answer about many; of so many that they go on in further events."""
    payload_class = _class_of(reading)
    if shown is None:
        yield payload_class(at=_instant(at), view=_view(reading, [] if seen is None else [seen]))
        return
    ids = list(dict.fromkeys(map(str, shown.customer_ids)))
    parts = max(1, -(-len(ids) // MOST_CUSTOMERS))
    for part in range(parts):
        answered = Answered(
            rows=shown.rows,
            sha256=shown.sha256,
            question=shown.question,
            request_id=shown.request_id,
            part=part + 1,
            parts=parts,
        )
        some = ids[part * MOST_CUSTOMERS : (part + 1) * MOST_CUSTOMERS]
        named = [Seen(customer_id=UUID(each)) for each in some]
        yield payload_class(at=_instant(at), view=_view(reading, named, answered))


def _class_of(reading: Reading) -> type[ProfileViewed | SensitiveDataViewed | ProfileExported | SearchRun]:
    if reading.highest is Sensitivity.SENSITIVE:
        return SensitiveDataViewed
    if reading.kind in {ReadKind.EXPORT, ReadKind.EVIDENCE}:
        return ProfileExported
    return SearchRun if reading.kind is ReadKind.SEARCH else ProfileViewed


def _view(reading: Reading, seen: Sequence[Seen], answered: Answered | None = None) -> View:
    stated: dict[str, Any] = {}
    if reading.reader.on_behalf_of is not None:
        stated["on_behalf_of"] = reading.reader.on_behalf_of
    if reading.basis is not None:
        names = ("position", "known_at", "valid_at")
        said = {name: value for name, value in zip(names, reading.basis, strict=True) if value is not None}
        stated["basis"] = ReadBasis(**said)
    if reading.purpose is not None:
        code, text = reading.purpose
        stated["purpose"] = Purpose(code=PurposeCode(code), text=text)
    if answered is not None:
        stated["answered"] = answered
    return View(
        principal=reading.reader.id,
        principal_kind=reading.reader.kind,
        kind=reading.kind,
        of=reading.of,
        highest=reading.highest,
        seen=tuple(seen),
        **stated,
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
