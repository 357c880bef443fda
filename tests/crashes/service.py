"""`dossier serve` with several workers, to be killed piece by piece.

Owns how the pieces are found (by /proc, not by asking the service) and that a dead parent is started again as an init
system does it: the same command, the same port, a moment later, as often as it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from ledger.ring import KekRing
from tests.processes import children_of, is_alive, name_of, title_of
from tests.scenarios.client import Signer

PATIENCE_SECONDS = 120.0
_RESTART_SECONDS = 0.2
_POLL_SECONDS = 0.02
_NAMES = {"cli.main", "cli.worker", "cli.follow", "postgres"}
_BELOW_EPHEMERAL = range(20000, 30000)


@dataclass
class Service:
    """A running service; `process` is its parent of the moment, `log` what all of them said."""

    data: Path
    log: Path
    port: int
    workers: int
    database_url: str | None
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    @classmethod
    @asynccontextmanager
    async def start(
        cls, data: Path, *, workers: int = 2, database_url: str | None = None, **environment: str
    ) -> AsyncIterator[Service]:
        """Lend a service that is ready. It ends as an operator ends it, and without complaints of its own making.

        The data folder is kept for a post-mortem unless all went well.
        """
        service = cls(data, data.with_name("log"), _free_port(), workers, database_url, environment)
        service.launch()
        keeper = asyncio.create_task(service._keep_up())
        try:
            await service.whole()
            yield service
        finally:
            keeper.cancel()
            exit_code, outlived = await asyncio.to_thread(service.end)
        assert exit_code == 0, service.said()[-4000:]
        assert outlived == [], "something outlived the service"
        for complaint in ("request failed", "a batch failed as a whole"):
            assert f'"event": "{complaint}"' not in service.said()
        await asyncio.to_thread(_empty, data)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def signer(self) -> Signer:
        return Signer((self.data / "keys" / "jwt.pem").read_bytes())

    @property
    def kek(self) -> KekRing:
        return KekRing.from_file(self.data / "keys" / "kek")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def launch(self) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DOSSIER_", "DATABASE_URL"))
        }
        command = [sys.executable, "-m", "cli.main", "serve", "--development", "--no-sample"]
        command += ["--workers", str(self.workers), "--data", str(self.data), "--port", str(self.port)]
        command += ["--database-url", self.database_url] if self.database_url else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env={**inherited, **self.environment},
                start_new_session=True,
            )

    def end(self) -> tuple[int | None, list[int]]:
        """End it as an operator does. Its exit code, None if it had to be killed, and what of it was left."""
        self.process.terminate()
        exit_code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            exit_code = self.process.wait(PATIENCE_SECONDS)
        left = pieces_of(self.data)
        for process_id in left:
            kill(process_id)
        return exit_code, left

    def pieces(self, name: str) -> list[int]:
        """The process ids of the parent's living children of that name: a module of ours, or `postgres`."""
        return [child for child in children_of(self.process.pid) if name_of(child) == name]

    def backends(self) -> dict[int, str]:
        """The living processes of the database server and what their titles say they do."""
        return {child: title_of(child) for postmaster in self.pieces("postgres") for child in children_of(postmaster)}

    async def whole(self, *dead: int) -> None:
        """Return once `dead` are gone, all pieces are there, and the service says that it is ready."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            await until(lambda: not any(map(is_alive, dead)) and self._has_all_pieces())
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not await self._is_ready(http):
                assert time.monotonic() < deadline, f"not ready again: {self.said()[-4000:]}"
                await asyncio.sleep(_POLL_SECONDS)

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{self.url}/readyz", headers={"Connection": "close"}) as answer:
                return answer.status == 200 and self._has_all_pieces()
        return False

    def _has_all_pieces(self) -> bool:
        found = children_of(self.process.pid)
        wanted = ["cli.worker"] * self.workers + ["cli.follow"] + ([] if self.database_url else ["postgres"])
        return Counter(map(name_of, found)) == Counter(wanted)

    async def _keep_up(self) -> None:
        """What an init system does."""
        while True:
            if self.process.poll() is not None:
                await asyncio.sleep(_RESTART_SECONDS)
                self.launch()
            await asyncio.sleep(_POLL_SECONDS)


async def until(happens: Callable[[], object]) -> None:
    """Wait, however slow the machine is; fail only when it takes absurdly long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(_POLL_SECONDS)


def kill(process_id: int) -> None:
    _signal(process_id, signal.SIGKILL)


@contextmanager
def held_still(*process_ids: int) -> Iterator[None]:
    """While it lasts, none of the processes does anything."""
    try:
        for process_id in process_ids:
            _signal(process_id, signal.SIGSTOP)
        yield
    finally:
        for process_id in process_ids:
            _signal(process_id, signal.SIGCONT)


def pieces_of(data: Path) -> list[int]:
    """Every living process of ours that was started for that data folder, whoever its parent is by now."""
    marks = (os.fsencode(f"DOSSIER_DATA={data}"), os.fsencode(data))
    found = []
    for process_id in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process_id}/cmdline").read_bytes() + Path(f"/proc/{process_id}/environ").read_bytes()
            if any(mark in words for mark in marks) and name_of(process_id) in _NAMES and is_alive(process_id):
                found.append(process_id)
    return found


def _empty(folder: Path) -> None:
    """Not the folder itself, where a disk may be mounted."""
    for content in folder.iterdir():
        shutil.rmtree(content, ignore_errors=True) if content.is_dir() else content.unlink()


def _signal(process_id: int, number: signal.Signals) -> None:
    assert process_id > 0, "that would be a whole group, ours perhaps"
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, number)


def _free_port() -> int:
    """A port that nobody gets by chance while the service is down."""
    while True:
        port = random.choice(_BELOW_EPHEMERAL)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
