"""Lists of customers: whose file, as of one position and valid instant, says what is asked for.

Only reads. Valid time is evaluated on the rectangles, no stored flag goes stale; a page names the position it was
read at, so that the next one continues the same list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.queries import load
from domain.events.identity import NameKind
from domain.events.lifecycle import CustomerArchived
from domain.slots import pointer, segments_of

_QUERIES: Final = load("projections", "search.sql")
NAME_SLOTS: Final = tuple(f"/identity/{kind.lower()}_name" for kind in NameKind)
"""What a customer is called by: the first there is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions that all must hold; None asks for nothing.

    `identifier` is (scheme, value) and exact. `name` is part of any of the customer's names, whatever the case.
    `tier` is (scheme, code), `owner` is (role, staff id); scheme and role None stand for any.
    """

    identifier: tuple[str, str] | None = None
    name: str | None = None
    tier: tuple[str | None, str] | None = None
    owner: tuple[str | None, str] | None = None

    def starting_page(self) -> str:
        """The statement that starts from the condition that fewest customers will meet."""
        if self.identifier is not None:
            return "page_by_identifier"
        if self.owner is not None:
            return "page_by_owner"
        return "page_of_all" if self.tier is None else "page_by_tier"

    def parameters(self) -> dict[str, Any]:
        tier_scheme, code = self.tier or (None, None)
        role, staff = self.owner or (None, None)
        return {
            "identifier": pointer("identifiers", *self.identifier) if self.identifier else None,
            "name": self.name,
            "tier": None if code is None else orjson.dumps({"code": code}).decode(),
            "tier_slot": None if tier_scheme is None else pointer("tier", tier_scheme),
            "owner": None if staff is None else orjson.dumps(staff).decode(),
            "owner_slot": None if role is None else pointer("owner", role),
        }


async def search(
    connection: AsyncConnection[Any],
    position: int,
    valid_at: datetime,
    wanted: Wanted,
    *,
    limit: int,
    after: UUID | None = None,
) -> list[dict[str, Any]]:
    """A page of list items, by customer id, behind the customer `after`. Fewer than `limit` items are the last."""
    point = {"position": position, "valid_at": valid_at}
    params = {**point, "limit": limit, "after": after, **wanted.parameters()}
    # unprepared: planned for the conditions that are there, not for all that could be
    page = await connection.execute(_QUERIES[wanted.starting_page()], params, prepare=False)
    customer_ids = [customer_id for (customer_id,) in await page.fetchall()]
    cursor = await connection.execute(_QUERIES["describe"], {**point, "customer_ids": customer_ids})
    return [_item(*row) for row in await cursor.fetchall()]


def display_name(shown: Mapping[str, Any]) -> str | None:
    """What a customer is called, from the slots that show: its first name there is, else its first identifier."""
    for slot in NAME_SLOTS:
        name: str | None = shown.get(slot)
        if name is not None:
            return name
    identifiers = sorted(slot for slot in shown if slot.startswith("/identifiers/"))
    return segments_of(identifiers[0])[2] if identifiers else None


def _item(customer_id: UUID, kind: str | None, last_file_event: str | None, slots: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = orjson.loads(slots) if slots else {}
    return {
        "customer_id": str(customer_id),
        "display_name": display_name(shown),
        "customer_kind": kind,
        "file_state": "ARCHIVED" if last_file_event == CustomerArchived.type else "LIVE",
        "tier": {segments_of(slot)[1]: value["code"] for slot, value in shown.items() if slot.startswith("/tier/")},
        "owner": {segments_of(slot)[1]: value for slot, value in shown.items() if slot.startswith("/owner/")},
    }
