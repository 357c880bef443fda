"""The servers of the HTTP yardsticks, each as processes of its own: the service, the CRUD baseline, a mere answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from bench.yardstick import Unsuitable
from cli.tokens import Claims, sign_token
from settings import Settings

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """Something that listens. `token` is good for an importer of either server, from whom nothing is hidden."""

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
    command = [sys.executable, "-m", "cli.main", "serve", "--development", "--data", str(data), "--port", "0"]
    command += ["--no-sample", *options]
    announced = data / "service.json"
    with _running([*command, "--database-url", conninfo], data.with_suffix(".log"), announced.exists):
        url = urlsplit(json.loads(announced.read_text())["url"])
        yield Server((url.hostname or "", url.port or 0), _importer(data), data)


@contextmanager
def crud(conninfo: str, data: Path) -> Iterator[Server]:
    """Run the baseline on a database, with the signing key of the service's data folder. Raises Unsuitable."""
    with _baseline("crud", conninfo, data) as server:
        yield server


@contextmanager
def plain_portfolio(conninfo: str, data: Path) -> Iterator[Server]:
    """Run the baseline of lists and counts in the same way."""
    with _baseline("portfolio", conninfo, data) as server:
        yield server


@contextmanager
def _baseline(name: str, conninfo: str, data: Path) -> Iterator[Server]:
    announced = data / f"{name}.port"
    announced.unlink(missing_ok=True)
    keys = str(data / "keys" / "jwt.pem")
    command = [sys.executable, "-m", f"bench.baselines.{name}", conninfo, keys, str(announced)]
    with _running(command, data.with_name(f"{name}.log"), announced.exists):
        yield Server(("127.0.0.1", int(announced.read_text())), _importer(data), data)


@contextmanager
def canned(like: Server, answer: bytes) -> Iterator[Server]:
    """Run a server that gives that answer to every request, to show what the client could send at most."""
    name = f"canned-{uuid4().hex}"
    said, announced = (like.data.with_name(f"{name}.{what}") for what in ("answer", "port"))
    said.write_bytes(answer)
    command = [sys.executable, "-m", "bench.canned", str(said), str(announced)]
    with _running(command, like.data.with_name(f"{name}.log"), announced.exists):
        yield replace(like, address=("127.0.0.1", int(announced.read_text())))


@contextmanager
def _running(command: list[str], log: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=clean_environment(), start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unsuitable(f"{' '.join(command[1:4])} does not start: {last_words(log)}")
            time.sleep(0.02)
        yield
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Have a process end in order; one that does not is killed."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_words(log: Path) -> str:
    """What a program said last: the cause first, then what led to it."""
    said = log.read_text(errors="replace")[-2000:].strip()
    return f"{said.rpartition(chr(10))[2]}\n{said}"


def announce(port_file: Path, port: int) -> None:
    """Tell whoever started this server that it listens."""
    new = port_file.with_suffix(".new")
    new.write_text(str(port))
    new.rename(port_file)


def clean_environment() -> dict[str, str]:
    """As a user has it: no settings of ours, and Python keeps what it has compiled."""
    ours = ("DOSSIER_", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _importer(data: Path) -> str:
    return sign_token(Settings(data=data), Claims("svc-bench", ("importer", "custodian"), kind="SERVICE"))


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
