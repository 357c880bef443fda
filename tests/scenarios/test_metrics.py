"""What the service tells of itself to who watches over it: all its processes, the log, and what was refused why."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from projections.runner import EVERY_PROJECTION
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer

_WORKERS = 2


@pytest.fixture(scope="module")
def watched(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of several workers."""
    data = tmp_path_factory.mktemp("watched") / "data"
    with server.database() as conninfo:
        with Service.start(data, conninfo, DOSSIER_WORKERS=str(_WORKERS)) as service:
            yield service
        assert service.complaints() == "", service.log.read_text()
    assert list((data / "metrics").glob("worker-*")) == []


@pytest.fixture(scope="module")
def watcher(watched: Service) -> Api:
    return watched.as_("svc-metrics", "service", kind="SERVICE")


def scraped(watcher: Api) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample, by name and by the values of its labels in the order of their names, but for the worker's."""
    answer = watcher.http.get("/metrics", headers={"Authorization": f"Bearer {watcher.token}"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "worker")
            values = found.setdefault(sample.name, {})
            values[labels] = values.get(labels, 0) + sample.value
    return found


def _requests(watcher: Api, route: str, status: str = "2xx") -> float:
    return scraped(watcher)["dossier_request_seconds_count"].get(("GET", route, status), 0)


def test_nobody_else_reads_them(watched: Service) -> None:
    watched.anonymous.request("GET", "/metrics", expect=401)
    for role in ("viewer", "editor", "auditor", "privacy", "importer"):
        assert watched.as_("u-1", role).request("GET", "/metrics", expect=403).json()["type"].endswith("forbidden")
    assert scraped(watched.as_("u-2", "administrator"))


def test_requests_are_counted_whichever_process_answers_them(watched: Service, watcher: Api) -> None:
    before = _requests(watcher, "/v1/customers")
    for _ in range(20):
        with httpx.Client(base_url=watched.http.base_url) as http:  # a connection of its own, which any of them takes
            Api(http, watcher.token).get("/v1/customers")
    wait_until(lambda: _requests(watcher, "/v1/customers") == before + 20)
    seen = scraped(watcher)
    spent = seen["dossier_request_seconds_sum"]["GET", "/v1/customers", "2xx"]
    assert 0 < spent < 20 * 60
    buckets = seen["dossier_request_seconds_bucket"]
    assert buckets["+Inf", "GET", "/v1/customers", "2xx"] == before + 20
    text = watcher.http.get("/metrics", headers={"Authorization": f"Bearer {watcher.token}"}).text
    assert {f'worker="{place}"' in text for place in range(1, _WORKERS + 1)} == {True}


def test_refusals_are_counted_by_problem_and_rule(watched: Service, watcher: Api) -> None:
    editor = watched.as_("u-118", "editor")
    file = editor.register()
    editor.post(f"{file.path}/names", {"name": "x"}, expect=428)
    file.send("/names", {"name": "Acme Ltd"}, expect=422)
    editor.get("/v1/customers/17", expect=422)
    with socket.create_connection((watched.http.base_url.host, watched.http.base_url.port or 80)) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        assert b"400" in connection.recv(64)
    expected = {
        ("precondition-required", "I3"),
        ("evidence-required", "I5"),
        ("invalid-parameter", ""),
        ("malformed-request", ""),
    }
    wait_until(lambda: expected <= scraped(watcher)["dossier_refused_total"].keys())


def test_writer_pools_and_log_are_told_of(watched: Service, watcher: Api) -> None:
    file = watched.as_("u-118", "editor").register()
    _wait_for_rest(watcher, file)
    seen = scraped(watcher)
    assert seen["dossier_writer_batch_orders_count"][()] >= 1
    assert seen["dossier_writer_batch_orders_sum"][()] >= seen["dossier_writer_batch_orders_count"][()]
    assert seen["dossier_writer_orders_waiting"] == {(): 0}
    assert seen["dossier_connections"][()] >= 1
    assert seen["dossier_pool_connections"].keys() == {("readers",), ("writers",)}
    assert seen["dossier_pool_requests_total"]["readers",] > 0
    assert seen["dossier_database_up"] == {(): 1}
    assert seen["dossier_followed"] == {(): 1}
    assert seen["dossier_unsealed_events"] == {(): 0}
    assert seen["dossier_unsealed_age_seconds"] == {(): 0}
    assert 0 < seen["dossier_sign_lag_seconds"][()] < 600
    assert seen["dossier_signed_events"][()] == seen["dossier_sealed_events"][()] > 0
    for lag in ("events", "seconds"):
        behind = seen[f"dossier_projection_lag_{lag}"]
        assert behind.keys() == {(projection.name,) for projection in EVERY_PROJECTION}
        assert set(behind.values()) == {0}
    assert seen["dossier_damage_found"] == {(): 0}
    assert "dossier_signer_refusing" not in seen
    assert seen["dossier_log_lines_dropped_total"] == {(): 0}


def _wait_for_rest(watcher: Api, file: File) -> None:
    def is_signed() -> bool:
        seen = scraped(watcher)
        sealed = seen["dossier_sealed_events"][()]
        behind = sum(seen["dossier_projection_lag_events"].values())
        settled = not seen["dossier_unsealed_events"][()]
        return bool(settled and sealed >= file.version and seen["dossier_signed_events"][()] == sealed and not behind)

    wait_until(is_signed)
