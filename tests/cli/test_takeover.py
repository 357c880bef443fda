"""The turns of sealer and runner pass on: when their process dies, when all of a service does, or a host is cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from ledger.ring import KekRing
from tests.checker import check
from tests.cli.service import PATIENCE_SECONDS, RunningService, kill, wait_until
from tests.processes import is_alive
from tests.scenarios.client import Api

Record = Callable[[str, object], None]

_PROJECT = Path(__file__).parent.parent.parent
_OWN_NETWORK = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


@contextmanager
def two_services(folder: Path, database: str) -> Iterator[tuple[RunningService, RunningService]]:
    """Two services on one database, with the same keys; the first one's follower has both turns."""
    options = ("--no-sample", "--database-url", database)
    with RunningService.start(folder / "first", *options) as first:
        keys = {
            "DOSSIER_KEK_FILE": str(first.data / "keys" / "kek"),
            "DOSSIER_JWT_KEY_FILE": str(first.data / "keys" / "jwt.pem"),
        }
        with RunningService.start(folder / "second", *options, **keys) as second:
            yield first, second
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.unsealed").fetchone() == (0,)
    check(database, KekRing.from_file(first.data / "keys" / "kek"))


def seconds_until_followed(service: RunningService) -> float:
    """How long it takes until something recorded now is sealed and in the read models."""
    started = time.monotonic()
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS) as http:
        file = Api(http, service.token).register()
        question = {"after": file.token}
        wait_until(lambda: file.api.request("GET", f"{file.path}/history", params=question).status_code == 200)
    return round(time.monotonic() - started, 1)


def test_whichever_follower_or_service_dies_the_other_takes_over(
    tmp_path: Path, database: str, record_property: Record
) -> None:
    with two_services(tmp_path, database) as (first, second):
        follower = first.children()["cli.follow"]
        os.kill(first.process.pid, signal.SIGSTOP)  # or it would have a new follower at once
        kill(follower)
        record_property("seconds without a follower that was killed", seconds_until_followed(second))
        os.kill(first.process.pid, signal.SIGCONT)
        wait_until(lambda: first.children().get("cli.follow", follower) != follower)
        everything = second.children().values()
        kill(second.process.pid)
        record_property("seconds without a service that was killed", seconds_until_followed(first))
        wait_until(lambda: not any(is_alive(process) for process in everything))


@pytest.mark.long
def test_a_follower_that_is_held_still_loses_its_turn_and_does_no_harm_later(
    tmp_path: Path, database: str, record_property: Record
) -> None:
    with two_services(tmp_path, database) as (first, second):
        follower = first.children()["cli.follow"]
        os.kill(follower, signal.SIGSTOP)
        record_property("seconds without a follower that was stopped", seconds_until_followed(second))
        os.kill(follower, signal.SIGCONT)
        kill(second.process.pid)
        seconds_until_followed(first)
        assert is_alive(follower)


@pytest.mark.long
def test_a_host_that_is_cut_off_loses_its_turn(tmp_path: Path, record_property: Record) -> None:
    if subprocess.run([*_OWN_NETWORK, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this account cannot make a network of its own")
    command = [*_OWN_NETWORK, sys.executable, "-m", "tests.cli.lost_host", str(tmp_path / "data")]
    outcome = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=True)
    seconds = json.loads(outcome.stdout)["taken_over_after_seconds"]
    record_property("seconds without a host that was cut off", seconds)
