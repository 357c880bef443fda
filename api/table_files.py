"""A table as a whole file: written row by row into a temporary file, then given away. CSV here, Parquet beside it.

What must stay true: memory is bounded however many rows there are; every method blocks, so it is called in a thread;
a file that was not finished is closed, and with that gone. CSV that a spreadsheet opens must not act: text that it
could take for a formula gets an apostrophe in front (see GUARDED), and whoever takes one leading apostrophe away again
from every field that has one has the text as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Protocol

import orjson

from api.content_hash import ContentHash
from api.encoding import to_json

_IN_MEMORY_BYTES: Final = 1024 * 1024
GUARDED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")  # noqa: RUF001 - meant as they are
"""Text that begins with one of these gets an apostrophe. East Asian spreadsheets take the full-width ones, too."""


class TableFile(Protocol):
    """A file in the making. `hash` is of the rows taken."""

    hash: ContentHash

    def take(self, rows: Sequence[Sequence[Any]]) -> None: ...

    def finish(self) -> IO[bytes]:
        """The whole file, at its beginning; who has it closes it."""

    def close(self) -> None:
        """Give up."""


def temporary_file() -> IO[bytes]:
    return SpooledTemporaryFile(_IN_MEMORY_BYTES)


class CsvFile:
    """RFC 4180 in UTF-8 with a header. Null is empty, the empty text is quoted, what is nested is JSON."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.hash = ContentHash(columns)
        self._null = '""' if len(columns) == 1 else ""  # an empty line would be no row
        self._file = temporary_file()
        self._file.write((",".join(map(_text_field, columns)) + "\r\n").encode())

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        self.hash.take(rows)
        self._file.write("".join(",".join(map(self._field, row)) + "\r\n" for row in rows).encode())

    def finish(self) -> IO[bytes]:
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        self._file.close()

    def _field(self, value: Any) -> str:
        if value is None:
            return self._null
        if isinstance(value, str):
            return _text_field(value)
        text = to_json(value).decode()
        return _text_field(orjson.loads(text)) if text[0] == '"' else _quoted(text)


def _text_field(text: str) -> str:
    return _quoted("'" + text if text.startswith(GUARDED) else text)


def _quoted(text: str) -> str:
    needs_quotes = not text or any(character in text for character in ',"\r\n') or text[0] == " " or text[-1] == " "
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text
