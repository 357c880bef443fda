"""Named statements from .sql files.

Owns the format: a line `-- name: insert_events`, then a comment of at least one full sentence saying what the
statement is for, then one statement ending in a semicolon. What breaks it is refused when the file is loaded, so
a statement that can be looked up can be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from db.errors import MalformedQueryFile, UnknownQuery

_HEADER = re.compile(r"^--\s*name:\s*(?P<name>.*?)\s*$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Queries(Mapping[str, str]):
    """The statements of one file by name, ready for psycopg; looking up another name raises UnknownQuery."""

    def __init__(self, source: str, statements: Mapping[str, str]) -> None:
        self.source = source
        self._statements = dict(statements)

    def __getitem__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise UnknownQuery(self.source, name) from None

    def __contains__(self, name: object) -> bool:
        return name in self._statements

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def load(anchor: Path | str, filename: str) -> Queries:
    """Read a file of named statements.

    `anchor` is a folder, or the name of a package whose folder holds the file. Raises MalformedQueryFile.
    """
    folder = anchor if isinstance(anchor, Path) else resources.files(anchor)
    source = f"{anchor}/{filename}"
    text = folder.joinpath(filename).read_text(encoding="utf-8")
    return Queries(source, _parse(source, text))


def _parse(source: str, text: str) -> dict[str, str]:
    statements: dict[str, str] = {}
    for line_number, name, lines in _sections(source, text):
        if not _NAME.fullmatch(name):
            raise MalformedQueryFile(source, line_number, f"{name!r} is no name: lower case, digits, underscores")
        if name in statements:
            raise MalformedQueryFile(source, line_number, f"a second statement is named {name!r}")
        statements[name] = _statement(source, line_number, name, lines)
    if not statements:
        raise MalformedQueryFile(source, 1, "no named statement in the file")
    return statements


def _sections(source: str, text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line number of the header, name, lines below it); only comments may stand above the first header."""
    current: tuple[int, str, list[str]] | None = None
    for line_number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            if current:
                yield current
            current = (line_number, header["name"], [])
        elif current:
            current[2].append(line)
        elif line.strip() and not line.startswith("--"):
            raise MalformedQueryFile(source, line_number, "a statement without a name")
    if current:
        yield current


def _statement(source: str, line_number: int, name: str, lines: list[str]) -> str:
    comment_length = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    sentence = " ".join(line.removeprefix("--").strip() for line in lines[:comment_length])
    if not sentence.endswith("."):
        raise MalformedQueryFile(source, line_number, f"{name!r} needs a sentence saying what it is for")
    # without indentation and comments: psycopg keeps what it has made of short ones, and reads long ones every time
    kept = (line.strip() for line in lines[comment_length:] if not line.lstrip().startswith("--"))
    statement = "\n".join(kept).strip()
    if not statement.endswith(";") or statement == ";":
        raise MalformedQueryFile(source, line_number, f"{name!r} needs a statement that ends in a semicolon")
    return statement[:-1].rstrip()
