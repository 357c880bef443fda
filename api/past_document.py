"""A past file as JSON: what the server made of its values, put where they belong.

What must stay true: it says what profile_document would say of the same file. What is remembered between requests is
where the values of certain slots go, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from api.encoding import time_text, to_json
from api.profile_document import MOST_PENDING
from domain.document import document_of
from domain.slots import parent_of
from projections.basis import Basis
from projections.past import PastFile
from projections.search import NAME_SLOTS, display_name

_LONGEST_EXACT: Final = 19
"""Digits of a number that every reader takes for the same; PostgreSQL writes longer ones out."""
_QUOTE: Final = b'"'[0]


class Layout(NamedTuple):
    """Where the values of some slots go in the document.

    `parts` is its text with a gap at every other place, `order` says whose value goes into which gap. `names` are the
    numbers of what a customer may be called by, the first there is counts; `otherwise` is its name when there is none.
    """

    parts: list[bytes]
    order: list[int]
    names: list[int]
    otherwise: bytes


def past_body(customer_id: str, basis: Basis, query: str, file: PastFile) -> bytes:
    """The whole profile of a past file; `query` asks for the same moment again. Raises LongTextMissing."""
    layout = layout_of(file.slots)
    values = [
        value if len(value) <= _LONGEST_EXACT or value[0] == _QUOTE else to_json(orjson.loads(value))
        for value in file.each_line
    ]
    parts = layout.parts.copy()
    parts[1::2] = [values[number] for number in layout.order]
    name = next((values[number] for number in layout.names if values[number] != b"null"), layout.otherwise)
    decided, later = file.decided, file.later_items
    if decided.awaited:
        later = [*map(to_json, decided.awaited.values()), *later]
    return (
        b'{"customer_id":"%b","customer_kind":%b,%b"file_state":"%b","existence":"%b","display_name":%b,"basis":'
        b'{"known_at":"%b","position":%d,"valid_at":"%b","stable":%b,"version":%d},%b"pending":[%b],"more_pending":%b,'
        b'"requests":%b,"provenance":"/v1/customers/%b/blame%b"}'
    ) % (
        customer_id.encode(),
        b"null" if decided.kind is None else b'"%b"' % decided.kind.value.encode(),
        b"" if decided.erased_by is None else b'"erased":{"erased":true,"by":"%b"},' % decided.erased_by.encode(),
        b"ARCHIVED" if decided.archived else b"LIVE",
        b"EFFECTIVE" if file.is_effective else b"NOT_EFFECTIVE",
        name,
        time_text(basis.known_at).encode(),
        basis.position,
        time_text(basis.valid_at).encode(),
        b"true" if basis.stable else b"false",
        file.version,
        b"".join(parts),
        b",".join(later[:MOST_PENDING]),
        b"true" if len(later) > MOST_PENDING else b"false",
        to_json(list(decided.requests.values())) if decided.requests else b"[]",
        customer_id.encode(),
        query.encode(),
    )


@lru_cache(maxsize=4096)
def layout_of(slots: str) -> Layout:
    """Where the values of these slots, a JSON list, go: those of children without their parents nowhere."""
    listed: list[str] = orjson.loads(slots)
    there = set(listed)
    numbers = {
        slot: number for number, slot in enumerate(listed) if (parent := parent_of(slot)) is None or parent in there
    }
    parts, order = [b""], []
    for member, value in document_of(numbers).items():
        for piece in (orjson.dumps(member) + b":", *_pieces(value), b","):
            if isinstance(piece, int):
                order.append(piece)
                parts += [b"", b""]
            else:
                parts[-1] += piece
    names = [numbers[slot] for slot in NAME_SLOTS if slot in numbers]
    unnamed = display_name(dict.fromkeys(numbers))
    return Layout(parts, order, names, orjson.dumps(unnamed))


def _pieces(value: Any) -> Iterator[bytes | int]:
    """The text of a part of the document, with the number of a value in its place."""
    if isinstance(value, int):
        yield value
        return
    yield b"{"
    for number, (member, below) in enumerate(value.items()):
        yield (b"," if number else b"") + orjson.dumps(member) + b":"
        yield from _pieces(below)
    yield b"}"
