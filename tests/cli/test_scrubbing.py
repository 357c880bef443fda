"""The scrubber in a running service: damage shows at /readyz until `dossier verify` is clean again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import Connection

from ledger.scrub_record import Progress, ScrubRecord
from tests.cli.service import Dossier, RunningService, wait_until
from tests.damages import disarm
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import tell


@pytest.fixture
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


@pytest.fixture
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


@pytest.fixture
def boss(told: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(told, autocommit=True) as connection:
        disarm(connection)
        yield connection


def state_of(service: RunningService) -> dict[str, Any]:
    answer = httpx.get(f"{service.url}/readyz")
    return {"code": answer.status_code, **answer.json()}


def test_damage_shows_until_everything_was_verified(
    told: str, boss: Connection[Any], kek_file: Path, dossier: Dossier, tmp_path: Path
) -> None:
    ((entry,),) = boss.execute("SELECT entry FROM ledger.event JOIN ledger.log USING (stream, version) WHERE idx = 7")
    change = "UPDATE ledger.event SET entry = %s FROM ledger.log WHERE log.idx = 7 AND log.stream = event.stream"
    change += " AND log.version = event.version"
    boss.execute(change.encode(), [b"another"])
    options = ("--no-sample", "--database-url", told)
    verify = ("verify", "--evidence-only", "--data", tmp_path / "service", "--database-url", told)
    with RunningService.start(tmp_path / "service", *options, DOSSIER_KEK_FILE=str(kek_file)) as service:
        wait_until(lambda: state_of(service).get("status") == "damaged")
        state = state_of(service)
        assert state["code"] == 200
        finding = state["scrubber"]["finding"]
        assert (finding["check"], finding["place"], finding["index"]) == ("log", "log index 7", 7)
        assert finding["detail"] == "the hash is not that of the entry"
        outcome = dossier(*verify)
        assert outcome.exit_code == 7
        assert "what the scrubber found stands: log index 7: the hash is not that of the entry\n" in outcome.out
        assert state_of(service)["status"] == "damaged"
        boss.execute(change.encode(), [entry])
        outcome = dossier(*verify)
        assert (outcome.exit_code, outcome.err) == (0, "")
        assert "what the scrubber found is withdrawn: log index 7: the hash is not that of the entry\n" in outcome.out
        state = state_of(service)
        assert state["scrubber"]["finding"] is None
        assert state["scrubber"]["laps"] >= 1
        wait_until(lambda: state_of(service)["status"] == "ready")  # the signer looks for itself


def test_a_service_without_a_scrubber_says_so(told: str, kek_file: Path, tmp_path: Path) -> None:
    environment = {"DOSSIER_KEK_FILE": str(kek_file), "DOSSIER_SCRUB_EVENTS_PER_SECOND": "0"}
    with RunningService.start(tmp_path / "service", "--no-sample", "--database-url", told, **environment) as service:
        assert state_of(service)["scrubber"] is None


@pytest.mark.usefixtures("kek_file")
def test_an_end_that_was_cut_off_is_told_by_verification_too(told: str, dossier: Dossier, tmp_path: Path) -> None:
    record = ScrubRecord.of(tmp_path / "data")
    record.note(Progress(size=20))
    outcome = dossier("verify", "--json", "--evidence-only", "--database-url", told)
    assert outcome.exit_code == 7
    (finding,) = outcome.json()["findings"]
    assert (finding["index"], finding["detail"]) == (15, "the scrubber has seen 20 places; 15 are left")
    assert outcome.json()["counts"] == {"log": 1}
    record.note(Progress(size=15))
    assert dossier("verify", "--json", "--evidence-only", "--database-url", told).exit_code == 0
