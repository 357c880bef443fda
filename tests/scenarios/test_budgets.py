"""One principal's share: who asks too often, or has too much opened, is told when to come back; and no request lasts.

On a service of its own, with small limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.scenarios.client import Api
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer

_READING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'dossier_reader' AND state = 'active'"
)


@pytest.fixture(scope="module")
def sparing(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    limits = {
        "DOSSIER_REQUESTS_PER_SECOND": "20",
        "DOSSIER_EVENTS_PER_MINUTE": "10",
        "DOSSIER_REQUEST_SECONDS": "3",
        "DOSSIER_READ_WAIT_SECONDS": "60",
    }
    with server.database() as conninfo:
        with Service.start(tmp_path_factory.mktemp("sparing") / "data", conninfo, **limits) as service:
            yield service
        assert service.complaints() == "", service.log.read_text()


def _somebody(service: Service) -> Api:
    """A person who has asked for nothing yet."""
    return service.as_(f"u-{uuid4()}", "editor", "auditor")


def _assert_too_much(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:dossier:problem:too-many-requests"), answer.text
    assert int(answer.headers["Retry-After"]) == answer.json()["retry_after"] >= 1


def test_who_asks_too_often_is_told_and_others_are_not(sparing: Service) -> None:
    busy, other = _somebody(sparing), _somebody(sparing)
    answers = [busy.request("GET", "/v1/customers") for _ in range(200)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) <= 160
    _assert_too_much(refused[0])
    other.get("/v1/customers")
    wait_until(lambda: busy.request("GET", "/v1/customers").status_code == 200)


def test_who_has_had_too_much_opened_is_told_whatever_they_ask_for_next(sparing: Service) -> None:
    somebody = _somebody(sparing)
    file = somebody.register()
    while file.version < 11:
        file.record("/attributes", key="k", value=file.version)
    token = file.send("/attributes", {"key": "k", "value": "last"}).headers["Dossier-Token"]
    wait_until(lambda: sparing.http.get("/log/checkpoint").status_code == 200)
    somebody.get(f"{file.path}/replay", after=token)
    _assert_too_much(somebody.request("GET", f"{file.path}/replay"))
    _assert_too_much(somebody.request("POST", "/v1/evidence", json={"customer_id": file.customer_id}))
    table = {"columns": ["/tier/VALUE/code"], "where": {"all": []}}
    _assert_too_much(
        somebody.request("POST", "/v1/portfolio/query", json=table, headers={"Accept": "application/x-ndjson"})
    )
    somebody.get(file.path)
    _somebody(sparing).get(f"{file.path}/replay")


@contextmanager
def _held(service: Service, table: str) -> Iterator[Callable[[], int]]:
    """Keep everybody from a table; lends how many readers are at work."""
    with (
        psycopg.connect(service.conninfo) as holder,
        psycopg.connect(service.conninfo, autocommit=True) as looking,
    ):
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

        def readers() -> int:
            row = looking.execute(_READING).fetchone()
            assert row is not None
            return int(row[0])

        yield readers


def _assert_ended(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:dossier:problem:took-too-long"), answer.text
    assert answer.headers["Retry-After"] == "1"


def test_a_read_that_takes_too_long_is_ended_and_its_statement_with_it(sparing: Service) -> None:
    somebody = _somebody(sparing)
    with _held(sparing, "read.changes") as readers:
        _assert_ended(somebody.request("GET", "/v1/history", params={"path": "/tier"}))
        wait_until(lambda: readers() == 0)
    somebody.get("/v1/history", path="/tier")


def test_a_pack_that_takes_too_long_is_ended_and_the_next_one_is_made(sparing: Service) -> None:
    somebody = _somebody(sparing)
    asked = {"customer_id": somebody.register().customer_id}
    wait_until(lambda: somebody.request("GET", f"/v1/customers/{asked['customer_id']}/events/1/receipt").is_success)
    with _held(sparing, "ledger.payload") as readers:
        _assert_ended(somebody.request("POST", "/v1/evidence", json=asked))
        wait_until(lambda: readers() == 0)
    answer = sparing.http.post("/v1/evidence", json=asked, headers={"Authorization": f"Bearer {somebody.token}"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
