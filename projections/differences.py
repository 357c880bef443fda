"""Where a read model's rows of one customer are not what the evidence says, row by row.

What must stay true: a difference names places and columns, never values, which are customers' data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import orjson

from domain.events import RecordedEvent
from domain.facts import ABSENT, same_json
from domain.file import CustomerFile
from domain.slots import segments_of
from projections import stored_state
from projections.errors import StateMalformed
from projections.expected import Followed, Row, instant_text
from projections.profile import FOLD_VERSION, encode

MISSING = "is missing"
SURPLUS = "does not follow from the log"


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of `table` ("read.facts") that is not what it must be, and in which way.

    `key` says which of the customer's rows: slot, version, version and slot, "scheme:value"; "" for the profile.
    """

    table: str
    customer_id: UUID
    key: str
    detail: str


class ProfileRow(NamedTuple):
    """A row of read.profile, everything but `state` as text."""

    version: str
    profile_version: str
    boundaries: str
    as_of: str
    next_boundary: str | None
    fold_version: str
    state: bytes


class IdentifierRow(NamedTuple):
    """A row of read.identifier."""

    scheme: str
    value: str
    version: int


# --- read models that follow the log --------------------------------------------------------------------------------


def row_differences(
    table: Followed, customer_id: UUID, expected: Sequence[Row], held: Sequence[Row]
) -> Iterator[Difference]:
    """What is wrong with the rows that a table holds of a customer."""
    expected, held = (list(map(table.told, rows)) for rows in (expected, held))
    wanted, found = set(expected), set[Row]()
    surplus: list[Row] = []
    for row in held:
        if row not in wanted or row in found:
            surplus.append(row)
        found.add(row)
    missing = [row for row in expected if row not in found]
    name = f"read.{table.name}"
    for identity in table.identities:
        pairs, missing, surplus = _paired(identity, missing, surplus)
        for row, other in pairs:
            if columns := _different_columns(table, row, other):
                yield Difference(name, customer_id, table.label(row), f"differs in {', '.join(columns)}")
    yield from (Difference(name, customer_id, table.label(row), MISSING) for row in missing)
    yield from (Difference(name, customer_id, table.label(row), SURPLUS) for row in surplus)


def _paired(
    identity: Callable[[Row], object], missing: Sequence[Row], surplus: Sequence[Row]
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """The rows that one stands for the other of, and on both sides those without such a counterpart."""
    unpaired: dict[object, list[Row]] = defaultdict(list)
    for row in surplus:
        unpaired[identity(row)].append(row)
    pairs, alone = [], []
    for row in missing:
        if others := unpaired[identity(row)]:
            pairs.append((row, others.pop(0)))
        else:
            alone.append(row)
    return pairs, alone, [row for rows in unpaired.values() for row in rows]


def _different_columns(table: Followed, expected: Row, held: Row) -> list[str]:
    return [
        column
        for number, (column, left, right) in enumerate(zip(table.columns, expected, held, strict=True))
        if left != right and not (number in table.json_columns and _same_json_text(left, right))
    ]


def _same_json_text(left: str | None, right: str | None) -> bool:
    try:
        return left is not None and right is not None and same_json(orjson.loads(left), orjson.loads(right))
    except orjson.JSONDecodeError:
        return False


# --- read models written with the events ----------------------------------------------------------------------------


def profile_differences(customer_id: UUID, file: CustomerFile | None, row: ProfileRow | None) -> Iterator[Difference]:
    """What is wrong with a customer's profile row; `file` is folded from the whole stream, None without events."""
    if file is None or row is None:
        detail = SURPLUS if row is not None else MISSING if file is not None else None
    elif row.fold_version != str(FOLD_VERSION):
        detail = "differs in fold_version"
    else:
        expected = profile_row(file)
        columns = [name for name in ProfileRow._fields if not _same_column(name, expected, row)]
        detail = f"differs in {', '.join(columns)}" if columns else None
    if detail is not None:
        yield Difference("read.profile", customer_id, "", detail)


def profile_row(file: CustomerFile) -> ProfileRow:
    """The row of a file that was just folded."""
    boundary = file.next_boundary()
    return ProfileRow(
        str(file.version),
        str(file.profile_version),
        str(file.boundaries),
        instant_text(file.as_of),
        instant_text(boundary) if boundary else None,
        str(FOLD_VERSION),
        encode(file),
    )


def _same_column(name: str, expected: ProfileRow, row: ProfileRow) -> bool:
    if name != "state" or expected.state == row.state:
        return bool(getattr(expected, name) == getattr(row, name))
    try:
        return same_json(stored_state.load(expected.state), stored_state.load(row.state))
    except StateMalformed:
        return False


def identifier_differences(
    customer_id: UUID, file: CustomerFile | None, events: Sequence[RecordedEvent], rows: Sequence[IdentifierRow]
) -> Iterator[Difference]:
    """What is wrong with the identifiers that a customer is said to hold."""
    claims = file.claims() if file is not None else set()
    held = {(row.scheme, row.value): row.version for row in rows}
    recorded = _recording_versions(events) if claims else {}
    for claim in sorted(claims | held.keys()):
        if claim not in held:
            detail = MISSING
        elif claim not in claims:
            detail = SURPLUS
        elif held[claim] not in recorded[claim]:
            detail = "differs in version"
        else:
            continue
        yield Difference("read.identifier", customer_id, ":".join(claim), detail)


def _recording_versions(events: Sequence[RecordedEvent]) -> Mapping[tuple[str, str], set[int]]:
    """Per identifier the events that recorded it: any of them may stand in its row."""
    versions: dict[tuple[str, str], set[int]] = defaultdict(set)
    for event in events:
        for fact in event.facts:
            if fact.slot.startswith("/identifiers/") and fact.value is not ABSENT:
                _, scheme, value = segments_of(fact.slot)
                versions[scheme, value].add(fact.version)
    return versions
