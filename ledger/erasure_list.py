"""The list of erasures that a backup leaves beside its archives: whose keys were destroyed, by which event, and when.

It holds no key and says nothing about anybody: unlike the archive of keys it may be kept for ever, and copied anywhere.
That is its use: a list that is newer than the archives that are restored says what must not come back with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.errors import ErasureListMalformed

FILE: Final = "erasures.ndjson"


class Destroyed(NamedTuple):
    """The data key of `subject` was destroyed, on behalf of the event `by`."""

    subject: UUID
    by: UUID


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: UUID
    erased_by: UUID
    destroyed_at: datetime


def write_list(path: Path, rows: Iterable[tuple[UUID, UUID, datetime]]) -> int:
    """Write a new file, which only its owner can read; how many erasures it has. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    lines = [_Line(subject=subject, erased_by=by, destroyed_at=at).model_dump_json() for subject, by, at in rows]
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(f"{line}\n".encode() for line in lines)
        file.flush()
        os.fsync(file.fileno())
    return len(lines)


def read_list(path: Path) -> list[Destroyed]:
    """Read such a file. Raises ErasureListMalformed, which names the line, or OSError."""
    with path.open("rb") as file:
        return list(_read(path, file))


def _read(path: Path, lines: Iterable[bytes]) -> Iterator[Destroyed]:
    for number, line in enumerate(lines, start=1):
        try:
            said = _Line.model_validate_json(line)
        except ValidationError as error:
            raise ErasureListMalformed(str(path), number) from error
        yield Destroyed(said.subject, said.erased_by)
