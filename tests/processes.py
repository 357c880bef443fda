"""What the kernel tells about processes. Any may end at any moment: then it has no words and no children."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def is_alive(process_id: int) -> bool:
    """A zombie has ended; only its parent has not looked yet."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def children_of(process_id: int) -> list[int]:
    """The living children of all its threads."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process_id}/task").iterdir():
            with suppress(OSError):
                found += [int(child) for child in (thread / "children").read_text(encoding="ascii").split()]
    return [child for child in found if is_alive(child)]


def words_of(process_id: int) -> list[bytes]:
    """Its command line; PostgreSQL's processes write there what they do."""
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


def title_of(process_id: int) -> str:
    """Its command line as `ps` shows it."""
    return os.fsdecode(b" ".join(words_of(process_id))).strip()


def name_of(process_id: int) -> str:
    """The module that `python -m` runs, or the program."""
    words = words_of(process_id)
    return words[2].decode() if words[1:2] == [b"-m"] else Path(os.fsdecode(words[0])).name


def open_files_of(process_id: int) -> set[str]:
    """Paths, and names like `socket:[4711]`."""
    found: set[str] = set()
    with suppress(OSError):
        for file in Path(f"/proc/{process_id}/fd").iterdir():
            with suppress(OSError):
                found.add(str(file.readlink()))
    return found


def tcp_sockets() -> list[list[str]]:
    """The kernel's table: local end, remote end, state, ..., and in the tenth column the inode that open files name."""
    return [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]


def workers_of(service_id: int) -> list[int]:
    """The API workers of a service."""
    return [child for child in children_of(service_id) if name_of(child) == "cli.worker"]
