"""Where tests have their files: in memory, where there is plenty of it.

The database of a test is four hundred files and most tests want one, a hundred tests make a cluster, and a service has
its writes forced to the disk. Whoever wants them on a disk names it: `pytest --basetemp=FOLDER`. Those that take
minutes are on one, for what they store is much and what they measure is of a disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.processes import is_alive

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where Linux has a file system in memory
_PLENTY_BYTES: Final = 6 * 2**30
_OURS: Final = "dossier-tests-"
_FOLDER: Final = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Say where before pytest looks for it itself; its processes have folders in that of the first."""
    if config.option.basetemp is not None or config.option.markexpr == "long" or not _MEMORY.is_dir():
        return
    _remove_what_was_left()
    if shutil.disk_usage(_MEMORY).free > _PLENTY_BYTES:
        folder = config.stash[_FOLDER] = _MEMORY / f"{_OURS}{os.getpid()}"
        config.option.basetemp = str(folder)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failing tests left stays until the next run."""
    if exitstatus != pytest.ExitCode.OK and _FOLDER in session.config.stash:
        del session.config.stash[_FOLDER]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    # Last, for the server of the run ends only now (tests/conftest.py).
    if (folder := config.stash.get(_FOLDER, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_what_was_left() -> None:
    for folder in _MEMORY.glob(f"{_OURS}*"):
        if not is_alive(int(folder.name.removeprefix(_OURS))):
            shutil.rmtree(folder, ignore_errors=True)
