"""Lists of customers: whose file, as of one position and valid instant, says what is asked for.

Only reads. Valid time is evaluated on the rectangles, no stored flag goes stale; a page names the position it was
read at, so that the next one continues the same list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.queries import load
from domain.events.identity import NameKind
from domain.events.lifecycle import CustomerArchived
from domain.masking import Mask, is_marker
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

    def slots(self) -> Iterator[tuple[str, str]]:
        """What it looks at: which condition, and the slot, or what slots begin with."""
        if self.identifier is not None:
            yield "identifier", pointer("identifiers", *self.identifier)
        if self.name is not None:
            yield from (("name", slot) for slot in NAME_SLOTS)
        for name, group, stated in (("tier", "tier", self.tier), ("owner", "owner", self.owner)):
            if stated is not None:
                yield name, pointer(group) if stated[0] is None else pointer(group, stated[0])

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
    mask: Mask | None = None,
) -> list[dict[str, Any]]:
    """A page of list items, by customer id, behind the customer `after`. Fewer than `limit` items are the last.

    What `mask` hides is not in them.
    """
    point = {"position": position, "valid_at": valid_at}
    params = {**point, "limit": limit, "after": after, **wanted.parameters()}
    # unprepared: planned for the conditions that are there, not for all that could be
    page = await connection.execute(_QUERIES[wanted.starting_page()], params, prepare=False)
    customer_ids = [customer_id for (customer_id,) in await page.fetchall()]
    cursor = await connection.execute(_QUERIES["describe"], {**point, "customer_ids": customer_ids})
    return [_item(*row, mask=mask) for row in await cursor.fetchall()]


def display_name(shown: Mapping[str, Any]) -> Any:
    """What a customer is called, from the slots that show: its first name there is, else its first identifier.

    What stands for a hidden value is the last choice.
    """
    names = [shown[slot] for slot in NAME_SLOTS if shown.get(slot) is not None]
    identifiers = sorted(slot for slot in shown if slot.startswith("/identifiers/"))
    names += (shown[slot] if is_marker(shown[slot]) else segments_of(slot)[2] for slot in identifiers)
    return next((name for name in names if not is_marker(name)), names[0] if names else None)


def _item(
    customer_id: UUID, kind: str | None, last_file_event: str | None, slots: str | None, *, mask: Mask | None
) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(slots) if slots else {}
    shown = said if mask is None else mask.values(said)
    return {
        "customer_id": str(customer_id),
        "display_name": display_name(shown),
        "customer_kind": kind,
        "file_state": "ARCHIVED" if last_file_event == CustomerArchived.type else "LIVE",
        "tier": {segments_of(slot)[1]: _code(value) for slot, value in shown.items() if slot.startswith("/tier/")},
        "owner": {segments_of(slot)[1]: value for slot, value in shown.items() if slot.startswith("/owner/")},
    }


def _code(tier: Mapping[str, Any]) -> Any:
    return tier if is_marker(tier) else tier["code"]
