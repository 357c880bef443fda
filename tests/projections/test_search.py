"""Lists of customers by what their files say."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from psycopg import AsyncConnection

from domain.events.classification import OwnerAssigned, OwnerRole, TierBasis, TierDirection, TierReassigned
from domain.events.identity import IdentifierRecorded, IdentifierRevoked, LegalNameChanged, NameKind
from domain.events.lifecycle import (
    ArchiveReason,
    CustomerArchived,
    CustomerKind,
    CustomerRegistered,
    CustomerReinstated,
)
from projections.search import Wanted, display_name, search
from tests.make import Stream, at
from tests.projections.world import World

NOW = at("2026-07-01")


def a_customer(name: str, kind: CustomerKind = CustomerKind.ORGANISATION) -> Stream:
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=kind))
    stream.add(LegalNameChanged(name=name))
    return stream


def reassign(stream: Stream, code: str, effective_from: datetime | None = None, scheme: str = "VALUE") -> None:
    payload = TierReassigned(
        scheme=scheme, from_code=None, to_code=code, direction=TierDirection.INITIAL, basis=TierBasis.MANUAL
    )
    stream.add(payload, effective_from)


def found(
    world: World, wanted: Wanted | None = None, *, position: int = 1_000, valid_at: datetime = NOW, **page: Any
) -> list[dict[str, Any]]:
    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        limit = page.pop("limit", 100)
        return await search(connection, position, valid_at, wanted or Wanted(), limit=limit, **page)

    return world.read(ask)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["display_name"] for item in items]


@pytest.fixture
def acme(world: World) -> Stream:
    """Acme, high value, managed by u-1; Bolt, ordinary; Chen, an individual of whom nothing else is known."""
    acme, bolt, chen = a_customer("Acme 100%"), a_customer("Bolt"), a_customer("陈 Chen", CustomerKind.INDIVIDUAL)
    acme.add(IdentifierRecorded(scheme="BIC", value="ACMEXXXX"))
    reassign(acme, "HIGH_VALUE")
    acme.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-1"))
    reassign(bolt, "ORDINARY")
    bolt.add(LegalNameChanged(name="ACME Bolts", name_kind=NameKind.TRADING))
    world.project(*acme.events, *bolt.events, *chen.events)
    return acme


def test_an_item_says_who_it_is_and_how_it_is_classified(world: World, acme: Stream) -> None:
    first, *others = found(world)
    assert first == {
        "customer_id": str(acme.customer_id),
        "display_name": "Acme 100%",
        "customer_kind": "ORGANISATION",
        "file_state": "LIVE",
        "tier": {"VALUE": "HIGH_VALUE"},
        "owner": {"ACCOUNT_MANAGER": "u-1"},
    }
    assert [(item["customer_kind"], item["tier"], item["owner"]) for item in others] == [
        ("ORGANISATION", {"VALUE": "ORDINARY"}, {}),
        ("INDIVIDUAL", {}, {}),
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(identifier=("BIC", "ACMEXXXX")), ["Acme 100%"]),
        (Wanted(identifier=("BIC", "ACME")), []),
        (Wanted(name="acme"), ["Acme 100%", "Bolt"]),
        (Wanted(name="chen"), ["陈 Chen"]),
        (Wanted(name="0%"), ["Acme 100%"]),
        (Wanted(name="_"), []),
        (Wanted(tier=("VALUE", "HIGH_VALUE")), ["Acme 100%"]),
        (Wanted(tier=(None, "ORDINARY")), ["Bolt"]),
        (Wanted(tier=("RISK", "ORDINARY")), []),
        (Wanted(owner=("ACCOUNT_MANAGER", "u-1")), ["Acme 100%"]),
        (Wanted(owner=(None, "u-1")), ["Acme 100%"]),
        (Wanted(owner=("SERVICE_LEAD", "u-1")), []),
        (Wanted(name="acme", tier=("VALUE", "ORDINARY")), ["Bolt"]),
        (Wanted(name="bolt", owner=(None, "u-1")), []),
    ],
)
def test_all_conditions_must_hold(world: World, acme: Stream, wanted: Wanted, expected: list[str]) -> None:
    del acme
    assert names(found(world, wanted)) == expected


def test_a_list_says_what_holds_at_the_instant_as_known_at_the_position(world: World) -> None:
    stream = a_customer("Old")
    reassign(stream, "ORDINARY")
    reassign(stream, "HIGH_VALUE", at("2026-08-01"))
    stream.add(LegalNameChanged(name="New"))
    world.project(*stream.events)
    high = Wanted(tier=("VALUE", "HIGH_VALUE"))
    assert found(world, high) == []
    assert names(found(world, high, valid_at=at("2026-08-01"))) == ["New"]
    assert names(found(world, high, valid_at=at("2026-08-01"), position=4)) == ["Old"]
    assert found(world, high, valid_at=at("2026-08-01"), position=3) == []
    assert found(world, position=0) == []


def test_a_revoked_identifier_finds_nobody(world: World) -> None:
    stream = a_customer("Acme")
    stream.add(IdentifierRecorded(scheme="BIC", value="ACMEXXXX"))
    stream.add(IdentifierRevoked(scheme="BIC", value="ACMEXXXX"))
    world.project(*stream.events)
    wanted = Wanted(identifier=("BIC", "ACMEXXXX"))
    assert found(world, wanted) == []
    assert names(found(world, wanted, position=3)) == ["Acme"]


def test_an_archived_file_is_listed_as_such_until_it_is_reinstated(world: World) -> None:
    stream = a_customer("Acme")
    stream.add(CustomerArchived(reason_code=ArchiveReason.LOST))
    stream.add(CustomerReinstated())
    world.project(*stream.events)
    assert [found(world, position=position)[0]["file_state"] for position in (2, 3, 4)] == ["LIVE", "ARCHIVED", "LIVE"]


def test_pages_follow_each_other_by_customer(world: World) -> None:
    customers = [a_customer(f"Customer {number}") for number in range(5)]
    world.project(*(event for customer in customers for event in customer.events))
    first = found(world, limit=2)
    second = found(world, limit=9, after=customers[1].customer_id)
    assert names(first) + names(second) == [f"Customer {number}" for number in range(5)]


def test_a_customer_without_a_name_is_called_by_the_next_best_or_nothing() -> None:
    trading = {"/identity/short_name": "S", "/identity/trading_name": "T"}
    assert display_name(trading) == "T"
    assert display_name({"/identity/legal_name_language": "zh", "/identifiers/BIC/ACMEXXXX": {}}) == "ACMEXXXX"
    assert display_name({"/identity/legal_name_language": "zh"}) is None
