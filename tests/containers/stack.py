"""The deployment of docker-compose.yml, for real: built, started, killed and replaced with a Docker engine.

Owns how the engine and its compose are found. Files named in COMPOSE_FILE are laid over ours as compose does it: base
images and a package index of one's own go there. What must stay true: a project of its own, nothing of which is left.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from ledger.ring import KekRing
from tests.containers.files import COMPOSE_FILE, ROOT
from tests.scenarios.client import Signer

COMPOSE_TOOLS: Final = [["docker", "compose"], ["docker-compose"]]
PATIENCE_SECONDS: Final = 180.0
WORKERS: Final = 2

_BELOW_EPHEMERAL = range(20000, 30000)
_OF_THE_PROJECT = "label=com.docker.compose.project="


def is_installed(tool: list[str]) -> bool:
    """Whether this compose can be run; it may still lack an engine."""
    return shutil.which(tool[0]) is not None and _succeeds(*tool, "version")


def what_is_missing() -> str:
    """What keeps the deployment from being tried here; "" when nothing does."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if not _succeeds("docker", "version"):
        return "no Docker engine answers (`docker version` says why)"
    return "" if any(map(is_installed, COMPOSE_TOOLS)) else "docker compose is not installed"


@dataclass(frozen=True)
class Stack:
    """One project; `port` leads to the service, `database_port` to PostgreSQL, both on this machine only."""

    tool: list[str]
    project: str
    environment: dict[str, str]
    port: int
    database_port: int
    keys: Path
    """A copy of the service's key files, once it has some."""

    @classmethod
    @contextmanager
    def build(cls, folder: Path) -> Iterator[Stack]:
        """Lend a project whose image is built and of which nothing runs yet."""
        project = f"dossier-test-{uuid4().hex[:12]}"
        port, database_port = _free_ports()
        changes = folder / "changes.json"
        published = {"ports": [f"127.0.0.1:{database_port}:5432"]}
        changes.write_text(json.dumps({"services": {"db": published, "api": {"image": project}}}))
        files = [*os.environ.get("COMPOSE_FILE", str(COMPOSE_FILE)).split(os.pathsep), str(changes)]
        environment = {
            **os.environ,
            "COMPOSE_FILE": os.pathsep.join(files),
            "COMPOSE_PROJECT_NAME": project,
            "DOSSIER_PUBLISH": f"127.0.0.1:{port}",
            "DOSSIER_WORKERS": str(WORKERS),
        }
        tool = next(tool for tool in COMPOSE_TOOLS if is_installed(tool))
        stack = cls(tool, project, environment, port, database_port, folder / "keys")
        try:
            stack.compose("build", "api")
            yield stack
        finally:
            stack.compose("down", "--volumes", "--remove-orphans")
            docker("image", "rm", "--force", project)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.database_port} user=dossier dbname=dossier password=dossier"

    @property
    def signer(self) -> Signer:
        return Signer((self.keys / "jwt.pem").read_bytes())

    @property
    def kek(self) -> KekRing:
        return KekRing.from_file(self.keys / "kek")

    def compose(self, *arguments: str) -> str:
        """Run compose on the project; what it printed."""
        return _run([*self.tool, *arguments], self.environment)

    def up(self) -> None:
        """Start what does not run, as an operator does, and wait until it answers."""
        self.compose("up", "--detach", "--no-build")
        self.wait_ready()
        if not self.keys.exists():
            docker("cp", f"{self.container('api')}:/var/lib/dossier/keys", str(self.keys))

    def container(self, service: str) -> str:
        """The id of the service's container, running or not. There must be exactly one."""
        labels = [f"{_OF_THE_PROJECT}{self.project}", f"label=com.docker.compose.service={service}"]
        filters = [word for label in labels for word in ("--filter", label)]
        (found,) = docker("ps", "--all", "--quiet", *filters).split()
        return found

    def state(self, service: str) -> dict[str, Any]:
        """What the engine knows of the service's container."""
        (found,) = json.loads(docker("inspect", self.container(service)))
        return {**found["State"], "RestartCount": found["RestartCount"]}

    def inside(self, service: str, script: str) -> str:
        """Run a shell script in the running container, as its user."""
        return docker("exec", self.container(service), "sh", "-c", script)

    def said(self, service: str) -> str:
        """All that the present container has said, on either output."""
        return _run(["docker", "logs", self.container(service)], self.environment, stderr=subprocess.STDOUT)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def wait_ready(self) -> None:
        wait_until(self.is_ready, self)


def wait_until(happens: Callable[[], object], stack: Stack) -> None:
    """Wait, however slow the machine is; fail with what the service said only when it takes absurdly long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, stack.compose("logs", "--tail", "50")
        time.sleep(0.1)


def docker(*arguments: str) -> str:
    """Run the engine's own command; what it printed."""
    return _run(["docker", *arguments], dict(os.environ))


def _run(command: list[str], environment: dict[str, str], stderr: int = subprocess.PIPE) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on, and that no outgoing connection takes while their listener is away."""
    with socket.socket() as first, socket.socket() as second:
        return _bind_free(first), _bind_free(second)


def _bind_free(listener: socket.socket) -> int:
    while True:
        port = random.choice(_BELOW_EPHEMERAL)  # noqa: S311 - no secret
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
