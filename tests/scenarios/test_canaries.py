"""What was erased is nowhere: in no table, index, log file or dump, in no answer, and once it is scrubbed on no disk.

Each search first finds the same text with the same scanner, so that its finding nothing means something.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from psycopg.sql import SQL

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.postgres_binaries import find_bindir
from ledger.scrubbing import Report, scrub_erasures
from projections import stored_state
from projections.rebuild import Watch, rebuild
from tests.canary import files_with, has_canary, new_canary
from tests.checker import check
from tests.projections.long_files import long_text
from tests.scenarios.client import PHONE, File
from tests.scenarios.every_answer import answers
from tests.scenarios.service import Service, wait_until

_SAYING = SQL("SELECT true FROM {table} AS line WHERE line::text LIKE ANY (%s) LIMIT 1")
_EVENTS, _MANY_EVENTS = 200, 1000
_BATCH = 100
_ENOUGH_BYTES = 12


@dataclass(frozen=True)
class House:
    """A service with a database server of its own; everything that either writes is below `folder`."""

    folder: Path
    service: Service
    postgres: EmbeddedPostgres

    @property
    def conninfo(self) -> str:
        return self.postgres.conninfo()

    def query(self, statement: Any, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def settle(self) -> None:
        """Wait until the read models have followed, and every erasure has been carried out."""
        wait_until(self._is_settled)

    def _is_settled(self) -> bool:
        told = self.service.http.get("/readyz").json()
        pending = self.query(
            "SELECT count(*) FROM ledger.event LEFT JOIN ledger.erasure USING (stream, version)"
            " WHERE type = 'customer.personal-data-erased' AND erasure.stream IS NULL"
        )
        return bool(told.get("unsealed") == 0 and told["sealed"] == told["position"]) and pending == [(0,)]

    def tables_with(self, *canaries: str, samples: bool = False) -> list[str]:
        """Every table of ours, or the samples of their values, that say any of it, as text or as bytes."""
        names = self.query(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v') AND CASE WHEN %s"
            " THEN relname IN ('pg_stats', 'pg_stats_ext')"
            " ELSE relnamespace::regnamespace::text IN ('ledger', 'keys', 'read', 'shadow', 'public') END",
            samples,
        )
        forms = [f"%{form}%" for canary in canaries for form in (canary, canary.encode().hex())]
        saying = {name for (name,) in names if self.query(_SAYING.format(table=SQL(name)), forms)}
        compressed = {"read.profile"} if not samples and has_canary(self.compressed_states(), *canaries) else set[str]()
        return sorted(saying | compressed)

    def compressed_states(self) -> bytes:
        """What the profile rows say in which no text can be found as they are."""
        states = [state for (state,) in self.query("SELECT state FROM read.profile") if not state.startswith(b"{")]
        return b"".join(orjson.dumps(stored_state.load(state)) for state in states)

    def dump(self) -> bytes:
        """All of the database, as a backup has it."""
        command = [find_bindir().program("pg_dump"), self.conninfo]
        return subprocess.run(command, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout

    def scrub(self) -> Report:
        return scrub_erasures(self.conninfo, self.service.kek)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with EmbeddedPostgres(tmp_path / "postgres", settings={"shared_buffers": "32MB"}) as postgres:
        migrate(postgres.conninfo())
        with Service.start(tmp_path / "data", postgres.conninfo(), DOSSIER_READ_WAIT_SECONDS="60") as service:
            yield House(tmp_path, service, postgres)
            check(postgres.conninfo(), service.kek)
            assert service.complaints() == ""


@dataclass(frozen=True)
class Told:
    """A file with canaries in it, about `subject`."""

    file: File
    subject: str
    canaries: list[str]


def a_contact_in_a_file(house: House, events: int = _EVENTS) -> Told:
    canaries = [new_canary() for _ in range(6)]
    name, title, department, mail, corrected, later = canaries
    file = house.service.as_("u-118", "editor").register()
    point = {"kind": "EMAIL", "value": f"{mail.lower()}@example.com"}
    added = file.record("/contacts", name=name, title=title, department=department, points=[point])
    contact_id = added["data"]["contact_id"]
    file.record(f"/contacts/{contact_id}/details", changed={"title": later})
    first = next(event for event in file.history() if event["type"] == "customer.contact-added" and name in str(event))
    file.record("/corrections", corrects=first["event_id"], replacement={"name": corrected})
    while (left := events - file.version) > 0:
        change = {"type": "customer.attribute-recorded", "key": "k"}
        file.change(*({**change, "value": number} for number in range(min(left, _BATCH))))
    return Told(file, contact_id, [mail.lower() if canary is mail else canary for canary in canaries])


def a_contact_in_a_long_file(house: House) -> Told:
    return a_contact_in_a_file(house, _MANY_EVENTS)


def a_contact_in_a_compressed_file(house: House) -> Told:
    told = a_contact_in_a_file(house, events=10)
    for number in range(8):
        told.file.record("/attributes", key=f"field_{number}", value=long_text(number, 300))
    assert has_canary(house.compressed_states(), *told.canaries)
    return told


def an_individual(house: House) -> Told:
    canaries = [new_canary() for _ in range(8)]
    name, number, line, pain, attribute, why, contact, note = canaries
    body: dict[str, Any] = {
        "customer_kind": "INDIVIDUAL",
        "contact": {"points": [{"kind": "OTHER", "value": contact}]},
        "identifiers": [{"scheme": "OTHER", "value": number}],
        "evidence": [{"note": note}],
    }
    file = house.service.as_("u-118", "editor").register(name, **body)
    file.record("/addresses", address_kind="HOME", country="DE", lines=[line])
    file.record("/attributes", key="secret", value=attribute)
    file.record("/needs", statement=pain, reason={"text": why})
    return Told(file, file.customer_id, canaries)


def erase(house: House, told: Told) -> None:
    officer, second = house.service.as_("u-501", "privacy"), house.service.as_("u-502", "privacy")
    body = {"subject": told.subject, "legal_basis": "GDPR_17_1_B", "reason": {"text": "letter of the person"}}
    (asked,) = told.file.seen_by(officer).send("/erasures", body).json()["events"]
    told.file.seen_by(second).send(f"/erasures/{asked['data']['request_id']}/approve")


def everywhere(house: House, told: Told) -> dict[str, list[str]]:
    """By kind of place, where the canaries are found."""
    reader = house.service.as_("u-900", "auditor")
    found = answers(told.file, reader, told.canaries)
    return {
        "tables": house.tables_with(*told.canaries),
        "dump": ["dump"] if has_canary(house.dump(), *told.canaries) else [],
        "answers": [question for question, content in found if has_canary(content, *told.canaries)],
        "logs": files_with(house.service.data, *told.canaries)
        + [name for name in files_with(house.folder, *told.canaries) if name.endswith(".log")],
    }


def secrets_of(house: House, told: Told) -> list[bytes]:
    """The beginnings of the subject's wrapped key and of what it encrypted; the end of a profile that is compressed."""
    keys = house.query("SELECT wrapped FROM keys.subject_key WHERE subject = %s", told.subject)
    texts = house.query(
        "SELECT ct FROM ledger.payload JOIN ledger.event USING (stream, version) WHERE stream = %s"
        " AND convert_from(entry, 'UTF8')::jsonb -> 'parts' -> part::integer ->> 'subject' = %s",
        told.file.customer_id,
        told.subject,
    )
    states = house.query("SELECT state FROM read.profile WHERE customer_id = %s", told.file.customer_id)
    compressed = [state[-_ENOUGH_BYTES:] for (state,) in states if not state.startswith(b"{")]
    return [bytes(row[0])[:_ENOUGH_BYTES] for row in keys + texts] + compressed


@pytest.mark.parametrize(
    "tell",
    [
        a_contact_in_a_file,
        pytest.param(a_contact_in_a_long_file, marks=pytest.mark.long),
        a_contact_in_a_compressed_file,
        an_individual,
    ],
)
def test_what_was_erased_is_nowhere(house: House, tell: Any) -> None:
    told = tell(house)
    house.settle()
    house.query("ANALYZE")
    house.query("CHECKPOINT")
    secrets = secrets_of(house, told)
    assert secrets
    assert files_with(house.folder, secrets[-1]), "a compressed profile, where there is one"
    for canary in told.canaries:
        assert house.tables_with(canary), "each one is to be found in the first place"
    before = everywhere(house, told)
    assert {kind for kind, places in before.items() if places} == {"tables", "dump", "answers"}
    assert len(before["answers"]) > 20
    assert house.tables_with(*told.canaries, samples=True)
    for wanted in (told.canaries, secrets):
        assert {path.split("/")[2] for path in files_with(house.folder, *wanted)} >= {"base", "pg_wal"}

    erase(house, told)
    house.settle()
    assert everywhere(house, told) == {"tables": [], "dump": [], "answers": [], "logs": []}
    assert files_with(house.folder, *told.canaries), "PostgreSQL leaves deleted bytes where they are"

    report = house.scrub()
    assert (report.erasures, report.waiting, report.residues) == (1, 0, [])
    assert files_with(house.folder, *told.canaries, *secrets) == []
    assert house.tables_with(*told.canaries, samples=True) == []
    (request,) = told.file.read("erasures")["erasures"]
    assert request["scrubbed_since"] is not None
    summary = rebuild(house.conninfo, house.service.kek, Watch(lambda _: None))
    assert (summary.differences, summary.unreadable) == (0, [])
    assert all(each.live == each.shadow for each in summary.checksums)


def test_the_service_lives_through_a_scrubbing(house: House) -> None:
    """Who needs a table waits for it, or is told to come back; nothing that was acknowledged is lost (see `house`)."""
    told = an_individual(house)
    erase(house, told)
    house.settle()
    stop, statuses = threading.Event(), set[int]()

    def live() -> list[str]:
        api, acknowledged = house.service.as_("u-118", "editor"), list[str]()
        while not stop.is_set():
            body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"name": "Li", "points": [PHONE]}}
            key = {"Idempotency-Key": str(uuid4())}
            written = api.request("POST", "/v1/customers", content=orjson.dumps(body), headers=key)
            if written.status_code == 201:
                acknowledged.append(written.json()["customer_id"])
            read = api.request("GET", f"/v1/customers/{acknowledged[-1]}" if acknowledged else "/v1/customers")
            statuses.update({written.status_code, read.status_code})
        return acknowledged

    with ThreadPoolExecutor(3) as executor:
        living = [executor.submit(live) for _ in range(3)]
        try:
            reports = [house.scrub() for _ in range(2)]
        finally:
            stop.set()
        acknowledged = {customer_id for task in living for customer_id in task.result()}
    assert [report.erasures for report in reports] == [1, 0]
    assert statuses <= {200, 201, 503}
    stored = house.query("SELECT DISTINCT stream::text FROM ledger.event")
    assert acknowledged
    assert acknowledged <= {stream for (stream,) in stored}
