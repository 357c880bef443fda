"""The two servers that HTTP yardsticks compare, each as processes of its own: the service, and the CRUD baseline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.yardstick import Unsuitable
from cli.tokens import Claims, sign_token
from settings import Settings

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """Something that listens. `token` is good for an importer of either server."""

    address: tuple[str, int]
    token: str
    data: Path
    """The folder with the keys that its tokens are signed with."""

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=PATIENCE_SECONDS
        )


@contextmanager
def service(conninfo: str, data: Path, *options: str) -> Iterator[Server]:
    """Run `dossier serve` on a database. Raises Unsuitable when it does not start."""
    command = [sys.executable, "-m", "cli.main", "serve", "--data", str(data), "--port", "0", "--no-sample", *options]
    announced = data / "service.json"
    with _running([*command, "--database-url", conninfo], data.with_suffix(".log"), announced.exists):
        url = urlsplit(json.loads(announced.read_text())["url"])
        yield Server((url.hostname or "", url.port or 0), _importer(data), data)


@contextmanager
def crud(conninfo: str, data: Path) -> Iterator[Server]:
    """Run the baseline on a database, with the signing key of the service's data folder. Raises Unsuitable."""
    announced = data / "crud.port"
    announced.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.baselines.crud", conninfo, str(data / "keys" / "jwt.pem"), str(announced)]
    with _running(command, data.with_name("crud.log"), announced.exists):
        yield Server(("127.0.0.1", int(announced.read_text())), _importer(data), data)


@contextmanager
def _running(command: list[str], log: Path, is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=clean_environment(), start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unsuitable(f"{' '.join(command[1:4])} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def clean_environment() -> dict[str, str]:
    ours = ("DOSSIER_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _importer(data: Path) -> str:
    return sign_token(Settings(data=data), Claims("svc-bench", ("importer",), kind="SERVICE"))


def until_at_rest(server: Server) -> float:
    """Wait until the read models stand at the end of the log; return the seconds it took."""
    started = time.monotonic()
    with server.client() as client:
        while True:
            state = client.get("/readyz").json()
            if state.get("status") == "ready" and not state["unsealed"] and state["sealed"] == state["position"]:
                return time.monotonic() - started
            if time.monotonic() - started > 10 * PATIENCE_SECONDS:
                raise Unsuitable(f"the service does not come to rest: {state}")
            time.sleep(0.1)
