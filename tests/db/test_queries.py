"""Named statements: what a file may look like, and what is refused when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from db.errors import MalformedQueryFile, UnknownQuery
from db.queries import Queries, load

GOOD = """\
-- Statements about nothing in particular.

-- name: first_one
-- Says what it is for.
SELECT %(value)s
  -- not from anywhere
  FROM somewhere;

-- name: second_one
-- Takes two lines to say
-- what it is for.
SELECT 2;
"""


def load_text(folder: Path, text: str) -> Queries:
    (folder / "some.sql").write_text(text, encoding="utf-8")
    return load(folder, "some.sql")


def test_statements_are_found_by_name_without_what_only_readers_need(tmp_path: Path) -> None:
    queries = load_text(tmp_path, GOOD)
    assert dict(queries) == {"first_one": "SELECT %(value)s\nFROM somewhere", "second_one": "SELECT 2"}
    assert len(queries) == 2
    assert "first_one" in queries
    assert "third_one" not in queries


def test_a_package_is_an_anchor_too() -> None:
    assert "read_applied" in load("db", "migrate.sql")


def test_an_unknown_name_is_named(tmp_path: Path) -> None:
    queries = load_text(tmp_path, GOOD)
    with pytest.raises(UnknownQuery, match=r"some\.sql has no statement named 'third_one'"):
        queries["third_one"]
    assert queries.get("third_one") is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "no named statement"),
        ("SELECT 1;\n", 1, "a statement without a name"),
        ("-- name: One\n-- A sentence.\nSELECT 1;\n", 1, "is no name"),
        ("-- name:\n-- A sentence.\nSELECT 1;\n", 1, "is no name"),
        ("-- name: one\nSELECT 1;\n", 1, "needs a sentence"),
        ("-- name: one\n-- no full stop\nSELECT 1;\n", 1, "needs a sentence"),
        ("-- name: one\n-- A sentence.\n\n-- name: two\n-- A sentence.\nSELECT 1;\n", 1, "needs a statement"),
        ("-- name: one\n-- A sentence.\nSELECT 1\n", 1, "semicolon"),
        ("-- name: one\n-- A sentence.\n;\n", 1, "needs a statement"),
        (GOOD + "-- name: first_one\n-- A sentence.\nSELECT 3;\n", 13, "a second statement is named 'first_one'"),
    ],
)
def test_a_file_that_breaks_the_format_is_refused(tmp_path: Path, text: str, line: int, reason: str) -> None:
    with pytest.raises(MalformedQueryFile, match=reason) as caught:
        load_text(tmp_path, text)
    assert caught.value.line == line


@pytest.mark.parametrize(("file", "name"), [("past", "files_at"), ("blame", "blame"), ("events", "whole_pages")])
def test_a_statement_that_many_wait_for_is_not_read_anew_each_time(file: str, name: str) -> None:
    assert len(load("projections", f"{file}.sql")[name].encode()) <= MAX_CACHED_STATEMENT_LENGTH
