"""read.access and read.seen: what the read ledger's events make of them, and what pages of them show."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from domain.events.access import Answered, ProfilesViewed, ReadBasis, ReadKind, ReadOf, SearchRun, Seen, View
from domain.purposes import Purpose, PurposeCode
from domain.slots import Sensitivity
from projections.access import AccessFilter, AccessPlace, accesses
from projections.comparison import Difference
from projections.rebuild import Watch, check, rebuild
from tests.checker import check as check_everything
from tests.ledger.service import viewed
from tests.ledger.writing import KEK
from tests.make import Stream, at
from tests.projections.files import registered
from tests.projections.world import World

ACME, BETA = UUID("01900000-0000-7000-8000-00000000000a"), UUID("01900000-0000-7000-8000-00000000000b")


def view(*seen: Seen, principal: str = "u-1", **stated: Any) -> View:
    told = {"kind": ReadKind.VIEW, "of": ReadOf.PROFILE, "highest": Sensitivity.INTERNAL, **stated}
    return View(principal=principal, seen=seen, **told)


MANY = ProfilesViewed(
    began_at=at("2026-03-01T10:00"),
    ended_at=at("2026-03-01T10:01"),
    viewed=(
        view(
            Seen(customer_id=ACME, times=3, request_id="r-1"),
            Seen(customer_id=BETA),
            purpose=Purpose(code=PurposeCode.SALES, text="visit"),
            basis=ReadBasis(position=7),
        ),
        view(Seen(customer_id=ACME), principal="u-2", on_behalf_of="u-1"),
    ),
)
SEARCH = SearchRun(
    at=at("2026-03-02T10:00"),
    view=view(
        kind=ReadKind.SEARCH,
        of=ReadOf.PORTFOLIO,
        answered=Answered(rows=2_000_000, sha256="ab" * 32, question={"where": []}, request_id="r-2"),
    ),
)


def told(world: World) -> Stream:
    """Positions 1 and 2 of a stream of the read ledger, 3 of another, and a customer behind them."""
    stream, other = Stream(), Stream()
    world.project(stream.add(MANY), stream.add(SEARCH), other.add(viewed(ACME)), *registered().events)
    return stream


def page(
    world: World, limit: int = 50, after: tuple[int, int, UUID] | None = None, up_to: int = 100, **wanted: Any
) -> list[tuple[AccessPlace, dict[str, Any]]]:
    async def ask(connection: AsyncConnection[Any]) -> list[tuple[AccessPlace, dict[str, Any]]]:
        more = {} if after is None else {"after": AccessPlace(*after)}
        return list(await accesses(connection, up_to, AccessFilter(**wanted), limit=limit, **more))

    return world.read(ask)


def shown(world: World, **wanted: Any) -> list[tuple[int, int, UUID | None]]:
    return [(item["position"], item["place"], item["customer_id"]) for _, item in page(world, **wanted)]


def test_an_item_says_everything_about_who_saw_the_customer_and_why(world: World) -> None:
    stream = told(world)
    (_, first), (_, second), (_, third) = page(world, customer_id=ACME)
    assert first == {
        "position": 1,
        "stream": stream.customer_id,
        "version": 1,
        "place": 1,
        "event_id": stream.events[0].envelope.event_id,
        "type": "access.profiles-viewed",
        "since": at("2026-03-01T10:00"),
        "until": at("2026-03-01T10:01"),
        "customer_id": ACME,
        "times": 3,
        "request_id": "r-1",
        "principal": "u-1",
        "principal_kind": "HUMAN",
        "on_behalf_of": None,
        "kind": "VIEW",
        "of": "PROFILE",
        "highest": "INTERNAL",
        "basis": {"position": 7},
        "purpose": {"code": "SALES", "text": "visit"},
        "answered": None,
    }
    assert (second["principal"], second["on_behalf_of"]) == ("u-2", "u-1")
    assert (second["times"], second["request_id"]) == (1, None)
    assert (third["position"], third["type"], third["since"]) == (3, "access.profile-viewed", third["until"])


def test_a_search_that_names_nobody_is_there_once_with_what_was_asked(world: World) -> None:
    told(world)
    ((_, item),) = page(world, principal="u-1", since=at("2026-03-02"))
    assert (item["customer_id"], item["type"], item["request_id"]) == (None, "access.search-run", "r-2")
    assert item["answered"] == {
        "rows": 2_000_000, "sha256": "ab" * 32, "question": {"where": []}, "part": 1, "parts": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"customer_id": ACME}, [(1, 1, ACME), (1, 2, ACME), (3, 1, ACME)]),
        ({"customer_id": BETA}, [(1, 1, BETA)]),
        ({"customer_id": uuid7()}, []),
        ({"customer_id": ACME, "principal": "u-2"}, [(1, 2, ACME)]),
        ({"customer_id": ACME, "purpose": "SALES"}, [(1, 1, ACME)]),
        ({"customer_id": ACME, "purpose": "AUDIT"}, []),
        ({"customer_id": ACME, "since": at("2026-03-01T10:01")}, [(1, 1, ACME), (1, 2, ACME)]),
        ({"customer_id": ACME, "since": at("2026-03-01T10:02")}, []),
        ({"customer_id": ACME, "until": at("2026-03-01T10:00")}, [(3, 1, ACME)]),
        ({"principal": "u-1"}, [(1, 1, ACME), (1, 1, BETA), (2, 1, None)]),
        ({"principal": "u-118"}, [(3, 1, ACME)]),
        ({"up_to": 1}, [(1, 1, ACME), (1, 1, BETA), (1, 2, ACME)]),
        ({}, [(1, 1, ACME), (1, 1, BETA), (1, 2, ACME), (2, 1, None), (3, 1, ACME)]),
    ],
)
def test_pages_show_what_meets_all_conditions(world: World, wanted: dict[str, Any], found: list[Any]) -> None:
    told(world)
    assert shown(world, **wanted) == found


@pytest.mark.parametrize("wanted", [{}, {"customer_id": ACME}, {"principal": "u-1"}])
def test_pages_go_on_where_they_ended(world: World, wanted: dict[str, Any]) -> None:
    told(world)
    whole = page(world, **wanted)
    read: list[tuple[AccessPlace, dict[str, Any]]] = []
    while some := page(world, limit=1, after=read[-1][0] if read else None, **wanted):
        read += some
    assert read == whole


def test_whom_an_event_names_twice_stands_there_once(world: World) -> None:
    twice = view(Seen(customer_id=ACME), Seen(customer_id=ACME, times=2))
    world.project(Stream().add(ProfilesViewed(began_at=at("2026-03-01"), ended_at=at("2026-03-01"), viewed=(twice,))))
    ((_, item),) = page(world, customer_id=ACME)
    assert item["times"] == 2
    check_everything(world.conninfo, KEK)


def test_rows_that_are_wrong_are_named_and_a_rebuild_puts_them_right(world: World) -> None:
    stream = told(world)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("UPDATE read.access SET principal = 'u-3' WHERE place = 2")
        connection.execute("DELETE FROM read.seen WHERE customer_id = %s", [BETA])
        connection.execute(
            "INSERT INTO read.seen SELECT gen_random_uuid(), version, place, customer_id, 99, times FROM read.seen"
            " WHERE position = 3"
        )
    for look in (check, rebuild):
        found: list[Difference] = []
        summary = look(world.conninfo, KEK, Watch(found.append), ["access", "seen"])
        assert (summary.customers, summary.differences) == (1, 3)
        assert {(each.table, each.key, each.detail) for each in found if each.customer_id == stream.customer_id} == {
            ("read.access", "1 2", "differs in principal"),
            ("read.seen", f"1 1 {BETA}", "is missing"),
        }
    rebuild(world.conninfo, KEK, Watch(lambda _: None))
    check_everything(world.conninfo, KEK)
