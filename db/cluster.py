"""Makes the cluster of a data folder, its socket folder, and the arguments that its server is started with."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from db.data_folder import DataFolder
from db.errors import InitializationFailed, OtherMajorVersion, UnusableAccount, UnusableFolder
from db.postgres_binaries import Binaries
from db.unprivileged import Identity, has_account, start

_NO_FSYNC = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_SETTINGS = {
    # Reached through the socket only; who may enter its folder may log in.
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Without it, the log repeats the values of rows that broke a constraint.
    "log_error_verbosity": "terse",
}


def create_cluster(folder: DataFolder, binaries: Binaries, identity: Identity, superuser: str, *, fsync: bool) -> Path:
    """Return the folder's cluster of this major version, made if there is none.

    Made aside and renamed: if we die before the rename, the next start finds rubbish, which it removes, and no
    cluster. Raises OtherMajorVersion, InitializationFailed, UnusableAccount.
    """
    cluster = folder.cluster(binaries.major)
    existing = folder.clusters()
    if binaries.major in existing:
        return cluster
    if existing:
        raise OtherMajorVersion(folder.path, sorted(existing), binaries.major)
    if not has_account():
        raise UnusableAccount(f"User {os.geteuid()} has no name in this system, which initdb insists on.")
    for rubbish in folder.path.glob(".initdb-*"):
        shutil.rmtree(rubbish, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=".initdb-", dir=folder.path))
    identity.give(aside)
    try:
        _initialize(aside, binaries, identity, superuser, fsync=fsync)
        aside.rename(cluster)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if fsync:
        _sync_folder(folder.path)
    return cluster


def make_socket_dir(folder: DataFolder, identity: Identity) -> Path:
    """Make the folder of the socket, which nobody else may enter: trust is acceptable only because of that."""
    uid = identity.owner[0]
    socket_dir = folder.socket_dir(uid)
    try:
        socket_dir.mkdir(mode=0o700)
        identity.give(socket_dir)
    except FileExistsError:
        status = socket_dir.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
            raise UnusableFolder(
                f"{socket_dir} must be a folder of user {uid} that nobody else may enter; remove it"
            ) from None
    return socket_dir


def server_arguments(cluster: Path, socket_dir: Path, settings: Mapping[str, str], *, fsync: bool) -> list[str]:
    """Return the arguments of `postgres`; `settings` are parameters of the caller's."""
    parameters = {**_SETTINGS, **({} if fsync else _NO_FSYNC), **settings}
    parameters["unix_socket_directories"] = str(socket_dir)
    return ["-D", str(cluster), *(word for item in parameters.items() for word in ("-c", "=".join(item)))]


def _initialize(target: Path, binaries: Binaries, identity: Identity, superuser: str, *, fsync: bool) -> None:
    fixed = [
        *(binaries.program("initdb"), "-D", str(target), "-U", superuser, "-A", "trust", "-E", "UTF8"),
        *("--data-checksums", "--no-instructions"),
        *([] if fsync else ["--no-sync"]),
    ]
    output = ""
    for locale in binaries.locale_choices():
        # The calling thread waits for it, so the death signal can only mean that we died.
        child = start(identity, [*fixed, *locale], stdout=subprocess.PIPE, death_signal=signal.SIGKILL)
        output = child.communicate()[0].decode(errors="replace")
        if child.returncode == 0:
            return
    raise InitializationFailed(output)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
