"""Runs PostgreSQL's programs as an account that is not root, because PostgreSQL refuses root.

What must stay true: nothing outside the data folder changes owner or mode, and no account is created.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from db.errors import UnusableAccount

_LAUNCHER_COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")))
_ACCOUNTS_FOR_POSTGRES = ("postgres", "nobody")


@dataclass(frozen=True)
class Identity:
    """Who the programs run as: `launch_as` for the launcher; `owner` is the uid and gid that files must have."""

    launch_as: str
    owner: tuple[int, int]

    def give(self, path: Path) -> None:
        """Make a file or folder of ours theirs, if it is not yet."""
        status = path.lstat()
        if (status.st_uid, status.st_gid) != self.owner and os.geteuid() == 0:
            os.lchown(path, *self.owner)

    def give_all(self, folder: Path) -> None:
        """Make a folder and everything in it theirs."""
        self.give(folder)
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                self.give(Path(parent) / name)


def choose_identity(data_dir: Path, postgres: str) -> Identity:
    """Choose who runs `postgres` on this folder, which becomes theirs.

    Not root: ourselves. Root: the folder's owner; else root under another number in a user namespace, which
    changes nothing on disk; else, where namespaces are forbidden, the account postgres or nobody.
    Raises UnusableAccount.
    """
    if os.geteuid() != 0:
        return Identity("same", (os.geteuid(), os.getegid()))
    status = data_dir.stat()
    if status.st_uid != 0:
        return _checked(_account_identity(status.st_uid, status.st_gid), data_dir, postgres)
    accounts = [account for name in _ACCOUNTS_FOR_POSTGRES if (account := _account(name))]
    if not accounts:
        raise UnusableAccount("Root cannot run PostgreSQL, and there is neither an account postgres nor nobody here.")
    namespace = Identity(f"namespace:{accounts[-1].pw_uid}", (0, 0))
    if probe(namespace, [postgres, "--version"]) is None:
        return namespace
    other = _account_identity(accounts[0].pw_uid, accounts[0].pw_gid)
    other.give_all(data_dir)
    return _checked(other, data_dir, postgres)


def probe(identity: Identity, command: Sequence[str]) -> str | None:
    """Run a command as that identity; None when it succeeds, else what it said."""
    child = start(identity, command, stdout=subprocess.PIPE, death_signal=signal.SIGKILL)
    output, _ = child.communicate()
    return None if child.returncode == 0 else output.decode(errors="replace").strip() or f"exit {child.returncode}"


def start(
    identity: Identity,
    command: Sequence[str],
    *,
    stdout: IO[bytes] | int,
    death_signal: signal.Signals,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command as that identity; it gets the death signal when the *thread* that called this ends.

    It is our own child, so that we reap it; it has a session of its own, so that Ctrl-C reaches us alone.
    """
    return subprocess.Popen(  # noqa: S603 - our own launcher and PostgreSQL's programs
        [
            *_LAUNCHER_COMMAND,
            *(identity.launch_as, str(os.getpid()), str(int(death_signal))),
            *command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=clean_environment(os.environ),
        start_new_session=True,
        pass_fds=pass_fds,
    )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return it without what would steer PostgreSQL: PG* variables and the language."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def has_account() -> bool:
    """Tell whether this process's account has a name, which initdb insists on."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _account_identity(user: int, group: int) -> Identity:
    return Identity(f"user:{user}:{group}", (user, group))


def _checked(identity: Identity, data_dir: Path, postgres: str) -> Identity:
    """Return the identity if it can run the programs and enter the folder."""
    for command, subject in (([postgres, "--version"], postgres), (["/bin/ls", "-d", f"{data_dir}/."], data_dir)):
        complaint = probe(identity, command)
        if complaint is not None:
            raise UnusableAccount(
                f"Root cannot run PostgreSQL, and user {identity.owner[0]} cannot use {subject}: {complaint}. "
                "Run as another user, or move it below folders which that user may enter."
            )
    return identity
