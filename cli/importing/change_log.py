"""Reads a change log: one JSON object a line, perhaps gzip'd; what one line may hold and what it may not.

What must stay true: every line of the file comes out once, in the file's order, as a Change or as a BrokenLine with
its number and the reason; no line, however bad or long, stops the reading or fills the memory.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, BinaryIO, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from domain.values import JsonContent, Key, storable_text

LONGEST_LINE = 200_000
"""Bytes. A command is at least one line, and the service takes bodies up to 1 MB."""

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+", re.ASCII)


class Operation(StrEnum):
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


def _rfc3339(text: str) -> str:
    """Check an instant and keep it as it is written: its offset is part of what the other system said."""
    try:
        instant = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise PydanticCustomError("time", "not a time with an offset, such as 2024-03-15T09:30:00+08:00")
    return text


def _date_or_instant(text: str) -> str:
    if not _DATE.fullmatch(text):
        return _rfc3339(text)
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise PydanticCustomError("date", "not a calendar date") from error
    return text


_Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable_text)]
_FreeText = Annotated[str, AfterValidator(storable_text)]
_Instant = Annotated[str, AfterValidator(_rfc3339)]
_EffectiveTime = Annotated[str, AfterValidator(_date_or_instant)]
_Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?$"),
    AfterValidator(storable_text),
]  # fmt: skip


class Change(BaseModel):
    """One field of one entity, added, changed or removed by one commit. Further columns are let pass.

    `commit` put the change in force, at `recorded_at`; `authored_commit` wrote it, and is the same where the log does
    not know better.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    seq: Annotated[int, Field(ge=0, le=2**63 - 1)]
    commit: _Name
    recorded_at: _Instant
    entity: Annotated[_Identifier, Field(validation_alias=AliasChoices("person_id", "entity_id"))]
    op: Annotated[Operation, Field(strict=False)]
    path: Key
    old: JsonContent = None
    new: JsonContent = None
    actor: _FreeText | None = None
    message: _FreeText | None = None
    effective_at: _EffectiveTime | None = None
    authored_commit: _Name | None = None
    authored_at: _Instant | None = None
    merged_by: _FreeText | None = None

    def model_post_init(self, _context: Any) -> None:
        if self.op is not Operation.REMOVE and "new" not in self.model_fields_set:
            raise PydanticCustomError("new", "new is missing; what is not removed has a value, null included")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that can be imported; `number` counts from 1."""

    number: int
    change: Change
    length: int


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that cannot be read as a change."""

    number: int
    reason: str


class ChangeLog:
    """A file opened for one reading. `bytes_read` counts what was taken from the disk, compressed or not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        start = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        self._is_compressed = start == _GZIP_MAGIC

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """Read from memory."""
        return cls(io.BytesIO(content))

    @property
    def bytes_read(self) -> int:
        return self._file.tell()

    def __iter__(self) -> Iterator[Line | BrokenLine]:
        number, last_seq = 0, -1
        for number, content in enumerate(self._raw_lines(), start=1):
            if isinstance(content, BrokenLine):
                yield BrokenLine(number, content.reason)
            elif content.strip():
                line = _read_line(number, content, last_seq)
                last_seq = line.change.seq if isinstance(line, Line) else last_seq
                yield line

    def _raw_lines(self) -> Iterator[bytes | BrokenLine]:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=self._file)) if self._is_compressed else self._file
        try:
            content = stream.readline(LONGEST_LINE + 1).removeprefix(_BYTE_ORDER_MARK)
            while content:
                if len(content) > LONGEST_LINE and not content.endswith(b"\n"):
                    _skip_to_line_end(stream)
                    yield BrokenLine(0, f"the line is longer than {LONGEST_LINE} bytes")
                else:
                    yield content
                content = stream.readline(LONGEST_LINE + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield BrokenLine(0, f"the compressed file is damaged from here on: {error}")


def _read_line(number: int, content: bytes, last_seq: int) -> Line | BrokenLine:
    try:
        change = Change.model_validate_json(content)
    except ValidationError as error:
        return BrokenLine(number, _first_reason(error))
    if change.seq <= last_seq:
        return BrokenLine(number, f"seq: {change.seq} does not follow {last_seq}; the order of the log is its seq")
    return Line(number, change, len(content))


def _first_reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _skip_to_line_end(stream: Any) -> None:
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass
