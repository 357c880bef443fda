"""Keeps child processes alive until it is told to stop, then ends them in order.

What must stay true: a child never gets the terminal's Ctrl-C, only what we send it; a child that dies is started again,
later each time; no child outlives us (see lifeline).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from cli.errors import CliError

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 20.0
_FIRST_PAUSE_SECONDS = 0.1
_DEATHS_TOLERATED = 6
_DEATHS_WINDOW_SECONDS = 60.0


class StopRequest:
    """What SIGTERM, SIGINT and SIGHUP ask for: the first to stop in good order, the second to hurry."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def listen(self) -> None:
        """Take the signals over; only in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._receive)

    @property
    def is_made(self) -> bool:
        return self._stop.is_set()

    @property
    def is_urgent(self) -> bool:
        return self._hurry.is_set()

    def make(self) -> None:
        """Ask to stop in good order."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the request; return whether it has been made."""
        return self._stop.wait(seconds)

    def _receive(self, *_: object) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()


@dataclass(frozen=True)
class Program:
    """One of our modules to run as a process of its own."""

    name: str
    module: str
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()
    """Open files that it takes over, by number."""


class Child:
    """One program that is kept running."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: deque[float] = deque(maxlen=_DEATHS_TOLERATED)
        self._start_at = 0.0

    def keep_running(self) -> None:
        """Start it when it is not running and due. Raises CliError when it dies again and again."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._bury(now, self._process)
        if self._process is None and now >= self._start_at:
            self._process = self._start()

    def stop(self, request: StopRequest) -> None:
        """End it: let it finish what it does, unless that takes too long or somebody is in a hurry."""
        process = self._process
        if process is None:
            return
        process.terminate()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _has_ended(process):
            if request.is_urgent or time.monotonic() > deadline:
                process.kill()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", self._program.module],
            stdin=subprocess.PIPE,
            env={**os.environ, **self._program.environment},
            pass_fds=self._program.inherited,
            start_new_session=True,
        )

    def _bury(self, now: float, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        recent = sum(now - death < _DEATHS_WINDOW_SECONDS for death in self._deaths)
        if recent == _DEATHS_TOLERATED:
            raise CliError(f"the {self._program.name} ended {recent + 1} times within a minute; giving up")
        pause = _FIRST_PAUSE_SECONDS * 2**recent
        self._deaths.append(now)
        self._start_at = now + pause
        ended = f"the {self._program.name} has ended (exit code {process.returncode})"
        typer.echo(f"dossier: {ended}; it is started again", err=True)


def supervise(programs: Sequence[Program], request: StopRequest) -> None:
    """Run the programs until the request is made, then end them one after another, the first one first."""
    children = [Child(program) for program in programs]
    try:
        while not request.is_made:
            for child in children:
                child.keep_running()
            request.wait(_POLL_SECONDS)
    finally:
        for child in children:
            child.stop(request)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
