"""A service of two processes whose data keys have a database of their own, while the key that wraps them is rotated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from db.migrate import migrate_keys
from ledger.rotation import retire, rotate, rotating
from ledger.scrubbing import scrub_erasures
from ledger.verify import keys_at, one_moment
from projections.comparison import hold_tables
from projections.verify import verify
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer


@pytest.fixture(scope="module")
def own(server: TestServer) -> Iterator[str]:
    with server.database(template="template0") as own:
        yield own


@pytest.fixture(scope="module")
def service(server: TestServer, own: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("service") / "data"
    with server.database() as conninfo:
        with Service.start(data, conninfo, KEYS_DATABASE_URL=own, DOSSIER_WORKERS="2") as service:
            yield service
        assert service.complaints() == "", service.log.read_text()


def findings(service: Service, own: str) -> list[str]:
    with one_moment(service.conninfo) as moment:
        hold_tables(moment)
        with keys_at(moment, service.kek, own) as keys:
            return [f"{found.place}: {found.check}: {found.detail}" for found in verify(moment, keys)]


def count(conninfo: str, table: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    assert row is not None
    return int(row[0])


def test_the_start_migrates_it_and_the_ledgers_holds_no_key(service: Service, own: str) -> None:
    li_na = service.as_("u-118", "editor")
    li_na.register()
    assert migrate_keys(own) == []
    assert count(own, "keys.subject_key") > 0
    assert count(service.conninfo, "keys.subject_key") == 0


def test_writes_and_verifications_go_on_through_rotations(service: Service, own: str) -> None:
    stop = threading.Event()

    def write() -> int:
        li_na, files = service.as_("u-118", "editor"), 0
        while not stop.is_set():
            file = li_na.register()
            file.record("/contacts", name="Lin")
            files += 1
        return files

    with ThreadPoolExecutor(3) as executor:
        writing = [executor.submit(write) for _ in range(3)]
        try:
            for _ in range(3):
                with rotating(own) as rotation:
                    rotate(rotation, service.kek)
                    retire(rotation, service.kek)
                assert findings(service, own) == []
        finally:
            stop.set()
        files = sum(task.result() for task in writing)
    assert files > 0
    assert len(service.kek.ids) == 1
    assert findings(service, own) == []
    with psycopg.connect(own) as connection:
        wrapping = connection.execute("SELECT DISTINCT kek FROM keys.subject_key").fetchall()
    assert wrapping == [(service.kek.id,)]


def test_a_person_is_erased_where_the_keys_are(service: Service, own: str) -> None:
    officer, second = service.as_("u-501", "privacy"), service.as_("u-502", "privacy")
    file = service.as_("u-118", "editor").register()
    contact_id = file.record("/contacts", name="Ou-Yang Zhenzhen")["data"]["contact_id"]
    body = {"subject": contact_id, "legal_basis": "GDPR_17_1_B", "reason": {"text": "letter of the person"}}
    (asked,) = file.seen_by(officer).send("/erasures", body).json()["events"]
    file.seen_by(second).send(f"/erasures/{asked['data']['request_id']}/approve")
    wait_until(lambda: _state(own, contact_id) == "destroyed" and _has_followed(service))
    assert findings(service, own) == []
    scrubbed = scrub_erasures(service.conninfo, service.kek, own)
    with psycopg.connect(service.conninfo) as connection:
        row = connection.execute("SELECT scrubbed_since IS NOT NULL FROM ledger.erasure").fetchone()
    assert scrubbed.scrubbed.keys() == {"ledger", "keys"}
    assert row == (True,)
    assert findings(service, own) == []


def _has_followed(service: Service) -> bool:
    told = service.http.get("/readyz").json()
    return bool(told.get("unsealed") == 0 and told["sealed"] == told["position"])


def _state(own: str, subject: str) -> str:
    with psycopg.connect(own) as connection:
        row = connection.execute("SELECT state FROM keys.subject_key WHERE subject = %s", [subject]).fetchone()
    assert row is not None
    return str(row[0])


def test_a_service_without_the_keys_database_does_not_start_beside_it(service: Service, tmp_path: Path) -> None:
    """Else it would make new keys for customers that have some."""
    with (
        pytest.raises(AssertionError, match="data keys are not in the database where they are looked for"),
        Service.start(tmp_path / "other", service.conninfo),
    ):
        pass
