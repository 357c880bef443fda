"""Small streams that several tests begin with."""

from __future__ import annotations

from typing import Any

from domain.events import Actor, Payload
from domain.events.classification import TierBasis, TierDirection, TierReassigned
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from tests.make import Stream

BOSS = Actor(id="u-301", on_behalf_of="u-300")


def tier(code: str, **fields: Any) -> Payload:
    return TierReassigned(
        scheme="VALUE",
        from_code=None,
        to_code=code,
        direction=TierDirection.RAISED,
        basis=TierBasis.APPROVED,
        **fields,
    )


def registered() -> Stream:
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    return stream
