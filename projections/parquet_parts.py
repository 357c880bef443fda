"""A table as Parquet files of bounded size: each is flushed to disk, and known by its SHA-256, when it is done."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
from pyarrow import parquet

_COMPRESSION: Final = "zstd"


class Sizes(NamedTuple):
    """When a row group is written, and from what size on a file gets no further one."""

    group_rows: int = 128 * 1024
    group_bytes: int = 32 * 1024 * 1024
    file_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file; `path` is relative to the folder of all."""

    path: str
    rows: int
    bytes: int
    sha256: str


class PartWriter:
    """Writes `part-00000.parquet` and so on into `folder / below`; `parts` are those done. One row group is held."""

    def __init__(self, folder: Path, sizes: Sizes, schema: pa.Schema, below: str) -> None:
        self.parts: list[Part] = []
        self._folder = folder
        self._below = below
        self._schema = schema
        self._sizes = sizes
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._held_bytes = 0
        self._file: _HashedFile | None = None
        self._writer: Any = None
        self._rows = 0

    def __enter__(self) -> Self:
        (self._folder / self._below).mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._write_group()
                self._end_file()
                sync_folder(self._folder / self._below)
        finally:
            self._give_up()

    def write(self, table: pa.Table) -> None:
        while table.num_rows:
            some = table.slice(0, self._sizes.group_rows - self._held_rows)
            table = table.slice(some.num_rows)
            self._held.append(some)
            self._held_rows += some.num_rows
            self._held_bytes += some.nbytes
            if self._held_rows >= self._sizes.group_rows or self._held_bytes >= self._sizes.group_bytes:
                self._write_group()

    def _write_group(self) -> None:
        if not self._held:
            return
        if self._file is None:
            self._file = _HashedFile(self._folder / self._next_path())
            self._writer = parquet.ParquetWriter(self._file, self._schema, compression=_COMPRESSION)
        table = pa.concat_tables(self._held)
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._rows += table.num_rows
        if self._file.bytes >= self._sizes.file_bytes:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is None:
            return
        self._writer.close()
        self._file.close_durably()
        self.parts.append(Part(self._next_path(), self._rows, self._file.bytes, self._file.sha256.hexdigest()))
        self._file, self._writer, self._rows = None, None, 0

    def _give_up(self) -> None:
        """Let go of a file that is not done; nothing to do after the last one is."""
        if self._file is not None:
            self._file.abandon()
        if self._writer is not None:
            self._writer.close()  # which would want to write its end when it is collected

    def _next_path(self) -> str:
        return f"{self._below}/part-{len(self.parts):05}.parquet"


class _HashedFile(io.RawIOBase):
    """A new file, readable by its owner alone, that is hashed as it is written from beginning to end."""

    def __init__(self, path: Path) -> None:
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self._is_abandoned = True  # as long as there is none
        self._file = open(path, "xb", opener=_private)  # noqa: SIM115 - closed by close()
        self._is_abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._is_abandoned:
            return len(data)
        written = self._file.write(data)
        self.sha256.update(data)
        self.bytes += written
        return written

    def tell(self) -> int:
        return self.bytes

    def close_durably(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()

    def abandon(self) -> None:
        """Close the file; what is still written goes nowhere."""
        self._is_abandoned = True
        with suppress(OSError):  # of a full disk, say, which had been told already
            self._file.close()

    def close(self) -> None:
        if not self._is_abandoned:
            self._file.close()
        super().close()


def sync_folder(folder: Path) -> None:
    """Make sure that the names in it survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whatever happens."""
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "x", encoding="utf-8", opener=_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
