"""A long text stands once in the row of the event that told it, in its content, and in no other row.

Owns what counts as long, and the mark that stands in its place among what the event moved. A rectangle whose value is
that very text leaves it to the event: whoever reads values asks there for those that are null. What must stay true:
whatever has been shared is put back to the last character, by `read.changes_json`; whether it is follows from the two
texts alone, so that it is the same whoever computes the row. The mark is JSON, and JSON that nothing here writes, as no
slash is ever escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

LONG_BYTES: Final = 200
"""As JSON in UTF-8, quotes included. Below that, looking for what is elsewhere costs more than it saves."""
_FEWEST_CHARACTERS: Final = LONG_BYTES // len(r"\u0000") - 1
"""With fewer a string is not long, however its characters are written."""
MARK: Final = r'"\/":0'
"""Stands for `"new":` and the text that is shared."""


_FOUND_BY: Final = ("/identity/", "/owner/")
"""What slots begin with by whose values customers are found: these stay where they are looked for."""


class Span(NamedTuple):
    """A stretch of a text, in bytes of UTF-8, the first of which is number 1."""

    start: int
    length: int

    def of(self, text: bytes) -> bytes:
        return text[self.start - 1 : self.start - 1 + self.length]


class Shared(NamedTuple):
    """JSON with a mark, and where in the event's content the text is that belongs there; None: nothing is shared."""

    text: str
    span: Span | None


def put_back(changes: str, data: str, span: Span) -> str:
    """What read.changes_json says; of a damaged row anything."""
    return changes.replace(MARK, '"new":' + span.of(data.encode()).decode(errors="replace"))


def shared(changes: Sequence[Mapping[str, Any]], data: bytes) -> Shared:
    """The JSON of `changes`, whose last member is `new`, without the longest text that stands in `data` anyway."""
    number, found = -1, b""
    for place, change in enumerate(changes):
        text = long_json(change.get("new"))
        if text is not None and len(text) > len(found) and text in data:
            number, found = place, text
    if not found:
        return Shared(orjson.dumps(changes).decode(), None)
    parts = [orjson.dumps(change) for change in changes]
    parts[number] = parts[number].removesuffix(b'"new":%b}' % found) + MARK.encode() + b"}"
    return Shared(f"[{b','.join(parts).decode()}]", Span(data.index(found) + 1, len(found)))


def left_to_event(slot: str, value: Any) -> bytes | None:
    """The JSON that a rectangle of this slot and value does not keep if its event shares it; None if it does anyway."""
    return None if slot.startswith(_FOUND_BY) else long_json(value)


def long_json(value: Any) -> bytes | None:
    """The JSON of a long string; None for everything else."""
    if not isinstance(value, str) or len(value) < _FEWEST_CHARACTERS:
        return None
    text = orjson.dumps(value)
    return text if len(text) >= LONG_BYTES else None
