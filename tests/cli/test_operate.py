"""The operator's verbs: keys and database, with and without a running service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from cli.tokens import ensure_signing_key
from tests.cli.service import Dossier, RunningService


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "keys" / "jwt.pem"
    ensure_signing_key(path)
    return path


def claims_of(token: str, key_file: Path) -> dict[str, object]:
    private = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    return jwt.decode(token, private.public_key(), algorithms=["EdDSA"], audience="dossier", issuer="dossier")  # type: ignore[arg-type]


def test_a_token_says_who_and_in_which_roles(dossier: Dossier, key_file: Path) -> None:
    outcome = dossier("token", "--actor", "u-118", "--role", "importer", "--role", "tier:approve", "--name", "林浩")
    claims = claims_of(outcome.out.strip(), key_file)
    assert (claims["sub"], claims["kind"], claims["name"]) == ("u-118", "HUMAN", "林浩")
    assert claims["roles"] == ["importer", "tier:approve"]
    assert "on_behalf_of" not in claims
    assert outcome.out.count("\n") == 1


def test_a_program_can_act_for_somebody_for_a_while(dossier: Dossier, key_file: Path) -> None:
    outcome = dossier("token", "--actor", "bot", "--kind", "SERVICE", "--on-behalf-of", "u-1", "--ttl", "30m")
    claims = claims_of(outcome.out.strip(), key_file)
    assert (claims["kind"], claims["on_behalf_of"]) == ("SERVICE", "u-1")
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == timedelta(minutes=30).total_seconds()


def test_the_signing_key_is_made_once(key_file: Path) -> None:
    before = key_file.read_bytes()
    ensure_signing_key(key_file)
    assert key_file.read_bytes() == before


@pytest.mark.parametrize("ttl", ["", "0h", "12", "-1h", "1y", "367d", "٣h"])
def test_a_lifetime_that_is_none_is_refused(dossier: Dossier, key_file: Path, ttl: str) -> None:
    assert key_file.exists()
    outcome = dossier("token", "--actor", "u-1", f"--ttl={ttl}")
    assert (outcome.exit_code, outcome.out) == (2, "")


@pytest.mark.parametrize("actor", ["", " ", "a\nb"])
def test_an_actor_that_is_none_is_refused(dossier: Dossier, key_file: Path, actor: str) -> None:
    assert key_file.exists()
    assert dossier("token", "--actor", actor).exit_code == 2


def test_without_a_key_there_is_no_token(dossier: Dossier) -> None:
    outcome = dossier("token", "--actor", "u-1")
    assert outcome.exit_code == 1
    assert "there is no signing key" in outcome.err


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_told(dossier: Dossier, key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    outcome = dossier("token", "--actor", "u-1")
    assert outcome.exit_code == 1
    assert "holds no private key" in outcome.err


def test_a_key_of_another_kind_is_told(dossier: Dossier, key_file: Path) -> None:
    key_file.write_bytes(
        generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    assert "another kind than Ed25519" in dossier("token", "--actor", "u-1").err


def test_the_database_of_a_running_service_is_found(dossier: Dossier, service: RunningService) -> None:
    conninfo = dossier("db", "url", "--data", service.data).out.strip()
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM ledger.schema_migration").fetchone() == (True,)


def test_psql_reaches_a_running_service(dossier: Dossier, service: RunningService) -> None:
    outcome = dossier("db", "psql", "--data", service.data, "--", "-Atc", "SELECT 6 * 7")
    assert (outcome.exit_code, outcome.out) == (0, "42\n")
    assert dossier("db", "psql", "--data", service.data, "--", "-c", "NONSENSE").exit_code == 1


def test_migrating_beside_a_running_service_finds_nothing_to_do(dossier: Dossier, service: RunningService) -> None:
    assert dossier("migrate", "--data", service.data).out == "the schema is up to date\n"


def test_a_database_is_started_for_the_time_of_a_command(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("migrate", "--data", tmp_path)
    assert outcome.exit_code == 0
    assert outcome.out.startswith("applied 0001_")
    assert dossier("migrate", "--data", tmp_path).out == "the schema is up to date\n"
    assert dossier("db", "url", "--data", tmp_path).exit_code == 6


def test_a_database_of_ones_own_is_migrated(dossier: Dossier, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    assert dossier("migrate").out == "the schema is up to date\n"
    assert dossier("db", "url").out.strip() == database
    assert dossier("db", "psql", "--", "-Atc", "SELECT 1").out == "1\n"


def test_a_database_that_is_away_is_told(dossier: Dossier) -> None:
    outcome = dossier("migrate", "--database-url", "postgresql://127.0.0.1:9/none")
    assert outcome.exit_code == 6
    assert outcome.err.startswith("dossier: the database cannot be reached: ")


def test_a_malformed_address_is_told_without_repeating_it(dossier: Dossier) -> None:
    outcome = dossier("migrate", "--database-url", "postgresql://u:s3cret@[")
    assert outcome.exit_code == 2
    assert "s3cret" not in outcome.err


def test_a_folder_that_cannot_be_used_is_told(dossier: Dossier, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = dossier("migrate", "--data", tmp_path / "file")
    assert outcome.exit_code == 1
    assert outcome.err.count("\n") == 1


def test_a_wrong_setting_is_told(dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSSIER_PORT", "many")
    outcome = dossier("migrate")
    assert outcome.exit_code == 2
    assert outcome.err.startswith("dossier: DOSSIER_PORT") or "port" in outcome.err
