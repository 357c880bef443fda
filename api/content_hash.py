"""The hash by which two tables are known to say the same, in whatever format they were sent.

Owns the canonical form of a row: an object from column to value, keys sorted, compact, UTF-8, one line. The hash is
SHA-256 over these lines in their order, so that `sha256sum` over an NDJSON answer without its last line gives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from api.encoding import to_json, to_sorted_json
from projections.portfolio.answers import member_of
from projections.portfolio.parts import whole_value
from projections.portfolio.query import Listing


class ContentHash:
    """Takes rows as they pass: `row_count` and `content_sha256` are of those taken so far."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._sha256 = hashlib.sha256()
        self.row_count = 0

    @property
    def content_sha256(self) -> str:
        return self._sha256.hexdigest()

    def take(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Take rows, and return their lines."""
        lines = b"".join(to_sorted_json(dict(zip(self._columns, row, strict=True))) + b"\n" for row in rows)
        self._sha256.update(lines)
        self.row_count += len(rows)
        return lines

    def summary(self) -> dict[str, Any]:
        return {"row_count": self.row_count, "content_sha256": self.content_sha256}


def listed(query: Listing, ids: Sequence[str]) -> tuple[bytes, dict[str, Any]]:
    """Rows that differ by the customer's id alone, as JSON with commas between, and their summary.

    The question has one condition, for one value, and no column but the id and that value (as MembersAsked has it).
    """
    (condition,) = query.where
    whole = whole_value(condition.path, condition.operand)
    others = {path.text: member_of(whole, path.member) for path in query.columns if not path.is_customer_id}
    begin, end = '{"customer_id":"', (b'",' + to_json(others)[1:]).decode() if others else '"}'
    items = (begin + f"{end},{begin}".join(ids) + end).encode() if ids else b""
    # "/" comes before "customer_id"
    begin, end = (to_sorted_json(others)[:-1] + b',"customer_id":"').decode() if others else begin, '"}\n'
    lines = (begin + f"{end}{begin}".join(ids) + end).encode() if ids else b""
    return items, {"row_count": len(ids), "content_sha256": hashlib.sha256(lines).hexdigest()}
