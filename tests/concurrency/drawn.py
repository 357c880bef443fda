"""What hypothesis draws: requests as wishes, which name files, requests and events by number and so fit any world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st

from api.routes.commands import ROUTES
from domain.events import RecordedEvent
from domain.events.classification import AttributeRecorded, TierReassigned, TierReassignmentRequested
from domain.events.identity import IdentifierRecorded
from tests.concurrency.asking import CHANGES, OPENING, PEOPLE, Look, Request
from tests.concurrency.world import World
from tests.scenarios.client import PHONE, WELL_FOUNDED

_Item = TypeVar("_Item")
_TYPES = {route: command.records.type for route, command, _ in ROUTES}
_STATED = {**WELL_FOUNDED, "reason": {"text": "told by the customer in person"}}


@dataclass(frozen=True)
class Edit:
    """A command as it stands, or one about an identifier, by its number."""

    route: str
    body: dict[str, Any] = field(default_factory=dict)
    identifier: int | None = None


@dataclass(frozen=True)
class Several:
    """A list of changes."""

    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Undo:
    """A correction to `value`, or a retraction, of one of the facts so far, by its number from the last."""

    route: str
    fact: int
    value: int


@dataclass(frozen=True)
class Verdict:
    """The answer to one of the tier requests so far, by its number from the last."""

    route: str
    request: int


@dataclass(frozen=True)
class Opening:
    """A new file, under one of the reserved ids or one that the service makes up."""

    identifier: int | None
    reserved: int | None


@dataclass(frozen=True)
class Wish:
    """A request. `seen` is how many versions ago the file was looked at, None for not at all.

    It is about the time from `since` days ago to `until` days from now; None leaves one out.
    """

    worker: int
    person: str
    file: int
    what: Edit | Several | Undo | Verdict | Opening
    seen: int | None = 0
    since: int | None = None
    until: int | None = None
    dry_run: bool = False


class How(Enum):
    """How a request is sent again."""

    THE_SAME = auto()
    ANOTHER_BODY = auto()
    ANOTHER_PERSON = auto()


@dataclass(frozen=True)
class Again:
    """A request sent once more, with its key, to any worker."""

    worker: int
    how: How = How.THE_SAME


# --- strategies -----------------------------------------------------------------------------------------------------

workers = st.integers(0, 7)
files = st.integers(0, 4)
people = st.sampled_from(list(PEOPLE))
identifiers = st.integers(0, 2)
agains = st.builds(Again, workers, st.sampled_from([How.THE_SAME, *How]))

_ATTRIBUTES = st.fixed_dictionaries({"key": st.sampled_from("ab"), "value": st.integers(0, 2)})
_edits = st.one_of(
    st.builds(Edit, st.just("/attributes"), _ATTRIBUTES),
    st.builds(Edit, st.just("/attributes/remove"), st.fixed_dictionaries({"key": st.sampled_from("ab")})),
    st.builds(Edit, st.sampled_from(["/identifiers", "/identifiers", "/identifiers/revoke"]), identifier=identifiers),
    st.builds(Edit, st.just("/tags"), st.just({"group": "REGION", "code": "EAST"})),
)
_tiers = st.builds(
    Edit,
    st.sampled_from(["/tier", "/tier-requests"]),
    st.fixed_dictionaries({"to_code": st.sampled_from(["ORDINARY", "POTENTIAL", "HIGH_VALUE"])}),
)
_lives = st.sampled_from(
    [Edit("/archive", {"reason_code": "DUPLICATE"}), Edit("/reinstate"), Edit("/reinstate"), Edit("/reinstate")]
)
verdicts = st.builds(
    Verdict,
    st.sampled_from([f"/tier-requests/{{request_id}}/{answer}" for answer in ("approve", "reject", "withdraw")]),
    st.sampled_from([0, 0, 0, 1]),
)
undoings = st.sampled_from(["/corrections", "/retractions"])
_undos = st.builds(Undo, undoings, st.integers(0, 4), st.integers(0, 2))
_openings = st.builds(Opening, st.none() | identifiers, st.none() | st.integers(0, 1))
_several = st.builds(Several, st.lists(_edits, min_size=1, max_size=4).map(tuple))
wishes = st.builds(
    Wish,
    workers,
    people,
    files,
    st.one_of(_edits, _edits, _several, _tiers, _undos, st.one_of(verdicts, _openings, _lives)),
    seen=st.sampled_from([0, 0, 1, None, None]),
    since=st.sampled_from([None, None, None, 1, 5]),
    until=st.sampled_from([None, None, None, 2]),
    dry_run=st.sampled_from([False, False, False, True]),
)
looks = st.tuples(workers, files)


# --- what they become ----------------------------------------------------------------------------------------------


def look_of(drawn: tuple[int, int], world: World) -> Look:
    worker, file = drawn
    return Look(worker, _customer(world, file))


def request_of(wish: Wish, world: World) -> Request:
    """The request that a wish is in this world."""
    if isinstance(wish.what, Opening):
        return _opening(wish, wish.what, world)
    customer_id = _customer(world, wish.file)
    person = PEOPLE[wish.person]
    if wish.seen is None and not person.may_write_blindly:
        person = PEOPLE["u-401"]
    route, body, ids = _asked(wish.what, customer_id, world)
    stated = {**_STATED, **body}
    if wish.since is not None:
        stated["effective_from"] = (datetime.now(UTC) - timedelta(days=wish.since)).isoformat()
    if wish.until is not None:
        stated["effective_to"] = (datetime.now(UTC) + timedelta(days=wish.until)).isoformat()
    seen = "*" if wish.seen is None else _etag(world, customer_id, wish.seen)
    return Request(wish.worker, person, route, stated, str(uuid4()), seen, customer_id, ids=ids, dry_run=wish.dry_run)


def again(request: Request, how: Again) -> Request:
    """The request as it is sent another time."""
    request = replace(request, worker=how.worker)
    match how.how:
        case How.THE_SAME:
            return request
        case How.ANOTHER_BODY:
            return replace(request, body={**request.body, "correlation_id": "another body"})
        case How.ANOTHER_PERSON:
            return replace(request, person=PEOPLE[request.person.double])


def _opening(wish: Wish, opening: Opening, world: World) -> Request:
    body: dict[str, Any] = {**_STATED, "customer_kind": "ORGANISATION", "name": f"Acme {wish.file}"}
    body["contact"] = {"name": "Zhang San", "points": [PHONE]}
    if opening.identifier is not None:
        body["identifiers"] = [_identifier(opening.identifier, world)]
    customer_id = None
    if opening.reserved is not None:
        customer_id = world.reserved[opening.reserved]
        body["customer_id"] = str(customer_id)
    return Request(
        wish.worker, PEOPLE[wish.person], OPENING, body, str(uuid4()), None, customer_id, dry_run=wish.dry_run
    )


def _asked(
    what: Edit | Several | Undo | Verdict, customer_id: UUID, world: World
) -> tuple[str, dict[str, Any], dict[str, UUID]]:
    """Route, body and the ids in the path."""
    match what:
        case Edit(route=route):
            return route, _body(what, world), {}
        case Several(edits=edits):
            changes = [{"type": _TYPES[edit.route], **_body(edit, world)} for edit in edits]
            return CHANGES, {"changes": changes}, {}
        case Undo(route=route, fact=number, value=value):
            fact = _from_last(_facts(world.streams[customer_id].events), number)
            event_id = str(fact.envelope.event_id)
            if route == "/retractions":
                return route, {"retracts": event_id}, {}
            return route, {"corrects": event_id, "replacement": _replacement(fact, value)}, {}
        case Verdict(route=route, request=number):
            payloads = [event.payload for event in world.streams[customer_id].events]
            made = [each.request_id for each in payloads if isinstance(each, TierReassignmentRequested)]
            return route, {}, {"request_id": _from_last(made or [uuid4()], number)}


def _body(edit: Edit, world: World) -> dict[str, Any]:
    body = {**edit.body}
    if edit.identifier is not None:
        body |= _identifier(edit.identifier, world)
    if edit.route == "/tier-requests":
        body["request_id"] = str(uuid4())
    return body


def _identifier(number: int, world: World) -> dict[str, str]:
    return {"scheme": world.scheme, "value": str(number)}


def _facts(events: list[RecordedEvent]) -> list[RecordedEvent]:
    """Those worth undoing: of which there are more and more."""
    undoable = AttributeRecorded, TierReassigned, IdentifierRecorded
    return [event for event in events if isinstance(event.payload, undoable)] or events


def _replacement(fact: RecordedEvent, value: int) -> dict[str, Any]:
    match fact.payload:
        case TierReassigned():
            return {"to_code": ["ORDINARY", "POTENTIAL", "HIGH_VALUE"][value]}
        case IdentifierRecorded():
            return {"issuer": f"registry {value}"}
        case _:
            return {"value": value}


def _from_last(items: list[_Item], number: int) -> _Item:
    return items[-1 - number % len(items)]


def _customer(world: World, number: int) -> UUID:
    return world.customers[number % len(world.customers)]


def _etag(world: World, customer_id: UUID, versions_ago: int) -> str:
    """What was seen of the file when it had fewer events; never before it was opened."""
    stream = world.streams[customer_id]
    return f'"{stream.files[max(stream.head - versions_ago, 1)].revision}"'
