"""Starting, finding and ending the service as a user does, by its command and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import children_of, name_of, open_files_of, tcp_sockets, workers_of

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    exit_code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Dossier = Callable[..., Outcome]


@dataclass(frozen=True)
class RunningService:
    """A `dossier serve` of a data folder, in a session of its own."""

    data: Path
    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def start(cls, data: Path, *options: str, **environment: str) -> Iterator[RunningService]:
        """Start it, wait until it has announced itself, and end it."""
        with launch(data, *options, **environment) as process:
            try:
                wait_until(lambda: (data / "service.json").exists() or process.poll() is not None)
                assert process.poll() is None, process.communicate()[1]
                yield cls(data, process)
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)

    @property
    def url(self) -> str:
        return str(json.loads((self.data / "service.json").read_text())["url"])

    @property
    def token(self) -> str:
        """The development token."""
        return (self.data / "token").read_text().strip()

    def children(self) -> dict[str, int]:
        """Return the process ids of its children, by module or program; of several workers, one."""
        return {name_of(child): child for child in children_of(self.process.pid)}

    def workers(self) -> list[int]:
        """Return the process ids of its API workers."""
        return workers_of(self.process.pid)

    def worker_of(self, client_port: int) -> int | None:
        """Return the worker that has the connection from that port; None while none has taken it."""
        port = int(self.url.rpartition(":")[2])
        ours = {row[9] for row in tcp_sockets() if (_port(row[1]), _port(row[2])) == (port, client_port)}
        owners = [worker for worker in self.workers() for inode in ours if f"socket:[{inode}]" in open_files_of(worker)]
        return owners[0] if owners else None


def launch(data: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start `dossier serve` on a free port, unless the options name one; what it says is then only what is wrong."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("DOSSIER_", "DATABASE_URL"))}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "serve", "--data", str(data), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=given | {"DOSSIER_DEVELOPMENT": "true", "DOSSIER_REQUEST_LOG": "false"} | environment,
        start_new_session=True,
    )


def failure(data: Path, *options: str, **environment: str) -> Outcome:
    """Start a service that cannot start, and wait for its end."""
    with launch(data, *options, **environment) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return Outcome(process.returncode, out, err)


def wait_until(happens: Callable[[], object]) -> None:
    """Wait, however slow the machine is; fail only when it takes absurdly long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def kill(process_id: int) -> None:
    os.kill(process_id, signal.SIGKILL)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
