"""A table as a Parquet file, whose columns have the type of their values.

Import it only where such a file is wanted: pyarrow costs tenths of a second and some fifty megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, Final
from uuid import UUID

import orjson
import pyarrow as pa
from pyarrow import parquet

from api.content_hash import ContentHash
from api.encoding import to_json
from api.table_files import temporary_file

_GROUP_BYTES: Final = 4 * 1024 * 1024
"""So much of the rows' JSON becomes one row group of the file."""
_EXACT_IN_FLOAT: Final = 2**53
_INT64: Final = range(-(2**63), 2**63)
_TEXTS: Final = {str, UUID, datetime, type(None)}
"""What is text in JSON, or null."""


class ParquetFile:
    """Parquet whose columns have the type of their values, and JSON text where these are mixed or nested.

    The type is known when the last row is: until then the rows wait as lines of JSON in another temporary file.
    """

    def __init__(self, columns: Sequence[str], basis: Mapping[str, Any]) -> None:
        self.hash = ContentHash(columns)
        self._basis = basis
        self._kinds = {column: _Kinds() for column in columns}
        self._lines = temporary_file()
        self._file = temporary_file()

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        self._lines.write(self.hash.take(rows))
        for kinds, values in zip(self._kinds.values(), zip(*rows, strict=True), strict=False):
            kinds.take(values)

    def finish(self) -> IO[bytes]:
        schema = self._schema()
        with parquet.ParquetWriter(self._file, schema, compression="zstd") as writer:
            for rows in self._groups():
                writer.write_table(_arrow_table(schema, rows))
        self._lines.close()
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        self._lines.close()
        self._file.close()

    def _groups(self) -> Iterator[list[dict[str, Any]]]:
        self._lines.seek(0)
        while lines := self._lines.readlines(_GROUP_BYTES):
            yield [orjson.loads(line) for line in lines]

    def _schema(self) -> pa.Schema:
        fields = [
            pa.field(column, pa.type_for_alias(kinds.type), metadata=kinds.metadata)
            for column, kinds in self._kinds.items()
        ]
        stated = {f"dossier:{name}": to_json(value) for name, value in {**self._basis, **self.hash.summary()}.items()}
        return pa.schema(fields, metadata=stated)


def _arrow_table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.metadata:
            values = [None if value is None else to_json(value).decode() for value in values]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)


class _Kinds:
    """What kinds of values a column has had, and which type holds all of them."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._most = 0
        """The greatest magnitude of a whole number, as far as it matters."""
        self._is_in_range = True

    def take(self, values: Sequence[Any]) -> None:
        self._kinds.update(map(type, values))
        if int in self._kinds:
            numbers = [value for value in values if type(value) is int]
            self._most = max(self._most, *map(abs, numbers), 0)
            self._is_in_range = self._is_in_range and all(number in _INT64 for number in numbers)

    @property
    def type(self) -> str:
        match sorted(kind.__name__ for kind in self._kinds - {type(None)}):
            case ["bool"]:
                return "bool"
            case ["int"] if self._is_in_range:
                return "int64"
            case ["float"]:
                return "float64"
            case ["float", "int"] if self._most <= _EXACT_IN_FLOAT:
                return "float64"
            case _:
                return "string"

    @property
    def metadata(self) -> dict[str, str] | None:
        """Says that the column holds JSON text, which a column of text alone does not."""
        is_json = self.type == "string" and not self._kinds <= _TEXTS
        return {"dossier:content": "application/json"} if is_json else None
