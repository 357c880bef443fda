"""Runs PostgreSQL inside a data folder, for as long as this process lives.

What must stay true: one owner per data folder; the server ends with its owner, however that ends; a server that
dies is started again; no file of the cluster is ever deleted to make it start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.cluster import create_cluster, make_socket_dir, server_arguments
from db.data_folder import DataFolder, OwnerLock, clear_stale_files, is_server_of, read_postmaster_file
from db.errors import AlreadyOwned, EmbeddedPostgresError, UnsupportedPlatform, UnusableFolder
from db.postgres_binaries import Binaries, find_bindir
from db.server_watch import ServerWatch
from db.unprivileged import Identity, choose_identity, start

SUPERUSER = "dossier"
DATABASE = "dossier"

_LOCK_WAIT_SECONDS = 60.0
# What a server is told whose owner has died, and after how many seconds. SIGINT is not enough: asked to shut down while
# it recovers from the crash of one of its processes, PostgreSQL 18 waits for others that it never tells to end.
_ORPHAN_SIGNALS = ((0.0, signal.SIGINT), (10.0, signal.SIGQUIT), (20.0, signal.SIGKILL))
_ATTACH_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.02

_logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """The server of one data folder, owned by this process; start it once and stop it once."""

    def __init__(self, data_dir: Path, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> None:
        """`fsync=False` loses data when the machine crashes: for tests. `settings` are server parameters."""
        self._folder = DataFolder.at(data_dir)
        self._fsync = fsync
        self._settings = dict(settings or {})
        self._lock = OwnerLock(self._folder)
        self._socket_dir: Path | None = None
        self._watch: ServerWatch | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Own the folder, make the cluster if there is none, start the server, and return when it answers.

        Raises an EmbeddedPostgresError; AlreadyOwned when another process runs the server (see attach).
        """
        refuse_other_platforms(sys.platform)
        binaries = find_bindir()
        try:
            self._folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._acquire_lock()
        except OSError as error:
            raise UnusableFolder(f"cannot use {self._folder.path}: {error.strerror}") from error
        try:
            self._start_owned(binaries)
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, cleanly if it lets us, and give the folder up. Does nothing when it is not running."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._socket_dir is not None and self._socket_dir.parent != self._folder.path:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()
        self._socket_dir = None
        self._lock.release()

    def conninfo(self, dbname: str = DATABASE, **extra: Any) -> str:
        """Return how to connect as the superuser, as keywords; `extra` are further libpq keywords."""
        if self._socket_dir is None:
            raise EmbeddedPostgresError(f"the server of {self._folder.path} is not started")
        return _conninfo(str(self._socket_dir), dbname, **extra)

    @property
    def process_id(self) -> int | None:
        """The server's process id; None while none is running."""
        return self._watch.process_id if self._watch is not None else None

    def _acquire_lock(self) -> None:
        """Take the folder's lock. A dead owner's server is asked to end, ever more firmly, and waited for."""
        started_at = time.monotonic()
        asked: set[tuple[int, signal.Signals]] = set()
        while not self._lock.try_acquire():
            if (owner := self._lock.living_owner()) is not None:
                raise AlreadyOwned(self._folder.path, f"process {owner}")
            waited_seconds = time.monotonic() - started_at
            if waited_seconds > _LOCK_WAIT_SECONDS:
                raise AlreadyOwned(self._folder.path, "a process that cannot be seen from here")
            due = [number for after_seconds, number in _ORPHAN_SIGNALS if after_seconds <= waited_seconds]
            asked |= _end_orphans(self._folder, due[-1], asked)
            time.sleep(_POLL_SECONDS)

    def _start_owned(self, binaries: Binaries) -> None:
        postgres = binaries.program("postgres")
        identity = choose_identity(self._folder.path, postgres)
        cluster = create_cluster(self._folder, binaries, identity, SUPERUSER, fsync=self._fsync)
        self._socket_dir = make_socket_dir(self._folder, identity)
        clear_stale_files(cluster, self._socket_dir)
        self._folder.set_long_log_aside()
        self._folder.open_log().close()
        for path in (self._folder.lock, self._folder.log):
            identity.give(path)
        arguments = server_arguments(cluster, self._socket_dir, self._settings, fsync=self._fsync)
        self._watch = ServerWatch(
            lambda: self._start_child(identity, [postgres, *arguments]), cluster, self._folder.log
        )
        self._watch.start()

    def _start_child(self, identity: Identity, command: list[str]) -> Popen[bytes]:
        with self._folder.open_log() as log:
            return start(identity, command, stdout=log, death_signal=signal.SIGINT, pass_fds=[self._lock.descriptor])

    def _create_database(self) -> None:
        # If we die before this, the next start finds the cluster without it and comes here again.
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def attach(data_dir: Path) -> str | None:
    """Return how to connect to the server of this folder, run by another process; None when there is none.

    Waits a little for one that is just starting or recovering. Raises UnusableFolder when we may not look into it.
    """
    try:
        return _attach(DataFolder.at(data_dir))
    except PermissionError as error:
        raise UnusableFolder(f"cannot use {data_dir}: {error.strerror}") from error


def _attach(folder: DataFolder) -> str | None:
    deadline = time.monotonic() + _ATTACH_WAIT_SECONDS
    while True:
        for cluster in folder.clusters().values():
            said = read_postmaster_file(cluster)
            if said and said.is_ready and _is_served(cluster, said.socket_dir):
                return _conninfo(said.socket_dir, DATABASE)
        if OwnerLock(folder).is_free() or time.monotonic() > deadline:
            return None
        time.sleep(_POLL_SECONDS)


def refuse_other_platforms(platform: str) -> None:
    """Raise UnsupportedPlatform unless `platform` is one that we can run a server on."""
    if platform != "linux":
        raise UnsupportedPlatform(platform)


def _conninfo(socket_dir: str, dbname: str, **extra: Any) -> str:
    # Keywords, not a URL: a URL cannot hold every path. The port is named for the sake of a PGPORT around us.
    return make_conninfo(**{"host": socket_dir, "port": 5432, "user": SUPERUSER, "dbname": dbname, **extra})


def _is_served(cluster: Path, socket_dir: str) -> bool:
    """Tell whether the server that listens there is that of this cluster, and has our database."""
    try:
        with psycopg.connect(_conninfo(socket_dir, DATABASE), connect_timeout=5) as connection:
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.OperationalError:
        return False
    return row is not None and row[0] == str(cluster)


def _end_orphans(
    folder: DataFolder, number: signal.Signals, asked: set[tuple[int, signal.Signals]]
) -> set[tuple[int, signal.Signals]]:
    """Send a signal to servers of this folder, whose owner has died, unless they got it; return who got it now."""
    found = ((cluster, read_postmaster_file(cluster)) for cluster in folder.clusters().values())
    servers = {said.process_id for cluster, said in found if said and is_server_of(said.process_id, cluster)}
    orphans = {(process_id, number) for process_id in servers} - asked
    for process_id, _ in orphans:
        _logger.warning("shutting down PostgreSQL %d, whose owner has died (%s)", process_id, number.name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)
    return orphans
