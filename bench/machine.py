"""What the figures were measured on: a ratio is honest only together with this."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psycopg

_LIBRARIES: Final = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "psycopg",
    "pydantic",
    "orjson",
    "eventsourcing",
    "cryptography",
)
_SERVER_SETTINGS: Final = (
    "server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers",
    "max_wal_size", "data_checksums",
)  # fmt: skip


def describe(conninfo: str | None) -> dict[str, Any]:
    """Processor, memory, versions; with a conninfo also the database server's settings that matter."""
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _commit(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "postgresql": _server(conninfo) if conninfo else {},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    """The commit that was measured, with a mark when files differ from it; empty outside a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return described.stdout.strip()


def _server(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)", [list(_SERVER_SETTINGS)]
        )
        return dict(rows.fetchall())
