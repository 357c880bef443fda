"""The signer at work: among others, through lost connections, refusals, and deaths after each durable step."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from ledger.log_key import log_key_at
from ledger.refusal_file import RefusalFile
from ledger.signer import Signer
from ledger.signer_memory import SignerMemory
from tests.ledger.dying import STEPS
from tests.ledger.sealing import running, wait_until
from tests.ledger.signing import KEY, Signing, numbered


@pytest.fixture
def log(database: str, tmp_path: Path) -> Iterator[Signing]:
    log = Signing(database, tmp_path)
    yield log
    log.close()


def worker(log: Signing) -> Signer:
    """A signer whose time passes by itself."""
    return Signer(log.database, KEY, log.memory, log.refusals)


def test_a_running_signer_signs_what_is_sealed(log: Signing) -> None:
    with running(worker(log)):
        for before, size in pairwise((0, 3, 7, 300)):
            log.grow(*numbered(size - before, before))
            wait_until(lambda size=size: log.signed_size() == size)  # type: ignore[misc]


def test_a_signer_that_loses_its_connection_goes_on(log: Signing) -> None:
    with running(worker(log)), psycopg.connect(log.database, autocommit=True) as administrator:
        for size in (1, 2, 3):
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'dossier_signer'"
            )
            log.grow(*numbered(1, begin=size))
            wait_until(lambda size=size: log.signed_size() == size)  # type: ignore[misc]


def test_a_second_signer_waits_for_its_turn_and_then_takes_it(log: Signing) -> None:
    with running(worker(log)):
        with running(worker(log)):
            log.grow(b"first")
            wait_until(lambda: len(log.notes()) == 1)
        log.grow(b"second")
        wait_until(lambda: len(log.notes()) == 2)


def test_a_refusal_stands_in_its_file_until_it_is_over(log: Signing) -> None:
    log.grow(*numbered(7))
    log.sign()
    log.grow(*numbered(2, begin=7))
    stolen = log.path.rename(log.path.with_name("stolen"))
    with running(worker(log)):
        wait_until(lambda: log.refusals.read() is not None)
    refusal = log.refusals.read()
    assert refusal is not None
    assert (refusal.reason, refusal.index) == ("MemoryMissing", None)
    assert len(log.notes()) == 1
    stolen.rename(log.path)
    with running(worker(log)):
        wait_until(lambda: len(log.notes()) == 2)
        wait_until(lambda: log.refusals.read() is None)


def test_a_refusal_that_goes_on_keeps_its_beginning(log: Signing) -> None:
    log.grow(b"first")
    log.sign()
    log.path.unlink()
    begun = []
    for _ in range(2):
        with running(worker(log)):
            wait_until(lambda: log.refusals.read() is not None)
        begun.append(log.refusals.read())
    assert begun[0] == begun[1]


def test_whoever_refuses_lets_another_sign(log: Signing, tmp_path: Path) -> None:
    """A machine without memory does not keep the turn from the one that remembers."""
    log.grow(b"first")
    log.sign()
    log.grow(b"second")
    elsewhere = tmp_path / "elsewhere" / "signed"
    forgetful = Signer(log.database, KEY, SignerMemory(elsewhere, KEY.verifier), RefusalFile(elsewhere))
    with running(forgetful):
        wait_until(lambda: RefusalFile(elsewhere).read() is not None)
        with running(worker(log)):
            wait_until(lambda: len(log.notes()) == 2)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"reason": "X", "index": 1, "since": "no time"}'])
def test_a_refusal_that_cannot_be_read_is_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "signed.refused").write_bytes(content)
    refusal = RefusalFile(tmp_path / "signed").read()
    assert refusal is not None
    assert refusal.reason == "Unknown"


# --- deaths ---------------------------------------------------------------------------------------------------------


def run_until_death(database: str, folder: Path, step: str) -> int:
    command = [sys.executable, "-m", "tests.ledger.dying", json.dumps([database, str(folder), step])]
    return subprocess.run(command, check=False).returncode


@pytest.mark.parametrize("step", STEPS)
def test_a_death_after_any_step_leaves_no_trace(database: str, tmp_path: Path, step: str) -> None:
    """Whatever was done before the death, the next signer ends where one that lives does."""
    key = log_key_at(tmp_path / "keys", KEY.name)
    log = Signing(database, tmp_path, key)
    log.grow(*numbered(300))
    log.sign()
    log.grow(*numbered(5, begin=300))
    assert run_until_death(database, tmp_path, step) == -9
    assert log.sign().size == 305
    assert log.path.read_text(encoding="utf-8") == log.notes()[-1]
    assert len(log.notes()) == 2
    assert {file.name for file in log.path.parent.iterdir()} == {"signed"}
    log.close()
