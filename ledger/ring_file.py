"""The file of the key encryption keys: one line each, `<id>:<base64>`, the one that wraps first.

What must stay true: nobody but the owner can read it, it is replaced as a whole or not at all, and what is taken out of
it is overwritten where it stood. (Where a file system copies on write, or a disk moves its blocks, the old bytes may
live on: there the disk's own encryption has to help.)
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ledger.errors import KekExposed, KekMalformed, KekMissing


class Stamp(NamedTuple):
    """Tells one content of the file from another without reading it."""

    inode: int
    modified_ns: int
    size: int


class Content(NamedTuple):
    """The lines of the file, and which content it was."""

    lines: list[str]
    stamp: Stamp


def stamp_of(path: Path) -> Stamp | None:
    """Which content the file has now; None where it cannot be looked at."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def read(path: Path) -> Content:
    """Read the file. Raises KekMissing, KekExposed, KekMalformed or OSError."""
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KekExposed(f"{path} is open to others on this machine; run: chmod 600 {path}")
            return Content([line for line in file.read().splitlines() if line.strip()], _stamp(status))
    except FileNotFoundError as error:
        raise KekMissing(f"there is no key file {path}") from error
    except UnicodeDecodeError as error:
        raise KekMalformed(f"{path} holds no key") from error


def make(path: Path, line: str) -> None:
    """Make the file with its first key; one that is there already is left as it is. Raises OSError."""
    name = _written_aside(path, [line])
    try:
        # If we die before this, no key is in force. Of two processes here at once the first one's key stands.
        os.link(name, path)
        _sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        name.unlink()


def replace(path: Path, lines: Sequence[str]) -> None:
    """Put these lines in the place of what the file holds, and overwrite what it held. Raises OSError."""
    before = os.open(path, os.O_RDWR)
    try:
        name = _written_aside(path, lines, os.fstat(before))
        try:
            name.replace(path)
        except BaseException:
            with suppress(OSError):
                name.unlink()
            raise
        # If we die before this, the old keys are still in blocks that belong to no file; nobody reads them as keys.
        _sync_folder(path.parent)
        os.pwrite(before, bytes(os.fstat(before).st_size), 0)
        os.fsync(before)
    finally:
        os.close(before)


def _written_aside(path: Path, lines: Sequence[str], owner: os.stat_result | None = None) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                # The service may be another account than who rotates, and must still be able to read its file.
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_mtime_ns, status.st_size)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
