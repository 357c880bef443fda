"""The drill: a service under load is backed up, dies, and is restored elsewhere as of the backup, to the last byte."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import psycopg
import pytest

from db.archive import read_archive
from db.embedded import attach
from ledger.checkpoint import opened
from ledger.epochs import LOG_STREAM
from ledger.log_errors import NoteUnverified
from ledger.notes import VerifierKey
from tests.checker import check
from tests.crashes.conftest import Record
from tests.crashes.load import Load
from tests.crashes.orders import Order
from tests.crashes.service import PATIENCE_SECONDS, Service, kill, pieces_of, until
from tests.ledger.naive_tree import root_of

_EVIDENCE = {
    "events": "SELECT stream, version, type, entry FROM ledger.event WHERE stream <> %(own)s",
    "parts": "SELECT stream, version, part, ct FROM ledger.payload",
    "requests": "SELECT key, actor, request_mac, stream, first_version, last_version FROM ledger.idempotency",
}
_LOG = "SELECT idx, stream, version, hash, known_at FROM ledger.log WHERE idx < %(size)s ORDER BY idx"
_CUSTOMERS = 8
_PATHS = (
    "/v1/customers/{id}?at_position={size}",
    "/v1/customers/{id}/history?at_position={size}&limit=500",
    "/v1/customers/{id}/timeline?at_position={size}&limit=500",
)


@pytest.mark.timeout(900)
def test_what_was_backed_up_under_load_comes_back_elsewhere(
    new_data: Callable[[str], Path], chance: random.Random, record_property: Record
) -> None:
    async def scenario() -> None:
        data, backup = new_data("service"), new_data("elsewhere").with_name("backup")
        elsewhere = backup.with_name("data")
        shutil.rmtree(elsewhere)
        async with Service.start(data) as service:
            load = Load(service, chance)
            async with load.running():
                await asyncio.sleep(2)
                before = [order for order in load.orders if order.is_acknowledged]
                told = await _dossier("backup", "--to", backup, "--data", data)
                await asyncio.sleep(1)
                dead = pieces_of(data)
                for process_id in dead:
                    kill(process_id)
                await service.whole(*dead)
            load.record(record_property)
            record_property("backup", told)
            (elsewhere / "keys").mkdir(parents=True)
            shutil.copy(data / "keys" / "kek", elsewhere / "keys")
            record_property("restore", await _dossier("restore", backup, "--data", elsewhere))
            async with Service.start(elsewhere) as restored:
                await asyncio.to_thread(_hold_against, service, restored, backup, before)
                await _answers_are_the_same(service, restored, backup, chance)
                more = Load(restored, chance)
                async with more.running():
                    await asyncio.sleep(1)
                await until(lambda: any(order.is_acknowledged for order in more.orders))
                await asyncio.to_thread(check, _conninfo(restored), restored.kek)
                await _goes_on_under_another_name(service, restored, backup)

    asyncio.run(scenario())


def _hold_against(service: Service, restored: Service, backup: Path, acknowledged: list[Order]) -> None:
    """All that the backup has is the original's, byte for byte; and all that had been acknowledged before is in it."""
    manifest = read_archive(backup / "ledger", "ledger").manifest
    params = {"own": LOG_STREAM, "size": manifest.about["log"]["size"]}
    with psycopg.connect(_conninfo(service)) as original, psycopg.connect(_conninfo(restored)) as copy:
        assert original.execute(_LOG, params).fetchall() == copy.execute(_LOG, params).fetchall()
        for query in _EVIDENCE.values():
            there = set(copy.execute(query, params).fetchall())
            assert there <= set(original.execute(query, params).fetchall())
        events = {row[:2] for row in copy.execute(_EVIDENCE["events"], params).fetchall()}
        assert len(events) == manifest.rows_of("event")
    for order in acknowledged:
        assert order.answer is not None
        customer_id = UUID(order.answer.content["customer_id"])
        assert {(customer_id, event["version"]) for event in order.answer.content["events"]} <= events


async def _answers_are_the_same(service: Service, restored: Service, backup: Path, chance: random.Random) -> None:
    """Profile, history and timeline of customers, as of the end of the backed-up log."""
    size = read_archive(backup / "ledger", "ledger").manifest.about["log"]["size"]
    with psycopg.connect(_conninfo(restored)) as copy:
        streams = copy.execute(
            "SELECT DISTINCT stream FROM ledger.log JOIN ledger.event USING (stream, version)"
            " WHERE idx < %s AND starts_with(type, 'customer.')",
            [size],
        ).fetchall()
    for customer_id in chance.sample([stream for (stream,) in streams], _CUSTOMERS):
        for path in _PATHS:
            asked = path.format(id=customer_id, size=size)
            answer = await _get(service, asked)
            assert answer == await _get(restored, asked)
            assert answer


async def _goes_on_under_another_name(service: Service, restored: Service, backup: Path) -> None:
    """Signed by another key from the fork on; the first entry after it has the last checkpoint of before."""
    size = read_archive(backup / "ledger", "ledger").manifest.about["log"]["size"]
    with psycopg.connect(_conninfo(restored)) as copy:
        row = copy.execute(
            "SELECT stream, entry FROM ledger.log JOIN ledger.event USING (stream, version) WHERE idx = %s", [size]
        ).fetchone()
        ((last,),) = copy.execute(
            "SELECT note FROM ledger.signature WHERE size <= %s ORDER BY size DESC LIMIT 1", [size]
        )
    assert row is not None
    began = orjson.loads(row[1])["epoch"]
    assert (row[0], began["after"]["checkpoint"]) == (LOG_STREAM, last)
    old, new = (VerifierKey.from_text(key.strip()) for key in [await _key(service), await _key(restored)])
    assert (old.name, new.name) == (opened(last.encode(), [old]).origin, began["origin"])
    assert new.name == f"{old.name}/{began['name']}"
    signed = await asyncio.to_thread(_signed_beyond, restored, size)
    with pytest.raises(NoteUnverified):
        opened(signed.encode(), [old])
    newest = opened(signed.encode(), [new])
    with psycopg.connect(_conninfo(restored)) as copy:
        hashes = [leaf for (leaf,) in copy.execute("SELECT hash FROM ledger.log ORDER BY idx").fetchall()]
    assert newest.root == root_of(hashes[: newest.size])
    assert opened(last.encode(), [old]).root == root_of(hashes[: opened(last.encode(), [old]).size])


async def _key(service: Service) -> str:
    return await _dossier("log", "key", "--data", service.data)


def _signed_beyond(restored: Service, size: int) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with psycopg.connect(_conninfo(restored)) as copy:
            row = copy.execute("SELECT size, note FROM ledger.signature ORDER BY size DESC LIMIT 1").fetchone()
        if row is not None and row[0] > size:
            return str(row[1])
        assert time.monotonic() < deadline, "nothing is signed any more"
        time.sleep(0.1)


async def _get(service: Service, path: str) -> Any:
    headers = {"Authorization": f"Bearer {service.signer.token('u-118', ['editor'])}"}
    async with aiohttp.ClientSession(service.url) as http:
        for _ in range(100):
            async with http.get(path, headers=headers) as answer:
                if answer.status != 503:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()
            await asyncio.sleep(0.2)
    raise AssertionError(f"{path}: 503 again and again")


async def _dossier(*arguments: object) -> str:
    """Run the command as an operator does, and return what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DOSSIER_", "DATABASE_"))}
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _conninfo(service: Service) -> str:
    conninfo = attach(service.data)
    assert conninfo is not None
    return conninfo
