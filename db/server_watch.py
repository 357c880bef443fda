"""Keeps one PostgreSQL server running: starts it, waits until it answers, starts it again when it dies, ends it.

A first start that fails is told to the caller. A server that has been ready is started again for ever: what kills it,
a full disk or a lack of memory, may pass hours later, and then nobody should have to come and start it.

All of it happens in one thread that lives as long as the server, because the kernel's death signal follows the
thread that started a child, not its process.
"""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from db.data_folder import read_postmaster_file
from db.errors import StartFailed

# SIGINT rolls back what runs and shuts down cleanly. SIGTERM is not used: it means "wait for the clients".
_STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
# Said when a process of the server that died is still busy. Recognised by its text, for it has no other sign.
_SHARED_MEMORY_IN_USE = "pre-existing shared memory block"
_SHARED_MEMORY_WAIT_SECONDS = 60.0
_SLOW_START_SECONDS = 5.0
_POLL_SECONDS = 0.01
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_SHORT_LIFE_SECONDS = 10.0
_LOG_TAIL_BYTES = 4000
_LITTLE_SPACE_BYTES = 16 * 1024 * 1024
"""A file of the write-ahead log needs as much; without a new one the server cannot even recover."""

_logger = logging.getLogger(__name__)


class ServerWatch:
    """The watch over one server. `start_child` starts it, with its output going to `log`."""

    def __init__(self, start_child: Callable[[], Popen[bytes]], cluster: Path, log: Path) -> None:
        self._start_child = start_child
        self._cluster = cluster
        self._log = log
        self._child: Popen[bytes] | None = None
        self._child_guard = threading.Lock()
        self._stopping = threading.Event()
        self._was_ready = False
        self._first_start_over = threading.Event()
        self._failure: BaseException | None = None
        # A daemon: a program that forgets to stop the server still ends, and the death signal ends the server.
        self._thread = threading.Thread(target=self._watch, name="watch-postgres", daemon=True)

    @property
    def process_id(self) -> int | None:
        """The server's process id; None while none is running."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        """Start the server and return when it answers. Raises StartFailed when it ends before."""
        self._thread.start()
        self._first_start_over.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the server: by a clean shutdown, else by one that needs recovery, else by force."""
        with self._child_guard:
            self._stopping.set()
        for stop_signal, patience_seconds in _STOP_SIGNALS:
            if not self._thread.is_alive():
                return
            if self._child is not None:
                self._child.send_signal(stop_signal)
            self._thread.join(patience_seconds)

    def _watch(self) -> None:
        try:
            self._run_again_and_again()
        except BaseException as error:
            self._failure = error
            if self._was_ready:
                _logger.critical("PostgreSQL is not started any more", exc_info=error)
        finally:
            self._first_start_over.set()

    def _run_again_and_again(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            started_at = time.monotonic()
            log_tail = self._run_once_whatever_happens()
            if self._stopping.is_set():
                return
            if not self._was_ready:
                raise StartFailed("PostgreSQL ended before it was ready", log_tail)
            if time.monotonic() - started_at > _SHORT_LIFE_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            _logger.error("PostgreSQL has died; starting it again (see %s)", self._log)
            self._tell_of_full_disks()
            self._stopping.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _tell_of_full_disks(self) -> None:
        """The server's log, which is on such a disk as a rule, has no room for the reason."""
        for folder in (self._cluster, self._cluster / "pg_wal"):
            with suppress(OSError):
                if (free := shutil.disk_usage(folder).free) < _LITTLE_SPACE_BYTES:
                    _logger.error("the disk of %s has no space left (%d bytes)", folder, free)

    def _run_once_whatever_happens(self) -> str:
        try:
            return self._run_once()
        except Exception:
            if not self._was_ready:
                raise
            _logger.exception("PostgreSQL could not be started")
            return ""

    def _run_once(self) -> str:
        """Run the server until it ends and return the end of what it said.

        A start that is refused because a busy process of the last server still lives is tried again for a while:
        that process ends by itself, and nothing may be deleted to hurry it.
        """
        deadline = time.monotonic() + _SHARED_MEMORY_WAIT_SECONDS
        while True:
            log_start = self._log.stat().st_size if self._log.exists() else 0
            self._run_child()
            log_tail = self._log_since(log_start)
            if _SHARED_MEMORY_IN_USE not in log_tail or time.monotonic() > deadline or self._stopping.is_set():
                return log_tail
            self._stopping.wait(0.25)

    def _run_child(self) -> None:
        with self._child_guard:
            # Checked under the guard: after stop() has looked for a child to signal, none may appear.
            if self._stopping.is_set():
                return
            child = self._child = self._start_child()
        try:
            if self._wait_ready(child):
                self._was_ready = True
                self._first_start_over.set()
        finally:
            child.wait()

    def _wait_ready(self, child: Popen[bytes]) -> bool:
        """Wait as long as it takes (recovery may take long); False when the server ended instead."""
        warn_at: float | None = time.monotonic() + _SLOW_START_SECONDS
        while child.poll() is None:
            said = read_postmaster_file(self._cluster)
            if said and said.process_id == child.pid and said.is_ready:
                return True
            if warn_at is not None and time.monotonic() > warn_at:
                _logger.warning("PostgreSQL is recovering; see %s", self._log)
                warn_at = None
            time.sleep(_POLL_SECONDS)
        return False

    def _log_since(self, start: int) -> str:
        if not self._log.exists():  # somebody has taken it away, which is no reason not to go on
            return ""
        with self._log.open("rb") as log:
            log.seek(max(start, self._log.stat().st_size - _LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
