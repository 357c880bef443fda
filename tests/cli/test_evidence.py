"""`dossier evidence`: what it leaves where it was told to, and how it ends where there is nothing to leave."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from cli.main import main
from tests.cli.service import Dossier, RunningService


@pytest.fixture(scope="module")
def customer(service: RunningService) -> str:
    """A customer whose events are signed."""
    body = {
        "customer_kind": "ORGANISATION",
        "name": "Acme",
        "contact": {"name": "Li", "points": [{"kind": "MOBILE", "value": "13800138000"}]},
    }
    headers = {
        "Authorization": f"Bearer {service.token}",
        "Idempotency-Key": str(uuid4()),
        "Prefer": "wait=sealed",
    }
    answer = httpx.post(f"{service.url}/v1/customers", json=body, headers=headers, timeout=60)
    assert answer.headers["preference-applied"] == "wait=sealed"
    found: str = answer.json()["customer_id"]
    return found


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch, service: RunningService, dossier: Dossier) -> Dossier:
    """The command, with the service's data folder."""
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))
    return dossier


def verified(pack: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the auditor sees."""
    return subprocess.run(
        [sys.executable, "-I", str(pack / "verify.py"), *arguments], capture_output=True, text=True, check=False
    )


def test_a_folder_has_a_pack_that_checks_itself(
    at_work: Dossier, service: RunningService, customer: str, tmp_path: Path
) -> None:
    outcome = at_work("evidence", "--customer", customer, "--to", tmp_path / "pack", "--disclose", "all")
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert "parts: " in outcome.out
    assert ", 0 withheld, 0 erased" in outcome.out
    key = httpx.get(f"{service.url}/log/key").text.strip()
    done = verified(tmp_path / "pack", "--key", key)
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE((tmp_path / "pack").stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_an_archive_is_left_readable_by_its_owner_alone(at_work: Dossier, customer: str, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    outcome = at_work("evidence", "--customer", customer, "--to", path, "--disclose", "1,2.0")
    assert outcome.exit_code == 0
    assert "parts: 2 disclosed" in outcome.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_growth_is_proved_from_a_checkpoint_in_a_file(
    at_work: Dossier, service: RunningService, customer: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text(httpx.get(f"{service.url}/log/checkpoint").text)
    asked = ("--customer", customer, "--to", tmp_path / "pack", "--from-checkpoint", tmp_path / "kept")
    assert at_work("evidence", *asked).exit_code == 0
    done = verified(tmp_path / "pack", "--checkpoint", str(tmp_path / "kept"))
    assert done.returncode == 0
    assert "is a beginning of it" in done.stdout


def test_an_empty_folder_is_filled_and_a_full_one_refused(at_work: Dossier, customer: str, tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / "file").touch()
    assert at_work("evidence", "--customer", customer, "--to", empty).exit_code == 0
    outcome = at_work("evidence", "--customer", customer, "--to", full)
    assert outcome.exit_code == 2
    assert "no empty folder" in outcome.err
    assert [path.name for path in full.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (["--disclose", "some"], (2, "disclose")),
        (["--disclose", "99"], (4, "version 99 is not in the signed log")),
        (["--from-checkpoint", "nowhere"], (2, "nowhere cannot be read")),
        (["--from-checkpoint", "{forged}"], (2, "from_checkpoint")),
    ],
)
def test_what_cannot_be_asked_for_leaves_nothing(
    at_work: Dossier, customer: str, tmp_path: Path, options: list[str], ending: tuple[int, str]
) -> None:
    (tmp_path / "forged").write_text("log\n3\nAAAA\n\n— log AAAAAAAA\n")
    said = [option.replace("{forged}", str(tmp_path / "forged")) for option in options]
    outcome = at_work("evidence", "--customer", customer, "--to", tmp_path / "pack", *said)
    assert outcome.exit_code == ending[0]
    assert ending[1] in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged"]


def test_of_an_unknown_customer_there_is_no_pack(at_work: Dossier, tmp_path: Path) -> None:
    outcome = at_work("evidence", "--customer", uuid4(), "--to", tmp_path / "pack")
    assert outcome.exit_code == 4
    assert "no event of customer" in outcome.err


def test_who_is_no_auditor_is_told(
    at_work: Dossier, monkeypatch: pytest.MonkeyPatch, customer: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOSSIER_TOKEN", at_work("token", "--actor", "u-9").out.strip())
    outcome = at_work("evidence", "--customer", customer, "--to", tmp_path / "pack")
    assert outcome.exit_code == 3
    assert "evidence:export" in outcome.err


def test_a_place_that_cannot_be_written_is_told(at_work: Dossier, customer: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = at_work("evidence", "--customer", customer, "--to", tmp_path / "file" / "pack")
    assert outcome.exit_code == 1
    assert "cannot be written" in outcome.err


def test_the_verb_is_there() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evidence", "--help"])
    assert ended.value.code == 0
