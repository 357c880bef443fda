"""What the read models that follow the log must hold of one stream, a customer's or the service's own, computed whole.

Owns the rows' columns as text: as PostgreSQL writes them (a column cast to text, times in UTC) and COPY takes them, so
that a row can be compared and stored without being taken apart. JSON alone is written our own way, with sorted keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any, Final

import orjson

from domain.facts import ABSENT, Fact
from domain.streams import StreamKind
from projections import approvals
from projections.access import purpose_of, seen_in, view_json, views_in
from projections.changes import kind_of, placed
from projections.events import Texts, texts_of
from projections.long_texts import Span, left_to_event, put_back
from projections.moves import Moves, Positioned
from projections.purge import whole

Row = tuple[str | None, ...]
"""One row's columns in the order of the table; None is NULL."""
_NOTHING_SHARED: Final = (None, None)


@dataclass(frozen=True)
class Known:
    """A customer's events up to a position, and all that they did to its slots."""

    entries: Sequence[Positioned]
    moves: Moves

    @cached_property
    def texts(self) -> list[Texts]:
        """What the events' rows say, in their order."""
        return texts_of(self.entries, self.moves)

    @cached_property
    def shared(self) -> dict[int, bytes]:
        """By version the long text that the event's row shares."""
        return {
            entry.event.originator_version: texts.shared.of(texts.data.encode())
            for entry, texts in zip(self.entries, self.texts, strict=True)
            if texts.shared is not None
        }


@dataclass(frozen=True, slots=True)
class Followed:
    """A table that follows the log; `name` is also its projection's, `kind` that of the streams whose events it shows.

    The first column is the stream's id. `identities` tell a row from its stream's others, the strictest first: one
    that stands wrongly where another should be has one of them in common with it. `label` is what people are told of
    a row. `told` is a row as it is compared, where the same may be said in more than one way.
    """

    name: str
    columns: tuple[str, ...]
    json_columns: tuple[int, ...]
    rows_of: Callable[[Known], Iterator[Row]]
    identities: tuple[Callable[[Row], object], ...]
    label: Callable[[Row], str]
    kind: StreamKind = StreamKind.CUSTOMER
    told: Callable[[Row], Row] = lambda row: row


def expected_rows(
    entries: Sequence[Positioned], positions: Mapping[Followed, int], kind: StreamKind = StreamKind.CUSTOMER
) -> dict[Followed, list[Row]]:
    """The rows that tables must hold of a stream of a kind, each at its position; `entries` are sealed, in order."""
    known = {position: _known(entries, position) for position in set(positions.values())}
    return {
        table: list(table.rows_of(known[position])) if table.kind is kind else []
        for table, position in positions.items()
    }


def json_text(value: Any) -> str:
    """The one way in which JSON is written here: two texts that differ may still be equal (see same_json)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _known(entries: Sequence[Positioned], position: int) -> Known:
    batch = whole([entry for entry in entries if entry.position <= position])
    return Known(batch.events, batch.moves)


def _rectangles(known: Known) -> Iterator[Row]:
    customer_id = _customer_id(known)
    for rectangle in known.moves.rectangles:
        segment, fact = rectangle.segment, rectangle.segment.fact
        end = f'"{instant_text(segment.end)}"' if segment.end else ""
        yield (
            customer_id,
            fact.slot,
            _value(fact, known.shared),
            _boolean(fact.value is ABSENT),
            f'["{instant_text(segment.start)}",{end})',
            f"[{rectangle.opened},{rectangle.closed or ''})",
            instant_text(fact.effective_from),
            str(fact.rank),
            str(fact.version),
        )


def _events(known: Known) -> Iterator[Row]:
    customer_id = _customer_id(known)
    for entry, texts in zip(known.entries, known.texts, strict=True):
        envelope, payload = entry.event.envelope, entry.event.payload
        yield (
            customer_id,
            str(envelope.version),
            str(entry.position),
            instant_text(envelope.recorded_at),
            instant_text(envelope.effective_from) if envelope.effective_from else None,
            instant_text(envelope.effective_to) if envelope.effective_to else None,
            str(envelope.event_id),
            *(map(str, texts.shared) if texts.shared else _NOTHING_SHARED),
            _boolean(payload.decision),
            _boolean(texts.may_be_sensitive),
            payload.type,
            envelope.actor.id,
            texts.envelope,
            texts.data,
            texts.changes,
        )


def _told_event(row: Row) -> Row:
    """With what is shared in both places: where in its content an event says it may depend on who wrote that down."""
    start, length, data, changes = row[7], row[8], row[14], row[15]
    if start is None or length is None or data is None or changes is None:
        return row
    return (*row[:7], *_NOTHING_SHARED, *row[9:15], put_back(changes, data, Span(int(start), int(length))))


def _changes(known: Known) -> Iterator[Row]:
    customer_id = _customer_id(known)
    for place, move in placed(known.moves.moves):
        yield (
            customer_id,
            str(move.position),
            str(move.event.envelope.version),
            str(move.before.version) if move.before else None,
            str(place),
            kind_of(move),
            move.slot,
        )


def _accesses(known: Known) -> Iterator[Row]:
    for entry in known.entries:
        envelope = entry.event.envelope
        for place, (since, until, view) in enumerate(views_in(entry.event), start=1):
            yield (
                str(envelope.customer_id),
                str(envelope.version),
                str(place),
                str(entry.position),
                str(envelope.event_id),
                entry.event.payload.type,
                instant_text(since),
                instant_text(until),
                view.principal,
                purpose_of(view),
                view_json(view),
            )


def _seen(known: Known) -> Iterator[Row]:
    for entry in known.entries:
        envelope = entry.event.envelope
        for place, (_, _, view) in enumerate(views_in(entry.event), start=1):
            for seen in seen_in(view):
                yield (
                    str(envelope.customer_id),
                    str(envelope.version),
                    str(place),
                    str(seen.customer_id),
                    str(entry.position),
                    str(seen.times or 1),
                    seen.request_id,
                )


def _approvals(known: Known) -> Iterator[Row]:
    for row in approvals.rows_of(known.entries):
        yield tuple(_text(row[name]) for name in APPROVALS.columns)


def _text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case datetime():
            return instant_text(value)
        case _:
            return str(value)


def _customer_id(known: Known) -> str:
    return str(known.entries[0].event.envelope.customer_id) if known.entries else ""


def _value(fact: Fact, shared: Mapping[int, bytes]) -> str | None:
    """None for a long text that the row of the fact's event shares."""
    if fact.version in shared and left_to_event(fact.slot, fact.value) == shared[fact.version]:
        return None
    return "null" if fact.value is ABSENT else json_text(fact.value)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


@lru_cache
def instant_text(instant: datetime) -> str:
    """As PostgreSQL writes it in UTC: no zeros at the end of a second's fraction, and no fraction of zero."""
    text = instant.astimezone(UTC).isoformat(" ").removesuffix("+00:00")
    return (text.rstrip("0") if instant.microsecond else text) + "+00"


def _beginning(bounds: str | None) -> str:
    return str(bounds).partition(",")[0]


FACTS: Final = Followed(
    "facts",
    ("customer_id", "slot", "value", "absent", "valid", "positions", "fact_from", "rank", "version"),
    (2,),
    _rectangles,
    # One rectangle of a slot begins at a point of both times. Where only that is wrong, it is an event's own.
    (lambda row: (row[1], _beginning(row[4]), _beginning(row[5])), lambda row: (row[1], row[8])),
    lambda row: str(row[1]),
)
EVENTS: Final = Followed(
    "events",
    ("customer_id", "version", "position", "recorded_at", "effective_from", "effective_to", "event_id", "shared_from",
     "shared_length", "is_decision", "may_be_sensitive", "type", "actor", "envelope", "data", "changes"),
    (13, 14, 15),
    _events,
    (lambda row: row[1],),
    lambda row: str(row[1]),
    told=_told_event,
)  # fmt: skip
CHANGES: Final = Followed(
    "changes",
    ("customer_id", "position", "version", "old_version", "place", "kind", "slot"),
    (),
    _changes,
    (lambda row: (row[2], row[6]),),
    lambda row: f"{row[2]} {row[6]}",
)
ACCESS: Final = Followed(
    "access",
    ("stream", "version", "place", "position", "event_id", "type", "since", "until", "principal", "purpose", "view"),
    (10,),
    _accesses,
    (lambda row: row[1:3],),
    lambda row: f"{row[1]} {row[2]}",
    StreamKind.ACCESS,
)
SEEN: Final = Followed(
    "seen",
    ("stream", "version", "place", "customer_id", "position", "times", "request_id"),
    (),
    _seen,
    (lambda row: row[1:4],),
    lambda row: f"{row[1]} {row[2]} {row[3]}",
    StreamKind.ACCESS,
)
APPROVALS: Final = Followed(
    "approvals",
    ("customer_id", "version", "request_id", "kind", "opened", "closed", "agreed", "agreed_by", "requester",
     "requester_for", "reason", "expires_at", "event_id", "recorded_at", "subject", "about"),
    (15,),
    _approvals,
    (lambda row: row[1], lambda row: row[2]),
    lambda row: f"{row[3]} {row[2]}",
)  # fmt: skip
EVERY_FOLLOWED: Final = (FACTS, EVENTS, CHANGES, ACCESS, SEEN, APPROVALS)
