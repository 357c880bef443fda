"""The service as a process: how it starts, ends, heals, and says what is in its way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from pathlib import Path

import psycopg
import pytest

from tests.cli.service import (
    PATIENCE_SECONDS,
    Dossier,
    RunningService,
    failure,
    kill,
    launch,
    wait_until,
)
from tests.processes import is_alive


def test_it_announces_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with launch(tmp_path) as process:
        wait_until((tmp_path / "service.json").exists)
        children = RunningService(tmp_path, process).children()
        token = (tmp_path / "token").read_text().strip()
        private = ["service.json", "token", "keys/jwt.pem", "keys/kek"]
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in private} == {0o600}
        # As Ctrl-C in a terminal: to the whole foreground group, which the children are not in.
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert set(children) == {"cli.worker", "cli.follow", "postgres"}
    assert process.returncode == 0
    assert [line[:25] for line in err.splitlines()] == ["dossier: DEVELOPMENT MODE"]
    assert "Dossier serves at http://127.0.0.1:" in out
    assert token not in out
    assert f"show CN_USCC:91440300MAXPYXHN0H --data {tmp_path}" in out
    assert not [name for name, child in children.items() if is_alive(child)]
    assert not (tmp_path / "service.json").exists()
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"DOSSIER_DEVELOPMENT": "false"}, "nobody could come in: name your issuer of tokens"),
        ({"DOSSIER_JWKS_FILE": "jwks.json"}, "exclude each other"),
        (
            {"DOSSIER_DEVELOPMENT": "false", "DOSSIER_JWKS_URL": "https://issuer.example/jwks"},
            "DOSSIER_JWT_ISSUER must",
        ),
        (
            {"DOSSIER_DEVELOPMENT": "false", "DOSSIER_JWKS_FILE": "/nowhere/jwks.json", "DOSSIER_JWT_ISSUER": "i"},
            "/nowhere/jwks.json cannot be read",
        ),
        ({"DOSSIER_DEVELOPMENT": "false", "DOSSIER_JWKS_URL": "http://issuer.example/jwks"}, "jwks_url: "),
    ],
    ids=["none", "both", "no name", "no file", "no TLS"],
)
def test_without_one_issuer_of_tokens_it_does_not_start(tmp_path: Path, said: dict[str, str], told: str) -> None:
    outcome = failure(tmp_path / "data", **said)
    assert outcome.exit_code != 0
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_the_sample_is_told_once(tmp_path: Path, database: str) -> None:
    events = []
    for _ in range(2):
        with RunningService.start(tmp_path, "--database-url", database), psycopg.connect(database) as connection:
            events += connection.execute("SELECT count(*) FROM ledger.event WHERE type NOT LIKE 'access.%'").fetchall()
    assert events[0] == events[1]
    assert events[0][0] > 100


def test_children_are_started_again(service: RunningService, dossier: Dossier) -> None:
    before = service.children()
    kill(before["cli.worker"])
    kill(before["cli.follow"])

    def both_are_new() -> bool:
        after = service.children()
        return all(after.get(name) not in {None, before[name]} for name in ("cli.worker", "cli.follow"))

    wait_until(both_are_new)
    assert dossier("show", "OTHER:NOBODY", "--data", service.data).exit_code == 4


def test_a_parent_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    with launch(tmp_path, "--no-sample") as process:
        wait_until((tmp_path / "service.json").exists)
        children = RunningService(tmp_path, process).children()
        kill(process.pid)
        wait_until(lambda: not any(is_alive(child) for child in children.values()))
        assert len(children) == 3


def test_a_second_signal_hurries(tmp_path: Path, database: str) -> None:
    with launch(tmp_path, "--no-sample", "--database-url", database) as process:
        wait_until((tmp_path / "service.json").exists)
        worker = RunningService(tmp_path, process).children()["cli.worker"]
        # A worker that hangs would be waited for.
        os.kill(worker, signal.SIGSTOP)
        while process.poll() is None:  # two signals at once may arrive as one
            process.terminate()
            time.sleep(0.1)
        assert not is_alive(worker)


def test_a_data_folder_has_one_service(service: RunningService) -> None:
    outcome = failure(service.data)
    assert outcome.exit_code == 1
    assert "is run by process" in outcome.err
    assert f"which serves at {service.url}" in outcome.err


def test_a_taken_port_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = failure(tmp_path / "data", "--port", str(port))
    assert (outcome.exit_code, outcome.err) == (
        1,
        f"dossier: port {port} of 127.0.0.1 is taken; choose another with --port (make run PORT=...)\n",
    )
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    outcome = failure(tmp_path / "data", "--host", "192.0.2.1")
    assert outcome.exit_code == 1
    assert outcome.err.startswith("dossier: port 0 of 192.0.2.1 cannot be used: ")


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = failure(tmp_path / "file" / "data")
    assert outcome.exit_code == 1
    assert outcome.err.count("\n") == 1
    assert "cannot be used: Not a directory" in outcome.err


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://somebody:s3cret@127.0.0.1:9/none"
    outcome = failure(tmp_path, DATABASE_URL=url)
    assert outcome.exit_code == 6
    assert outcome.err.startswith("dossier: the database cannot be reached: ")
    assert outcome.err.count("\n") == 1
    assert "s3cret" not in outcome.err


def test_a_malformed_database_address_is_told_without_repeating_it(tmp_path: Path) -> None:
    outcome = failure(tmp_path, DATABASE_URL="host=x s3cret")
    assert (outcome.exit_code, outcome.err) == (2, "dossier: the database's address is malformed\n")


def test_a_data_folder_of_another_major_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pg9").mkdir()
    outcome = failure(tmp_path)
    assert outcome.exit_code == 1
    assert "was made by PostgreSQL 9" in outcome.err


def test_a_lost_key_is_told_and_not_replaced(tmp_path: Path, database: str) -> None:
    with RunningService.start(tmp_path, "--database-url", database):
        pass
    (tmp_path / "keys" / "kek").unlink()
    outcome = failure(tmp_path, "--database-url", database)
    assert outcome.exit_code == 1
    assert f"not at {tmp_path}/keys/kek; put it back" in outcome.err
    assert not (tmp_path / "keys" / "kek").exists()


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "kek").write_text("k:AAAA")
    (tmp_path / "keys" / "kek").chmod(0o644)
    outcome = failure(tmp_path)
    assert outcome.exit_code == 1
    assert "chmod 600" in outcome.err


def test_it_serves_on_a_database_of_ones_own(tmp_path: Path, database: str, dossier: Dossier) -> None:
    with RunningService.start(tmp_path, "--database-url", database) as service:
        assert set(service.children()) == {"cli.worker", "cli.follow"}
        assert dossier("show", "CN_USCC:91440300MAXPYXHN0H", "--data", tmp_path).exit_code == 0
    assert not list(tmp_path.glob("pg*"))
    with psycopg.connect(database) as connection:
        # who saw what is written down up to the very end
        ((unsealed, sealed, signed, followed),) = connection.execute(
            "SELECT (SELECT count(*) FROM ledger.unsealed), (SELECT count(*) FROM ledger.log),"
            " (SELECT max(size) FROM ledger.signature), (SELECT min(position) FROM read.tracking)"
        )
        assert (unsealed, signed, followed) == (0, sealed, sealed)


@pytest.mark.parametrize("option", ["--port=70000", "--port=x", "--colour"])
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, option: str) -> None:
    assert failure(tmp_path, option).exit_code == 2
