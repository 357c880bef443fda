"""A program for tests: runs a command as root that may not make user namespaces, as in a container.

    python without_namespaces.py COMMAND ...

The limit is set inside a user namespace of the command's own, in which all accounts are what they are outside.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def main(command: list[str]) -> None:
    told_child, tell_child = os.pipe()
    told_parent, tell_parent = os.pipe()
    parent = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(tell_parent)
        os.read(told_parent, 1)
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{parent}/{kind}").write_text("0 0 65536", encoding="ascii")
        os.write(tell_child, b".")
        os._exit(0)
    ctypes.CDLL(None).unshare(CLONE_NEWUSER)
    os.write(tell_parent, b".")
    os.read(told_child, 1)
    os.waitpid(helper, 0)
    Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
