"""The data folder of an embedded server: who owns it, what is in it, whether a server lives in it.

    owner.lock     locked for as long as the owner or any process of its PostgreSQL lives; names the owner
    pg18/          the cluster, named by its major version
    run/           the socket
    postgres.log

What must stay true: whoever changes anything below this folder holds the lock. The lock belongs to an open file
that the server's processes inherit, so the kernel keeps it until the last of them is gone, whatever became of us;
it holds between containers too, where process ids and shared memory of one are unknown to the other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from db.errors import UnusableFolder

# A socket's path must fit into 108 bytes with its name and a final zero.
_LONGEST_SOCKET_PATH = 103
_SOCKET_NAME = ".s.PGSQL.5432"
_LOG_BYTES_KEPT = 10_000_000
# Root may be at work in another user's folder: a link there must not lead it to a file elsewhere.
_CREATE_HERE = os.O_CREAT | os.O_NOFOLLOW


@dataclass(frozen=True)
class PostmasterFile:
    """What a running server says about itself in postmaster.pid."""

    process_id: int
    socket_dir: str
    is_ready: bool


@dataclass(frozen=True)
class DataFolder:
    """Names in the folder; `path` is absolute."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> DataFolder:
        """Take a folder, which need not exist. Raises UnusableFolder for a name that PostgreSQL's files cannot hold."""
        resolved = path.resolve()
        if "\n" in str(resolved):
            raise UnusableFolder(f"the data folder's path holds a line break: {str(resolved)!r}")
        return cls(resolved)

    @property
    def lock(self) -> Path:
        return self.path / "owner.lock"

    @property
    def log(self) -> Path:
        return self.path / "postgres.log"

    def set_long_log_aside(self) -> None:
        """Rename a log that has become long, in place of the one renamed before."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_KEPT:
            self.log.replace(self.log.with_name("postgres.log.1"))

    def open_log(self) -> IO[bytes]:
        """Open the log, which only its owner may read, to append to it."""
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | _CREATE_HERE, 0o600), "ab")

    def cluster(self, major: int) -> Path:
        """Return the folder of the cluster of a major version."""
        return self.path / f"pg{major}"

    def clusters(self) -> dict[int, Path]:
        """Return the clusters that are there, by major version."""
        found = ((re.fullmatch(r"pg([0-9]+)", path.name), path) for path in self.path.glob("pg*"))
        return {int(match[1]): path for match, path in found if match}

    def socket_dir(self, uid: int) -> Path:
        """Return where the socket goes: in the folder, or, when its path is unfit for one, in the temp folder."""
        inside = self.path / "run"
        # A comma separates several folders, for the server and for its clients.
        if len(os.fsencode(inside / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH and "," not in str(inside):
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"pg-{uid}-{digest}"


class OwnerLock:
    """The lock of a data folder, held through one open file."""

    def __init__(self, folder: DataFolder) -> None:
        self._path = folder.lock
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file, to be inherited by the server; only while held."""
        assert self._descriptor is not None  # noqa: S101 - our own bug
        return self._descriptor

    def try_acquire(self) -> bool:
        """Take the lock and write our name into it, unless somebody holds it."""
        descriptor = os.open(self._path, os.O_RDWR | _CREATE_HERE, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._write(f"{os.getpid()} {started_at(os.getpid())}\n")
        return True

    def is_free(self) -> bool:
        """Tell whether nobody holds it; taken shared for a moment only, which a starting owner sits out."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def living_owner(self) -> int | None:
        """Return the process that took the lock last, if it still lives (in this container)."""
        words = self._path.read_text(encoding="ascii").split()
        if len(words) != len(("pid", "start")) or not words[0].isdigit():
            return None
        process_id = int(words[0])
        return process_id if started_at(process_id) == words[1] else None

    def release(self) -> None:
        """Give it up; it stays held while a process that inherited it lives."""
        if self._descriptor is not None:
            self._write("")
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: str) -> None:
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode("ascii"), 0)


def read_postmaster_file(cluster: Path) -> PostmasterFile | None:
    """Read postmaster.pid; None when there is none or it is not complete yet."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except FileNotFoundError:
        return None
    if len(lines) < 5 or not lines[0].isdigit():  # noqa: PLR2004 - its fifth line is the socket's folder
        return None
    is_ready = len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - its eighth line is the state
    return PostmasterFile(int(lines[0]), lines[4], is_ready)


def is_server_of(process_id: int, cluster: Path) -> bool:
    """Tell whether that process is a `postgres` started on that cluster."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(os.fsdecode(words[0])).name == "postgres" and os.fsencode(cluster) in words


def clear_stale_files(cluster: Path, socket_dir: Path) -> None:
    """Move aside what a dead server left behind and a new one would stumble over. Only with the lock just taken.

    The lock has proven that no process of that server lives. Its process id, though, may be another program's by
    now, or its file be empty; the server takes both for a living server and refuses to start.
    """
    postmaster_file = cluster / "postmaster.pid"
    if postmaster_file.exists():
        found = read_postmaster_file(cluster)
        if found and is_server_of(found.process_id, cluster):
            return
        postmaster_file.replace(postmaster_file.with_name("postmaster.pid.stale"))
    for name in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
        (socket_dir / name).unlink(missing_ok=True)


def started_at(process_id: int) -> str | None:
    """Return when a process was started, in clock ticks since boot; None when it is gone."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    state, *rest = status.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]
