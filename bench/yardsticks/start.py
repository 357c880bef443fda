"""B14: how long until the service answers: in an empty folder, and again after everything was killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.servers import PATIENCE_SECONDS, clean_environment, end, last_words
from bench.surroundings import Surroundings
from bench.yardstick import Findings, Unsuitable, within

FIRST_LIMIT_SECONDS = 3.0
AGAIN_LIMIT_SECONDS = 5.0


def start(surroundings: Surroundings) -> Findings:
    """From the command to the first answered request, embedded PostgreSQL and sample data included."""
    first, again = [], []
    for number in range(surroundings.rounds):
        data = surroundings.folder / f"start-{number}"
        first.append(_seconds_until_answered(data, killed=True))
        again.append(_seconds_until_answered(data, killed=False))
    comparisons = [
        within("first start in an empty folder", "s", first, FIRST_LIMIT_SECONDS),
        within("start after kill -9", "s", again, AGAIN_LIMIT_SECONDS),
    ]
    return Findings(comparisons, {})


def _seconds_until_answered(data: Path, *, killed: bool) -> float:
    """Start the service, wait for its first answer, and end it, with kill -9 or in order."""
    port = _free_port()
    command = [sys.executable, "-m", "cli.main", "serve", "--development", "--data", str(data), "--port", str(port)]
    with (data.with_suffix(".log")).open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment(), start_new_session=True)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > PATIENCE_SECONDS:
                raise Unsuitable(f"the service does not start: {last_words(data.with_suffix('.log'))}")
            time.sleep(0.005)
        return time.perf_counter() - started
    finally:
        if killed:  # the parent alone: what it leaves behind is what the next start must cope with
            process.kill()
        end(process)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_SECONDS) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, ConnectionError):
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
