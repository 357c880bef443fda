"""The disk is full: writes are refused for what it is, nothing acknowledged is lost, and space alone heals it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg

from db.embedded import attach
from tests.checker import check
from tests.crashes.load import Load
from tests.crashes.orders import Answer, Order
from tests.crashes.reckoning import reckon
from tests.crashes.service import Service, until
from tests.crashes.small_disk import full, on_small_disk
from tests.scenarios.client import PHONE, WELL_FOUNDED

_TABLES_MEGABYTES = 80
_EVERYTHING_MEGABYTES = 250
_NO_SPACE = "the database has no space left"
_AFTERWARDS_SECONDS = 0.2
_FAR_TOO_MANY = 5_000


def test_tables_that_cannot_grow_stop_writers_and_nobody_else(data: Path, chance: random.Random) -> None:
    async def scenario(disk: Path) -> None:
        async with Service.start(data, workers=1) as service:
            load = Load(service, chance)
            async with load.running():
                customer = await _register(service, load)
                with full(disk):
                    refusal = await _refused(service, load, f"{customer}/attributes")
                    assert refusal.content["type"] == "urn:dossier:problem:storage-exhausted"
                    assert f"/v1/customers/{(await _get(service, customer))['customer_id']}" == customer
                    await _assert_told(service, load, f"{customer}/attributes")
                    assert f'"event": "{_NO_SPACE}"' in service.said()
                await service.whole()
                await asyncio.sleep(_AFTERWARDS_SECONDS)
            await _assert_nothing_lost(service, load)

    (tables,) = data.glob("pg*/base")
    with on_small_disk(tables, _TABLES_MEGABYTES):
        asyncio.run(scenario(tables))


def test_a_database_without_room_for_its_log_comes_back_once_it_has(data: Path, chance: random.Random) -> None:
    """PostgreSQL gives up (PANIC), and gives up again at each start."""

    async def scenario(disk: Path) -> None:
        async with Service.start(data, workers=1, DOSSIER_READ_WAIT_SECONDS="1") as service:
            load = Load(service, chance)
            async with load.running():
                customer = await _register(service, load)
                with full(disk):
                    first = service.pieces("postgres")
                    await asyncio.to_thread(_begin_log_files, service)
                    await until(lambda: service.pieces("postgres") not in ([], first))
                    refusal = await _refused(service, load, f"{customer}/attributes")
                    assert refusal.content["type"] == "urn:dossier:problem:database-unavailable"
                    assert (await _get(service, customer))["status"] == 503
                    assert {"pointer": "database", "detail": "does not answer"} in (await _get(service, "/readyz"))[
                        "errors"
                    ]
                    assert f"the disk of {disk}" in service.said()
                await service.whole()
                await asyncio.sleep(_AFTERWARDS_SECONDS)
            await _assert_nothing_lost(service, load)

    with on_small_disk(data, _EVERYTHING_MEGABYTES):
        asyncio.run(scenario(data))


async def _register(service: Service, load: Load) -> str:
    """Open a file; its path."""
    body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"name": "Lin", "points": [PHONE]}}
    answer = await load.send_once(_order(service, "/v1/customers", body, None))
    assert answer is not None
    return f"/v1/customers/{answer.content['customer_id']}"


async def _refused(service: Service, load: Load, path: str) -> Answer:
    """Write big things until one is refused."""
    for _ in range(_FAR_TOO_MANY):
        body = {"key": f"k{uuid4().hex}", "value": "x" * 50_000}
        answer = await load.send_once(_order(service, path, body, "*"))
        assert answer is not None
        if answer.status == 503:
            return answer
    raise AssertionError("the disk does not become full")


async def _assert_told(service: Service, load: Load, path: str) -> None:
    """Readiness names the obstacle; but not once a small order has found room in what tables have."""
    for _ in range(_FAR_TOO_MANY):
        if {"pointer": "writer", "detail": _NO_SPACE} in (await _get(service, "/readyz")).get("errors", []):
            return
        await _refused(service, load, path)
    raise AssertionError("it is not told that the disk is full")


def _order(service: Service, path: str, body: dict[str, Any], if_match: str | None) -> Order:
    token = service.signer.token("svc-import", ["importer"], kind="SERVICE")
    return Order(str(uuid4()), token, path, {**WELL_FOUNDED, **body}, if_match)


async def _get(service: Service, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {service.signer.token('u-1', ['editor'])}"}
    async with aiohttp.ClientSession(service.url, headers=headers) as http, http.get(path) as answer:
        content: dict[str, Any] = await answer.json(content_type=None)
        return content


def _begin_log_files(service: Service) -> None:
    """Make the server begin one file of its write-ahead log after another, until it cannot."""
    with contextlib.suppress(psycopg.Error), psycopg.connect(_conninfo(service), autocommit=True) as connection:
        while True:
            connection.execute("SELECT pg_switch_wal(), pg_current_xact_id()")


async def _assert_nothing_lost(service: Service, load: Load) -> None:
    await asyncio.to_thread(reckon, _conninfo(service), load.orders)
    await asyncio.to_thread(check, _conninfo(service), service.kek)


def _conninfo(service: Service) -> str:
    conninfo = attach(service.data)
    assert conninfo is not None
    return conninfo
