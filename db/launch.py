"""A program, not a module: becomes another account, ties its life to its parent, then becomes a command.

    python -I -S launch.py IDENTITY PARENT_PID DEATH_SIGNAL COMMAND ...

IDENTITY is `same`, `namespace:UID` (this root appears as UID in a user namespace of its own) or `user:UID:GID`.
It is a program because nothing of this may be done in a thread of the service, nor between fork and exec of a
process that has threads. It imports nothing of ours: an account that it has become may not be able to read it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def become(identity: str) -> None:
    """Take on the identity."""
    kind, *numbers = identity.split(":")
    if kind == "namespace":
        _enter_namespace(int(numbers[0]))
    elif kind == "user":
        user, group = (int(number) for number in numbers)
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    elif kind != "same":
        raise SystemExit(f"launch: no such identity: {identity}")


def _enter_namespace(appear_as: int) -> None:
    """PostgreSQL sees `appear_as` and is content; the kernel still sees root, so no file has to change hands."""
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise SystemExit(f"launch: unshare: {os.strerror(ctypes.get_errno())}")
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", encoding="ascii")
    (own / "uid_map").write_text(f"{appear_as} 0 1", encoding="ascii")
    (own / "gid_map").write_text(f"{appear_as} 0 1", encoding="ascii")


def tie_to_parent(parent: int, death_signal: int) -> None:
    """Ask the kernel to signal us when the parent's thread that started us ends. Changing accounts undoes this."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("launch: the parent has ended")


def main(arguments: list[str]) -> None:
    """Do it all; returns only by exception."""
    identity, parent, death_signal, *command = arguments
    # Python ignores these, and what is ignored stays so in the next program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    become(identity)
    tie_to_parent(int(parent), int(death_signal))
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is the point  # nosec B606
    except OSError as error:
        raise SystemExit(f"launch: {command[0]}: {error.strerror}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
