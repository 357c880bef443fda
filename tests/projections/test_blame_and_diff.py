"""Who set what, and what differs between two points, with its causes."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from domain.events import Reason
from domain.events.contacts import ContactAdded, ContactRemoved, RemovalReason
from projections.causes import Point
from projections.diff import diff
from tests.make import Stream, at
from tests.projections.files import BOSS, blame, registered, tier
from tests.projections.world import World


def blame_of(
    world: World, stream: Stream, position: int, valid_at: str, path: str | None = None
) -> list[dict[str, Any]]:
    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        return await blame(connection, stream.customer_id, position, at(valid_at), path)

    return world.read(ask)


def test_blame_names_who_set_a_value_and_what_stood_there_before(world: World) -> None:
    stream = registered()
    first = stream.add(tier("ORDINARY"))
    stream.add(tier("HIGH_VALUE", approver_id="u-301"), actor=BOSS)
    world.project(*stream.events)
    (item,) = blame_of(world, stream, 3, "2026-07-01", "/tier")
    assert (item["path"], item["value"]) == ("/tier/VALUE", {"code": "HIGH_VALUE"})
    set_by = item["set_by"]
    assert (set_by["version"], set_by["position"], set_by["type"]) == (3, 3, "customer.tier-reassigned")
    assert (set_by["actor"], set_by["on_behalf_of"], set_by["approved_by"]) == ("u-301", "u-300", "u-301")
    assert set_by["kind"] == "CHANGE"
    assert item["previous"] == {"value": {"code": "ORDINARY"}, "event_id": str(first.envelope.event_id), "version": 2}
    assert blame_of(world, stream, 2, "2026-07-01")[0]["previous"] is None


def test_blame_leaves_out_what_does_not_show(world: World) -> None:
    stream, contact_id = registered(), uuid7()
    stream.add(ContactAdded(contact_id=contact_id, name="Wu"))
    stream.add(ContactRemoved(contact_id=contact_id, removal_reason=RemovalReason.LEFT_COMPANY))
    world.project(*stream.events)
    contact = f"/contacts/{contact_id}"
    assert [item["path"] for item in blame_of(world, stream, 2, "2026-07-01")] == [contact, f"{contact}/name"]
    assert [item["path"] for item in blame_of(world, stream, 2, "2026-07-01", f"{contact}/name")] == [f"{contact}/name"]
    assert blame_of(world, stream, 3, "2026-07-01") == []


def diff_of(world: World, stream: Stream, left: tuple[int, str], right: tuple[int, str]) -> list[dict[str, Any]]:
    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        points = [Point(position, at(valid_at)) for position, valid_at in (left, right)]
        return await diff(connection, stream.customer_id, *points)

    return world.read(ask)


def test_a_difference_names_its_cause(world: World) -> None:
    stream = registered()
    stream.add(tier("POTENTIAL"), at("2026-01-01"))
    reason = Reason(text="12-month amount 151 200")
    cause = stream.add(tier("HIGH_VALUE", approver_id="u-301"), at("2026-06-15"), reason=reason)
    stream.add(tier("CHURN_RISK"), at("2026-04-01"))
    world.project(*stream.events)
    expected = {
        "op": "replace",
        "path": "/tier/VALUE/code",
        "from": "POTENTIAL",
        "to": "HIGH_VALUE",
        "caused_by": [
            {
                "event_id": str(cause.envelope.event_id),
                "type": "customer.tier-reassigned",
                "version": 3,
                "position": 3,
                "actor": "u-118",
                "approved_by": "u-301",
                "reason": "12-month amount 151 200",
            }
        ],
        "effective_from": "2026-06-15T00:00:00.000000Z",
        "kind": "CHANGE",
    }
    assert diff_of(world, stream, (2, "2026-03-10"), (4, "2026-07-02")) == [expected]
    assert diff_of(world, stream, (3, "2026-06-14"), (3, "2026-06-15")) == [expected]
    (late,) = diff_of(world, stream, (3, "2026-05-01"), (4, "2026-05-01"))
    assert (late["to"], late["kind"], late["caused_by"][0]["version"]) == ("CHURN_RISK", "LATE", 4)
    (backwards,) = diff_of(world, stream, (4, "2026-07-02"), (2, "2026-03-10"))
    assert (backwards["from"], backwards["to"]) == ("HIGH_VALUE", "POTENTIAL")
    assert backwards["caused_by"] == expected["caused_by"]


def causes(changes: list[dict[str, Any]]) -> list[tuple[str, str, list[int], str]]:
    return [
        (change["op"], change["path"], [cause["version"] for cause in change["caused_by"]], change["kind"])
        for change in changes
    ]


def test_an_older_value_that_comes_to_light_is_caused_by_who_took_the_newer_back(world: World) -> None:
    stream = registered()
    stream.attribute("a", 1, at("2026-01-01"))
    stream.retract(stream.attribute("a", 2, at("2026-02-01")))
    world.project(*stream.events)
    changes = diff_of(world, stream, (3, "2026-07-01"), (4, "2026-07-01"))
    assert causes(changes) == [("replace", "/attributes/a", [4], "CORRECTION")]


def test_a_value_whose_time_ran_out_is_caused_by_the_event_that_limited_it(world: World) -> None:
    stream = registered()
    stream.attribute("a", 1, at("2026-01-01"), effective_to=at("2026-02-01"))
    world.project(*stream.events)
    changes = diff_of(world, stream, (2, "2026-01-31"), (2, "2026-02-01"))
    assert causes(changes) == [("remove", "/attributes/a", [2], "CHANGE")]


def test_what_disappears_with_its_contact_is_caused_by_the_removal(world: World) -> None:
    stream, contact_id = registered(), uuid7()
    stream.add(ContactAdded(contact_id=contact_id, name="Wu"))
    stream.add(ContactRemoved(contact_id=contact_id, removal_reason=RemovalReason.LEFT_COMPANY))
    world.project(*stream.events)
    contact = f"/contacts/{contact_id}"
    assert causes(diff_of(world, stream, (2, "2026-01-05T11:30"), (3, "2026-01-05T12:00"))) == [
        ("remove", contact, [3], "CHANGE"),
        ("remove", f"{contact}/name", [3], "CHANGE"),
    ]


def test_objects_are_compared_member_by_member_and_other_values_whole(world: World) -> None:
    stream = registered()
    stream.attribute("a", {"x": 1, "y/z": [1], "same": None})
    stream.attribute("a", {"x": True, "y/z": [1, 2], "same": None, "new": {}})
    world.project(*stream.events)
    changes = diff_of(world, stream, (2, "2026-07-01"), (3, "2026-07-01"))
    assert [(change["op"], change["path"], change.get("from"), change["to"]) for change in changes] == [
        ("add", "/attributes/a/new", None, {}),
        ("replace", "/attributes/a/x", 1, True),
        ("replace", "/attributes/a/y~1z", [1], [1, 2]),
    ]


def test_equal_points_do_not_differ(world: World) -> None:
    stream = registered()
    stream.attribute("a", 1)
    world.project(*stream.events)
    assert diff_of(world, stream, (2, "2026-07-01"), (2, "2026-07-01")) == []
