"""Hundreds of clients at once: each is served or told to come back, and the service neither grows nor breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.checker import check
from tests.overload.load import Connection, Pressed, Target, press
from tests.overload.process import held_connections, resident_bytes, worker_of
from tests.scenarios.service import Service, wait_until

_ATTRIBUTE = "customer.attribute-recorded"
_MANY = 512
_MEBIBYTE = 1024 * 1024
_MOST_GROWTH_BYTES = 256 * _MEBIBYTE
"""Far above what 512 clients may cost, and far below what unbounded queues would."""
_OWN_CONNECTIONS = 1
"""That of the service's HTTP client."""

Record = Callable[[str, object], None]


@pytest.fixture
def narrow(database: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose queues are far too short for so many clients."""
    limits = {"DOSSIER_ORDERS_WAITING": "100", "DOSSIER_READS_WAITING": "50"}
    with Service.start(tmp_path / "data", database, **limits) as service:
        yield service
        assert service.complaints() == ""


@pytest.fixture
def usual(database: str, tmp_path: Path) -> Iterator[Service]:
    """A service with its usual limits."""
    with Service.start(tmp_path / "data", database) as service:
        yield service
        assert service.complaints() == ""


def _target(service: Service) -> Target:
    importer = service.as_("svc-import", "importer", kind="SERVICE")
    return Target(str(importer.http.base_url), importer.token)


def _customers(service: Service, count: int = 32) -> list[str]:
    importer = service.as_("svc-import", "importer", kind="SERVICE")
    return [importer.register(f"Customer {number}").customer_id for number in range(count)]


def _press(service: Service, customers: list[str], connections: int, seconds: float) -> Pressed:
    pressed = asyncio.run(press(_target(service), customers, connections=connections, seconds=seconds))
    assert pressed.failures == {}
    assert pressed.statuses.keys() <= {200, 503}
    return pressed


def _stored(service: Service) -> set[tuple[str, int]]:
    with psycopg.connect(service.conninfo) as connection:
        of_customers = "SELECT stream, version FROM ledger.event WHERE starts_with(type, 'customer.')"
        rows = connection.execute(of_customers).fetchall()
    return {(str(stream), version) for stream, version in rows}


def _acknowledged(*pressed: Pressed) -> set[tuple[str, int]]:
    written = [(write.customer_id, write.version) for one in pressed for write in one.written]
    assert len(set(written)) == len(written)
    return set(written)


def _record(record: Record, name: str, pressed: Pressed) -> None:
    record(f"{name}: requests served per second", round(pressed.per_second))
    record(f"{name}: told to come back", pressed.statuses[503])
    record(f"{name}: latency p50, p99 in ms", [round(pressed.latency(share) * 1000) for share in (0.5, 0.99)])


def test_512_clients_of_a_narrow_service_are_served_or_told_to_come_back(
    narrow: Service, record_property: Record
) -> None:
    customers = _customers(narrow)
    worker = worker_of(narrow)
    before, resident = _stored(narrow), resident_bytes(worker)
    pressed = _press(narrow, customers, _MANY, seconds=2)
    grown = resident_bytes(worker, "VmHWM") - resident
    _record(record_property, "512 clients, short queues", pressed)
    record_property("512 clients, short queues: memory grown by MiB", round(grown / _MEBIBYTE))
    assert pressed.statuses[503] > 0
    assert grown < _MOST_GROWTH_BYTES
    assert _stored(narrow) - before == _acknowledged(pressed)
    narrow.as_("u-118", "editor").file(customers[0]).record("/attributes", key="normal", value=1)
    wait_until(lambda: held_connections(narrow) <= _OWN_CONNECTIONS)
    check(narrow.conninfo, narrow.kek)


async def _change_lists(target: Target, customers: list[str], connections: int) -> Counter[int]:
    """Send long lists of changes that weigh much once they are parsed, over and over; the statuses of the answers."""
    evidence = [{"note": "x"}] * 20
    values: tuple[Any, Any] = (1, [[]] * 300)
    bodies = [
        {"changes": [{"type": _ATTRIBUTE, "key": f"k{number}", "value": value, **more} for number in range(500)]}
        for value, more in zip(values, ({"evidence": evidence}, {}), strict=True)
    ]
    statuses: Counter[int] = Counter()

    async def client(connection: Connection, number: int) -> None:
        for turn in range(2):
            path = f"/v1/customers/{customers[number % len(customers)]}/changes"
            statuses[(await connection.post(path, bodies[turn % 2])).status] += 1

    async with target.connections(connections) as lent:
        await asyncio.gather(*(client(connection, number) for number, connection in enumerate(lent)))
    return statuses


@pytest.mark.long
def test_heavy_bodies_of_256_clients_cost_no_more_than_their_room(usual: Service, record_property: Record) -> None:
    customers = _customers(usual)
    worker = worker_of(usual)
    resident = resident_bytes(worker)
    statuses = asyncio.run(_change_lists(_target(usual), customers, 256))
    grown = resident_bytes(worker, "VmHWM") - resident
    record_property("256 clients, heavy bodies: answers", dict(statuses))
    record_property("256 clients, heavy bodies: memory grown by MiB", round(grown / _MEBIBYTE))
    assert statuses.keys() <= {200, 422, 503}
    assert statuses[200] > 0
    assert grown < 3 * _MOST_GROWTH_BYTES


@pytest.mark.long
def test_512_clients_are_served_as_fast_as_16(usual: Service, record_property: Record) -> None:
    customers = _customers(usual)
    before, worker = _stored(usual), worker_of(usual)
    pressed = {16: [_press(usual, customers, 16, seconds=3)], _MANY: []}
    resident = resident_bytes(worker)
    for _ in range(2):  # in turns: other work on this machine then disturbs both alike
        for connections, found in pressed.items():
            found.append(_press(usual, customers, connections, seconds=12))
    grown = resident_bytes(worker, "VmHWM") - resident
    few, many = (sum(one.per_second for one in found[-2:]) for found in pressed.values())
    _record(record_property, "16 clients", pressed[16][-1])
    _record(record_property, "512 clients", pressed[_MANY][-1])
    record_property("512 clients: throughput against 16", round(many / few, 2))
    record_property("512 clients: memory grown by MiB", round(grown / _MEBIBYTE))
    assert _stored(usual) - before == _acknowledged(*pressed[16], *pressed[_MANY])
    assert many >= 0.5 * few
    assert grown < _MOST_GROWTH_BYTES
    check(usual.conninfo, usual.kek)
