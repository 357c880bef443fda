"""How the tests of a run are spread over its processes.

A file's tests run in one process, in the order in which they stand. So do all files of a directory with a service of
its own and few tests: each process more that ran some of them would start that service once more.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_TOGETHER: Final = ("tests/attacks", "tests/concurrency", "tests/identity", "tests/overload")


class Spreading(LoadFileScheduling):  # type: ignore[misc] # of a library without types
    """What `--dist loadfile` does, but for the directories whose files belong together."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        directory = PurePath(file).parent.as_posix()
        return directory if directory in _TOGETHER else file


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spreading | None:
    """Ours, unless another way of spreading was asked for."""
    return Spreading(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl
def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many processes again as there are processors: a quarter of the time tests wait for what they started."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return max(2, len(os.sched_getaffinity(0)) * 3 // 2)
