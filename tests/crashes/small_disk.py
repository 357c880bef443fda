"""A disk that can be full: a small file system in memory, mounted over a folder for the time of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CHUNK_BYTES = 1024 * 1024


@contextmanager
def on_small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Move what is in the folder to a small disk mounted in its place; skips the test where nothing may be mounted."""
    owner = folder.stat()
    options = f"size={megabytes}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", folder], check=True)
        shutil.rmtree(aside)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """While it lasts, not a byte of the disk is free."""
    ballast = disk / "ballast"
    # Unbuffered: what has not been written by the time the disk is full must not come later.
    with ballast.open("wb", buffering=0) as file:
        for size in (_CHUNK_BYTES, os.sysconf("SC_PAGE_SIZE")):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        ballast.unlink()
