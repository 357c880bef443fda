"""The network to the database goes away: clear refusals in bounded time, nothing lost, and on again by itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.checker import check
from tests.crashes.conftest import Record
from tests.crashes.load import Load
from tests.crashes.proxy import Proxy
from tests.crashes.reckoning import reckon
from tests.crashes.service import Service
from tests.scenarios.client import PHONE

_BOUND_SECONDS = 40.0
"""Far more than the service allows itself, and less than clients and load balancers wait."""

_CUTS = 5
_LONG_ROUNDS = 12

Trouble = Callable[[Service, Proxy, random.Random], Awaitable[None]]


def test_a_network_that_cuts_and_holds_back_loses_nothing(
    tmp_path: Path, database: str, chance: random.Random, record_property: Record
) -> None:
    _run([_cut, _hold_back], tmp_path, database, chance, record_property)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_network_that_is_never_at_rest_loses_nothing(
    tmp_path: Path, database: str, chance: random.Random, record_property: Record
) -> None:
    troubles = chance.choices([_cut, _hold_back, _refuse], k=_LONG_ROUNDS)
    _run(troubles, tmp_path, database, chance, record_property)


def _run(
    troubles: Sequence[Trouble], folder: Path, database: str, chance: random.Random, record_property: Record
) -> None:
    async def scenario(proxy: Proxy) -> None:
        starting = Service.start(folder / "data", workers=1, database_url=proxy.conninfo, DOSSIER_READ_WAIT_SECONDS="1")
        async with starting as service:
            load = Load(service, chance)
            for trouble in troubles:
                async with load.running():
                    await asyncio.sleep(chance.uniform(0.1, 0.5))
                    await trouble(service, proxy, chance)
                    await service.whole()
                await asyncio.to_thread(reckon, database, load.orders)
            await asyncio.to_thread(check, database, service.kek)
            load.record(record_property)

    with Proxy.start(database) as proxy:
        asyncio.run(scenario(proxy))


async def _cut(_service: Service, proxy: Proxy, chance: random.Random) -> None:
    """Again and again, while orders are under way."""
    for _ in range(_CUTS):
        proxy.cut()
        await asyncio.sleep(chance.uniform(0, 0.2))


async def _refuse(service: Service, proxy: Proxy, _chance: random.Random) -> None:
    proxy.be_gone()
    await _assert_refused(service)
    proxy.listen()


async def _hold_back(service: Service, proxy: Proxy, chance: random.Random) -> None:
    """Until readers and writers had to be told. What was held back comes late, or never."""
    proxy.stall()
    await _assert_refused(service)
    await asyncio.sleep(chance.uniform(0, 1))
    if chance.random() < 0.5:
        proxy.cut()
    proxy.resume()


async def _assert_refused(service: Service) -> None:
    """Readers and writers are told so, before they lose patience; the process itself is well."""
    token = service.signer.token("u-118", ["editor"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
    opening = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"points": [PHONE]}}
    timeout = aiohttp.ClientTimeout(total=_BOUND_SECONDS)
    async with aiohttp.ClientSession(service.url, headers=headers, timeout=timeout) as http:
        answers = await asyncio.gather(
            http.get("/healthz"),
            http.get("/readyz"),
            http.get("/v1/customers"),
            http.get(f"/v1/customers/{uuid4()}"),
            http.post("/v1/customers", json=opening),
        )
        for answer in answers:
            await answer.read()  # only then is its connection free
        assert [answer.status for answer in answers] == [200, 503, 503, 503, 503]
        for refusal in answers[1:]:
            assert refusal.headers["Retry-After"]
            assert refusal.content_type == "application/problem+json"
