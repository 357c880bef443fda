"""The service under test: `dossier serve` as its own process, on a database of the run's server.

What must stay true: it is started and stopped as an operator does it, and a run in which it did not end cleanly,
or complained of an error of its own, fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ledger.ring import KekRing
from tests.scenarios.client import Api, Signer

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Service:
    """A running service; `log` is what it said on standard error."""

    process: subprocess.Popen[bytes]
    data: Path
    log: Path
    conninfo: str
    http: httpx.Client

    @classmethod
    @contextmanager
    def start(cls, data: Path, conninfo: str, **environment: str) -> Iterator[Service]:
        """Lend a service on the database of `conninfo`, empty of customers, and stop it as an operator would."""
        data.mkdir(parents=True)
        log = data / "log"
        process = _launch(data, conninfo, log, environment)
        try:
            announced = data / "service.json"
            wait_until(lambda: announced.exists() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            with httpx.Client(base_url=json.loads(announced.read_text())["url"], timeout=PATIENCE_SECONDS) as http:
                yield cls(process, data, log, conninfo, http)
        finally:
            process.terminate()
            exit_code = process.wait(PATIENCE_SECONDS)
        assert exit_code == 0, log.read_text()
        assert not (data / "service.json").exists()

    @property
    def kek(self) -> KekRing:
        return KekRing.from_file(self.data / "keys" / "kek")

    @property
    def signer(self) -> Signer:
        return Signer((self.data / "keys" / "jwt.pem").read_bytes())

    def as_(self, actor: str, *roles: str, **claims: Any) -> Api:
        """A client whose token names that actor."""
        return Api(self.http, self.signer.token(actor, roles, **claims))

    @property
    def anonymous(self) -> Api:
        return Api(self.http)

    def complaints(self) -> str:
        """What the service said of errors that nobody expected; "" when there were none."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        signs = ('"request failed"', '"exception"', "Traceback")
        return "\n".join(line for line in lines if any(sign in line for sign in signs))


def _launch(data: Path, conninfo: str, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOSSIER_")}
    command = [sys.executable, "-m", "cli.main", "serve", "--data", str(data), "--port", "0", "--no-sample"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "--database-url", conninfo],
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**inherited, "DOSSIER_DEVELOPMENT": "true", **environment},
            start_new_session=True,
        )


def wait_until(happens: Callable[[], object]) -> None:
    """Wait, however slow the machine is; fail only when it takes absurdly long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
