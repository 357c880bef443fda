"""The database goes away: the service says so in time, and goes on by itself once it is back."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from tests.checker import check
from tests.processes import children_of
from tests.scenarios.client import PHONE, Api
from tests.scenarios.service import Service, wait_until

_BOUND_SECONDS = 30.0
"""Far more than the service allows itself, and far less than a client would wait for ever."""

_TOLD_OF_AN_OUTAGE = {
    "read models stand still",
    "the sealer was interrupted",
    "the signer was interrupted",
    "the scrubber was interrupted",
    "the eraser was interrupted",
    "the database does not answer",
}


@dataclass(frozen=True)
class Fragile:
    """A service whose database can be stopped."""

    service: Service
    postgres: EmbeddedPostgres


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Fragile]:
    with EmbeddedPostgres(tmp_path / "postgres", settings={"shared_buffers": "16MB"}) as postgres:
        migrate(postgres.conninfo())
        with Service.start(tmp_path / "data", postgres.conninfo(), DOSSIER_READ_WAIT_SECONDS="1") as service:
            yield Fragile(service, postgres)
            check(postgres.conninfo(), service.kek)
            told = {json.loads(line)["event"] for line in service.complaints().splitlines()}
            assert told <= _TOLD_OF_AN_OUTAGE


def test_the_service_outlives_its_database(fragile: Fragile) -> None:
    li_na = fragile.service.as_("u-118", "editor")
    file = li_na.register()
    etag, key = file.etag, str(uuid4())
    attribute = {"key": "k", "value": 1}
    acknowledged = file.send("/attributes", attribute, idempotency_key=key)

    with _held_still(fragile.postgres):
        _assert_not_ready(li_na)
    fragile.postgres.stop()
    _assert_unavailable(li_na, "GET", file.path)
    _assert_unavailable(li_na, "GET", f"{file.path}/history")
    _assert_unavailable(li_na, "GET", "/v1/customers")
    _assert_not_ready(li_na)
    _assert_unavailable(li_na, "POST", f"{file.path}/tags")
    _assert_unavailable(li_na, "POST", "/v1/customers")
    nobody = fragile.service.as_("u-9")  # is refused without a look at anything
    nobody.get(file.path, expect=403)
    nobody.post(f"{file.path}/tags", expect=403)
    assert li_na.get("/healthz").json() == {"status": "alive"}

    fragile.postgres.start()
    wait_until(lambda: fragile.service.http.get("/readyz").status_code == 200)
    again = file.send("/attributes", attribute, if_match=etag, idempotency_key=key)
    assert again.content == acknowledged.content
    file.record("/attributes", key="k", value=2)
    assert [item["data"]["value"] for item in file.history(path="/attributes")] == [1, 2]
    assert "tags" not in file.profile()


def _assert_unavailable(api: Api, method: str, path: str) -> None:
    started = time.monotonic()
    answer = _write(api, path) if method == "POST" else api.request(method, path)
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["type"] == "urn:dossier:problem:database-unavailable"
    assert time.monotonic() - started < _BOUND_SECONDS


def _assert_not_ready(api: Api) -> None:
    started = time.monotonic()
    problem = api.get("/readyz", expect=503).json()
    assert problem["type"] == "urn:dossier:problem:not-ready"
    assert problem["errors"] == [{"pointer": "database", "detail": "does not answer"}]
    assert time.monotonic() - started < _BOUND_SECONDS


@contextmanager
def _held_still(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Let no process of the server do anything: connections stand, and nobody answers."""
    assert postgres.process_id is not None
    held = [postgres.process_id]
    os.kill(postgres.process_id, signal.SIGSTOP)  # first, for it makes the others
    held += children_of(postgres.process_id)
    for process_id in held:
        os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        for process_id in held:
            os.kill(process_id, signal.SIGCONT)


def _write(api: Api, path: str) -> httpx.Response:
    body: dict[str, Any] = {"group": "FOCUS", "code": "FOCUS"}
    if path == "/v1/customers":
        body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"points": [PHONE]}}
    return api.post(path, body, expect=503, if_match='"5.0"')
