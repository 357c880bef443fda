"""Exports the rectangles of all customers as Parquet, for engines that read columns by the billion.

Owns the layout of an export (docs/analytics.md): `facts/slot_group=<group>/part-00000.parquet` and so on, the log
likewise in `log/`, and `manifest.json`. What must stay true: all of it is as of one position of the log; two exports
at one position hold the same rows in the same files; the manifest is written last and at once, so that a folder that
has one is whole. Memory is bounded: the server sorts, and no more than a row group is held here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from shutil import rmtree
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from psycopg import Connection
from pyarrow import compute, csv

from db.queries import load
from projections.errors import FolderTaken
from projections.parquet_parts import Part, PartWriter, Sizes, put_in_place

_QUERIES: Final = load("projections", "export.sql")
_INSTANT: Final = pa.timestamp("us", "UTC")
_GROUP: Final = "slot_group"
_BLOCK_BYTES: Final = 4 * 1024 * 1024
_SIZES: Final = Sizes()

FACTS: Final = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("slot", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("absent", pa.bool_(), nullable=False),
        pa.field("valid_from", _INSTANT, nullable=False),
        pa.field("valid_to", _INSTANT),
        pa.field("known_from_position", pa.int64(), nullable=False),
        pa.field("known_to_position", pa.int64()),
        pa.field("fact_from", _INSTANT, nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
    ]
)
LOG: Final = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("known_at", _INSTANT, nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Extent:
    """What an export is of: a position (0: nothing was projected yet), and since when that is known."""

    position: int
    known_at: datetime | None


@dataclass(slots=True)
class Manifest:
    """What is in the folder."""

    extent: Extent
    facts: list[Part] = field(default_factory=list)
    log: list[Part] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        known_at = self.extent.known_at
        return {
            "format": "dossier-facts/1",
            "position": self.extent.position,
            "known_at": known_at.isoformat() if known_at else None,
            "rows": {"facts": _rows(self.facts), "log": _rows(self.log)},
            "files": [asdict(part) for part in (*self.facts, *self.log)],
        }


def count_rows(connection: Connection[Any]) -> int:
    """How many rows an export will have."""
    ((rows,),) = connection.execute(_QUERIES["rows"]).fetchall()
    return int(rows)


def export_facts(
    connection: Connection[Any],
    folder: Path,
    *,
    advance: Callable[[int], None] = lambda _: None,
    sizes: Sizes = _SIZES,
) -> Manifest:
    """Write an export into `folder`, which is made unless it is there and empty.

    `connection` is in one REPEATABLE READ transaction (see `one_moment`, `hold_tables`); `advance` is told of rows
    as they pass. Raises FolderTaken, OSError or psycopg.Error; what had been written is removed then.
    """
    _take(folder)
    with _removed_unless_done(folder):
        manifest = Manifest(_extent_of(connection))
        begin = partial(PartWriter, folder, sizes)
        manifest.facts = _write(connection, "facts", FACTS, begin, advance)
        manifest.log = _write(connection, "log", LOG, begin, advance)
        # If we die before this, the folder has no manifest: it is no export, and none is written into it again.
        put_in_place(folder / "manifest.json", json.dumps(manifest.document(), indent=2) + "\n")
    return manifest


def _extent_of(connection: Connection[Any]) -> Extent:
    (row,) = connection.execute(_QUERIES["extent"]).fetchall()
    return Extent(*row)


def _take(folder: Path) -> None:
    """Make the folder ours, alone. What customers' files say will lie there in the clear: only its owner may look."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FolderTaken(folder)
    try:
        (folder / "facts").mkdir(mode=0o700)
    except FileExistsError:
        raise FolderTaken(folder) from None
    (folder / "log").mkdir(mode=0o700)


@contextmanager
def _removed_unless_done(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for made in ("facts", "log"):
            rmtree(folder / made, ignore_errors=True)
        (folder / "manifest.json.unfinished").unlink(missing_ok=True)
        raise


def _write(
    connection: Connection[Any],
    table: str,
    schema: pa.Schema,
    begin: Callable[[pa.Schema, str], PartWriter],
    advance: Callable[[int], None],
) -> list[Part]:
    parts: list[Part] = []
    # Closed, not collected some time later: the connection is of no use while rows are still being sent.
    with closing(_blocks(connection, table)) as blocks:
        for group, rows in groupby(_read(blocks, schema), key=itemgetter(0)):
            below = f"{table}/{_GROUP}={quote(group, safe='')}" if group else table
            with begin(schema, below) as writer:
                for _, some in rows:
                    writer.write(some)
                    advance(some.num_rows)
            parts += writer.parts
    return parts


def _read(blocks: Iterable[bytes], schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """Rows of one group after the other, some at a time, each with the group they are of."""
    names = [_GROUP, *schema.names]
    types = {_GROUP: pa.string(), **{field.name: _as_sent(field.type) for field in schema}}
    conversion = csv.ConvertOptions(
        column_types=types,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    for block in blocks:
        table = csv.read_csv(
            pa.py_buffer(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            csv.ParseOptions(newlines_in_values=True),
            conversion,
        )
        rows = table.drop_columns([_GROUP]).cast(schema)
        for group, start, end in _runs(table.column(_GROUP)):
            yield group, rows.slice(start, end - start)


def _blocks(connection: Connection[Any], query: str) -> Generator[bytes]:
    """What the server sends, whole rows, some megabytes at a time."""
    with connection.cursor() as cursor, cursor.copy(_QUERIES[query]) as copy:
        rows: list[bytes] = []
        size = 0
        for row in copy:
            rows.append(bytes(row))
            size += len(row)
            if size >= _BLOCK_BYTES:
                yield b"".join(rows)
                rows, size = [], 0
        if rows:
            yield b"".join(rows)


def _runs(groups: pa.ChunkedArray) -> Iterator[tuple[str, int, int]]:
    """Where each group begins and ends; their rows follow one another."""
    start = 0
    for chunk in compute.run_end_encode(groups).chunks:
        first = start
        for end, group in zip(chunk.run_ends.to_pylist(), chunk.values.to_pylist(), strict=True):
            yield group, start, first + end
            start = first + end


def _as_sent(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if kind == _INSTANT else kind


def _rows(parts: list[Part]) -> int:
    return sum(part.rows for part in parts)
