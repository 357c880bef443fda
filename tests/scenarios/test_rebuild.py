"""`dossier rebuild` beside a service at work: whoever writes or reads over HTTP notices nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from uuid_utils.compat import uuid7

from tests.checker import check
from tests.ledger.writing import KEK, attribute, receipts_of, registration, write_path
from tests.projections.world import KEK_TEXT
from tests.scenarios.client import Api
from tests.scenarios.service import PATIENCE_SECONDS, Service, wait_until
from tests.server import TestServer

_EVENTS_OF_A_FILE = 50
_CUSTOMERS = 800
_EVENTS_OF_A_CUSTOMER = 5
"""Besides those of its registration."""


@dataclass
class Load:
    """Clients that write and read without a pause, and what became of it. `seconds` are those of each request."""

    failures: list[BaseException] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def of(cls, service: Service, *, writers: int, readers: int) -> Iterator[Load]:
        load = cls()
        tasks = [load._write] * writers + [load._read] * readers
        threads = [threading.Thread(target=load._run, args=[service, task]) for task in tasks]
        for thread in threads:
            thread.start()
        try:
            yield load
        finally:
            load._stop.set()
            for thread in threads:
                thread.join()

    def _run(self, service: Service, task: Callable[[Api], None]) -> None:
        try:
            token = service.signer.token("u-118", ["editor"])
            with httpx.Client(base_url=service.http.base_url, timeout=PATIENCE_SECONDS) as http:
                http.event_hooks["response"] = [self._note]
                task(Api(http, token))
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self.failures.append(error)

    def _note(self, answer: httpx.Response) -> None:
        answer.read()
        self.seconds.append(answer.elapsed.total_seconds())

    def _write(self, api: Api) -> None:
        """Write, and read what was written; every request must succeed, as the client asserts."""
        for number in count():
            if self._stop.is_set():
                return
            if number % _EVENTS_OF_A_FILE == 0:
                file = api.register()
            written = file.record("/attributes", key="n", value=number)
            assert file.profile()["attributes"] == {"n": number}
            newest = file.history(order="desc", limit=1)[0]
            assert (newest["version"], newest["data"]["value"]) == (written["version"], number)
            assert file.blame("/attributes/n")["value"] == number

    def _read(self, api: Api) -> None:
        """Ask again and again what must always be answered alike."""
        file = api.register()
        for number in range(3):
            file.record("/attributes", key="n", value=number)
        position = file.position
        asked = [f"{file.path}?at_position={position - 1}", f"{file.path}/history?at_position={position}", file.path]
        answers = [_content(api, path) for path in asked]
        while not self._stop.is_set():
            assert [_content(api, path) for path in asked] == answers
            assert api.get("/v1/customers", limit=5).json()["items"]


def _content(api: Api, path: str) -> Any:
    content = api.request("GET", path, expect=200).json()
    content.get("basis", {}).pop("known_at", None)  # the present moves on
    content.get("basis", {}).pop("valid_at", None)
    return content


def rebuild(service: Service, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator would."""
    settings = {**os.environ, **(environment or {})}
    return subprocess.run(_command(service), env=settings, capture_output=True, text=True, check=False, timeout=280)


def _named(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines about differences."""
    return [line for line in done.stdout.splitlines() if " of customer " in line]


def _command(service: Service) -> list[str]:
    command = [sys.executable, "-m", "cli.main", "rebuild", "--data", str(service.data)]
    return [*command, "--database-url", service.conninfo]


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo) as connection:
        assert connection.execute(statement.encode()).rowcount


def test_clients_notice_nothing_of_a_rebuild(service: Service) -> None:
    with Load.of(service, writers=1, readers=1) as load:
        wait_until(lambda: len(load.seconds) > 20 or load.failures)
        file = service.as_("u-118", "editor").register()
        assert file.history()
        execute(service.conninfo, f"DELETE FROM read.changes WHERE customer_id = '{file.customer_id}'")  # noqa: S608
        done = rebuild(service)
    assert load.failures == []
    assert (done.returncode, done.stderr) == (0, "")
    named = _named(done)
    assert named
    assert all(line.startswith(f"read.changes of customer {file.customer_id} ") for line in named)
    assert all(item["changes"] for item in file.history(path="/identity"))


# --- the long form --------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(600)
def test_clients_notice_nothing_of_one_rebuild_after_the_other(
    server: TestServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kek_file = tmp_path / "kek"
    kek_file.touch(0o600)
    kek_file.write_text(KEK_TEXT, encoding="ascii")
    # Patience is for the machine: what is measured is how long a request took.
    environment = {"DOSSIER_KEK_FILE": str(kek_file), "DOSSIER_READ_WAIT_SECONDS": "60", "DOSSIER_WORKERS": "2"}
    with server.database() as conninfo:
        customers = _prefill(conninfo)
        with Service.start(tmp_path / "data", conninfo, **environment) as service:
            wait_until(lambda: _is_at_rest(service))
            with Load.of(service, writers=2, readers=2) as load:
                time.sleep(5)
                before = len(load.seconds)
                seconds = [_damage_and_rebuild(service, environment, customer) for customer in customers[:2]]
                _kill_a_rebuild(service, environment, seconds[-1] / 2)
                seconds.append(_damage_and_rebuild(service, environment, customers[2]))
            assert load.failures == []
            check(conninfo, KEK)
        assert service.complaints() == "", service.log.read_text()
        ((events,),) = _rows(conninfo, "SELECT count(*) FROM ledger.event")
    record_property("events at the end", events)
    record_property("seconds of the rebuilds", [round(each, 1) for each in seconds])
    for name, part in (("before", load.seconds[:before]), ("during rebuilds", load.seconds[before:])):
        record_property(f"requests {name}", len(part))
        record_property(f"milliseconds of requests {name}: median, p99, longest", _milliseconds(part))
    record_property("failed requests", len(load.failures))


def _is_at_rest(service: Service) -> bool:
    told = service.http.get("/readyz").json()
    return bool(told.get("unsealed") == 0 and told["sealed"] == told["position"])


def _prefill(conninfo: str) -> list[UUID]:
    """Customers with a history, written past HTTP."""
    ids = [uuid7() for _ in range(_CUSTOMERS)]
    with write_path(conninfo) as path:
        for start in range(0, _CUSTOMERS, 100):
            some = ids[start : start + 100]
            receipts_of(path.process(*[registration("Acme", ("OTHER", str(each)), customer_id=each) for each in some]))
            for number in range(_EVENTS_OF_A_CUSTOMER):
                receipts_of(path.process(*[attribute(each, "n", number) for each in some]))
    return ids


def _damage_and_rebuild(service: Service, environment: dict[str, str], customer_id: UUID) -> float:
    """Damage a row of each table, have it named, and put right. How long it took."""
    of_customer = f"WHERE customer_id = '{customer_id}'"
    damages = {
        f"UPDATE read.facts SET value = '77' {of_customer} AND value = '1' AND upper(positions) IS NULL": "facts",  # noqa: S608
        f"DELETE FROM read.events {of_customer} AND version = 2": "events",  # noqa: S608
        f"UPDATE read.changes SET place = 7 {of_customer} AND version = 8": "changes",  # noqa: S608
        f"UPDATE read.profile SET boundaries = 7 {of_customer}": "profile",  # noqa: S608
        f"DELETE FROM read.identifier {of_customer}": "identifier",  # noqa: S608
    }
    for damage in damages:
        execute(service.conninfo, damage)
    begun = time.monotonic()
    done = rebuild(service, environment)
    seconds = time.monotonic() - begun
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    named = _named(done)
    places = sorted(f"read.{table} of customer {customer_id}" for table in damages.values())
    assert [line[: len(place)] for line, place in zip(sorted(named), places, strict=True)] == places
    return seconds


def _kill_a_rebuild(service: Service, environment: dict[str, str], after_seconds: float) -> None:
    with subprocess.Popen(_command(service), env={**os.environ, **environment}) as process:
        time.sleep(after_seconds)
        assert process.poll() is None
        process.kill()
    # its connections end when the server notices
    wait_until(lambda: _rows(service.conninfo, _REBUILDS_AT_WORK) == [(0,)])


_REBUILDS_AT_WORK = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dossier_rebuild' AND datname = current_database()"
)


def _rows(conninfo: str, query: str) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode()).fetchall()


def _milliseconds(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    chosen = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return ", ".join(f"{each * 1000:.0f}" for each in chosen)
