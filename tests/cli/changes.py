"""Lines of change logs for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cli.importing.change_log import BrokenLine, ChangeLog, Line


def line(seq: int, **columns: Any) -> dict[str, Any]:
    """A line with every column; say only what matters."""
    return {
        "seq": seq,
        "commit": "c1",
        "recorded_at": "2020-03-04T10:00:00+01:00",
        "actor": "Ada",
        "message": "first load",
        "person_id": "A1",
        "op": "add",
        "path": f"field.{seq}",
        "old": None,
        "new": "x",
        "effective_at": None,
        "authored_commit": "a1",
        "authored_at": "2020-03-04T09:00:00+01:00",
        "merged_by": None,
    } | columns


def as_file(lines: Iterable[dict[str, Any]]) -> bytes:
    """The lines as a file holds them."""
    return b"".join(json.dumps(content).encode() + b"\n" for content in lines)


def read(content: bytes) -> list[Line | BrokenLine]:
    """What a file's reader makes of it."""
    return list(ChangeLog.of_bytes(content))


def readable(lines: Iterable[dict[str, Any]]) -> list[Line]:
    """Lines that are known to be good, read."""
    found = read(as_file(lines))
    assert all(isinstance(item, Line) for item in found), found
    return [item for item in found if isinstance(item, Line)]
