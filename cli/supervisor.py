"""Keeps child processes alive until it is told to stop, then ends them in order.

What must stay true: a child never gets the terminal's Ctrl-C, only what we send it; a child that dies is started again,
for ever once it has been up, so that what was in its way may take hours to go; no child outlives us (see lifeline).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import typer

from cli.errors import CliError
from cli.lifeline import Lifeline

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 20.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_SHORT_LIFE_SECONDS = 10.0
"""Whoever was up longer has done some work: its death is a new one, not the last one again."""
_SHORT_LIVES_TOLERATED = 6
"""So many of a program that has never been up: then its surroundings are wrong, and a person must be told."""


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
        self._line: Lifeline | None = None
        self._up_since: float | None = None
        self._was_ever_up = False
        self._short_lives = 0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._start_at = 0.0

    def keep_running(self) -> None:
        """Start it when it is not running and due. Raises CliError when it dies again and again and never was up."""
        exit_code = self._process.poll() if self._process is not None else None
        self._notice_up()  # after that, so that the last word of one that has ended is heard
        if exit_code is not None:
            self._bury(f"has ended (exit code {exit_code})")
        if self._process is None and time.monotonic() >= self._start_at:
            self._start()

    def ask_to_end(self) -> None:
        """Let it finish what it does, and begin nothing new."""
        if self._process is not None:
            self._process.terminate()

    def end(self, request: StopRequest, deadline: float) -> None:
        """Wait until it has ended; force it past the deadline, or when somebody is in a hurry."""
        while self._process is not None and not _has_ended(self._process):
            if request.is_urgent or time.monotonic() > deadline:
                self._process.kill()
        self._forget()

    def _start(self) -> None:
        try:
            self._line = Lifeline()
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", self._program.module],
                stdin=self._line.theirs.fileno(),
                env={**os.environ, **self._program.environment},
                pass_fds=self._program.inherited,
                start_new_session=True,
            )
            self._line.handed_over()
        except OSError as error:  # no memory or no process to be had, which may pass as a death does
            self._bury(f"could not be started ({error.strerror})")

    def _notice_up(self) -> None:
        if self._up_since is None and self._line is not None and self._line.child_is_up():
            self._up_since = time.monotonic()
            self._was_ever_up = True

    def _bury(self, how: str) -> None:
        now = time.monotonic()
        if self._up_since is not None and now - self._up_since >= _SHORT_LIFE_SECONDS:
            self._short_lives = 0
            self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._forget()
        self._short_lives += 1
        if self._short_lives > _SHORT_LIVES_TOLERATED and not self._was_ever_up:
            often = f"{self._short_lives} times in a row without ever being up"
            raise CliError(f"the {self._program.name} {how}, {often}; giving up")
        _say(f"the {self._program.name} {how}; it is started again in {self._pause_seconds:g} s")
        self._start_at = now + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _forget(self) -> None:
        if self._line is not None:
            self._line.close()
        self._process = self._line = self._up_since = None


class Supervisor:
    """Keeps groups of programs running, and ends them group after group, the first one first."""

    def __init__(self, groups: Sequence[Sequence[Program]]) -> None:
        self._groups = [[Child(program) for program in group] for group in groups]

    def run(self, request: StopRequest) -> None:
        """Keep them running until the request is made. Raises CliError when one cannot be brought up."""
        while not request.is_made:
            for child in chain.from_iterable(self._groups):
                child.keep_running()
            request.wait(_POLL_SECONDS)

    def end(self, request: StopRequest) -> None:
        """End all of a group at the same time, then the next group; at once if the request is urgent."""
        for group in self._groups:
            for child in group:
                child.ask_to_end()
            deadline = time.monotonic() + _PATIENCE_SECONDS
            for child in group:
                child.end(request, deadline)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _say(text: str) -> None:
    with suppress(OSError):  # our log may lie on the disk that is full
        typer.echo(f"dossier: {text}", err=True)
