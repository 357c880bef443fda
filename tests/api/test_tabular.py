"""Answers of many rows: which format is chosen, what each holds, and that no half of one passes for the whole."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import OperationalError
from pyarrow import parquet
from starlette.types import Message

from api import errors
from api.answers import JSON
from api.content_hash import ContentHash
from api.table_files import GUARDED
from api.tabular import CSV, NDJSON, PARQUET, Table, table_response, wanted_media_type

BASIS = {"position": 7, "valid_at": "2026-03-01T00:00:00.000000Z", "note": "中"}
COLUMNS = ("customer_id", "/tier/VALUE", "count")
ROWS: list[list[Any]] = [
    ["0192d3a0-0000-7000-8000-000000000001", "HIGH_VALUE", 1],
    ["0192d3a0-0000-7000-8000-000000000002", None, 2],
    ["0192d3a0-0000-7000-8000-000000000003", '华东, "east"\r\n', 3],
]


class Rows:
    """What the rows come from: it knows whether it was closed, after how many batches, and what was told of them."""

    def __init__(self, batches: Sequence[Sequence[Sequence[Any]]], error: Exception | None = None) -> None:
        self._batches = batches
        self._error = error
        self.given = 0
        self.is_closed = False
        self.told: list[int] = []

    async def all(self) -> AsyncIterator[Sequence[Sequence[Any]]]:
        try:
            for batch in self._batches:
                self.given += 1
                yield batch
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True

    async def tell(self, content: ContentHash) -> None:
        self.told.append(content.row_count)


class Answer:
    """An answer as ASGI messages; `body` as far as it was sent."""

    def __init__(self, messages: list[Message]) -> None:
        start, *parts = messages
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(part.get("body", b"") for part in parts)
        self.is_complete = bool(parts) and not parts[-1].get("more_body", False)

    def json(self) -> Any:
        return orjson.loads(self.body)

    def lines(self) -> list[Any]:
        return [orjson.loads(line) for line in self.body.splitlines()]


def ask(
    rows: Rows,
    accept: str | None = None,
    *,
    columns: Sequence[str] = COLUMNS,
    gone_after: int | None = None,
) -> Answer:
    """Ask an application whose one route answers with a table; the client goes after so many messages."""
    app = FastAPI()
    errors.install(app)

    @app.get("/table")
    async def table(request: Request) -> Response:
        media_type = wanted_media_type(request)
        return await table_response(request, media_type, Table(columns, rows.all(), rows.tell), BASIS)

    sent: list[Message] = []

    async def receive() -> Message:
        if gone_after is not None and len(sent) >= gone_after:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if accept is None else [(b"accept", accept.encode())]
    scope = {"type": "http", "method": "GET", "path": "/table", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return Answer(sent)


def request_with(*accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", text.encode()) for text in accept]})


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ((), JSON),
        (("",), JSON),
        (("*/*",), JSON),
        (("text/html, application/xhtml+xml, */*;q=0.8",), JSON),
        (("text/csv",), CSV),
        (("Text/CSV; charset=utf-8",), CSV),
        (("text/*",), CSV),
        (("application/*",), JSON),
        (("application/json;q=0.5, application/x-ndjson",), NDJSON),
        (("application/json ; Q=0.5", "application/vnd.apache.parquet;q=0.9"), PARQUET),
        (("*/*, application/json;q=0",), NDJSON),
        (("text/csv;q=2, application/x-ndjson;q=0.1",), NDJSON),
    ],
)
def test_the_format_that_is_most_welcome_is_chosen(accept: tuple[str, ...], wanted: str) -> None:
    assert wanted_media_type(request_with(*accept)) == wanted


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "nonsense", "text/csv;q=much", ";", "*/*;q=0"])
def test_where_no_format_is_welcome_the_problem_names_what_there_is(accept: str) -> None:
    rows = Rows([ROWS])
    answer = ask(rows, accept)
    problem = answer.json()
    assert (answer.status, problem["type"]) == (406, "urn:dossier:problem:not-acceptable")
    assert problem["available"] == [JSON, NDJSON, CSV, PARQUET]
    assert problem["errors"][0]["pointer"] == "Accept"
    assert all(offered in problem["detail"] for offered in problem["available"])


def test_lines_end_with_a_summary_whose_hash_is_that_of_the_lines_before() -> None:
    answer = ask(Rows([ROWS[:2], ROWS[2:]]), NDJSON)
    *lines, last = answer.body.splitlines(keepends=True)
    assert [orjson.loads(line) for line in lines] == [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    assert orjson.loads(last) == {
        "summary": {**BASIS, "row_count": 3, "content_sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    }
    assert (answer.status, answer.headers["content-type"]) == (200, NDJSON)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.is_complete


def test_every_format_states_the_same_count_and_hash() -> None:
    lines = ask(Rows([ROWS]), NDJSON).lines()
    for accept in (CSV, PARQUET):
        answer = ask(Rows([[row] for row in ROWS]), accept)
        assert answer.headers["dossier-row-count"] == "3"
        assert answer.headers["dossier-content-sha256"] == lines[-1]["summary"]["content_sha256"]
        assert orjson.loads(answer.headers["dossier-basis"]) == BASIS
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.is_complete


def test_csv_is_read_back_as_it_was() -> None:
    answer = ask(Rows([ROWS]), CSV)
    header, *rows = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    assert tuple(header) == COLUMNS
    assert rows == [["" if value is None else str(value) for value in row] for row in ROWS]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"


def test_csv_tells_null_from_empty_and_writes_what_is_nested_as_json() -> None:
    row = [None, "", True, -1.5, {"b": [1, None], "a": "="}, UUID(int=1)]
    answer = ask(Rows([[row]]), CSV, columns=list("abcdef"))
    line = answer.body.decode().splitlines()[1]
    assert line == ',"",true,-1.5,"{""b"":[1,null],""a"":""=""}",00000000-0000-0000-0000-000000000001'
    assert ask(Rows([[[None]], [["x"]]]), CSV, columns=["a"]).body == b'a\r\n""\r\nx\r\n'


@given(text=st.one_of(st.text(), st.builds("".join, st.tuples(st.sampled_from(GUARDED), st.text()))))
@settings(max_examples=200, deadline=None)
def test_no_text_in_csv_is_a_formula_and_every_text_comes_back(text: str) -> None:
    answer = ask(Rows([[[text, 1]]]), CSV, columns=["=HYPERLINK()", "n"])
    header, row = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    assert header[0] == "'=HYPERLINK()"
    assert not row[0].startswith(tuple(set(GUARDED) - {"'"}))
    assert row[0].removeprefix("'") == text
    assert "'" in answer.headers["dossier-csv-guard"]


@pytest.mark.parametrize(
    ("values", "kind", "read_back"),
    [
        (["a", None], "string", ["a", None]),
        ([None, None], "string", [None, None]),
        ([True, None, False], "bool", [True, None, False]),
        ([1, None, -(2**63)], "int64", [1, None, -(2**63)]),
        ([1, 1.5], "double", [1.0, 1.5]),
        ([2**63], "string", ["9223372036854775808"]),
        ([2**53 + 1, 0.5], "string", ["9007199254740993", "0.5"]),
        ([1, "1", True, None], "string", ["1", '"1"', "true", None]),
        ([{"a": [1]}, [], "x"], "string", ['{"a":[1]}', "[]", '"x"']),
        ([UUID(int=1), "x"], "string", [str(UUID(int=1)), "x"]),
    ],
)
def test_a_parquet_column_has_the_type_of_its_values(values: list[Any], kind: str, read_back: list[Any]) -> None:
    answer = ask(Rows([[[value]] for value in values]), PARQUET, columns=["c"])
    table = parquet.read_table(io.BytesIO(answer.body))
    assert str(table.schema.field("c").type) == kind
    assert table.column("c").to_pylist() == read_back
    texts = all(value is None or isinstance(value, str | UUID) for value in values)
    is_json = kind == "string" and not texts
    assert (table.schema.field("c").metadata or {}).get(b"dossier:content") == (
        b"application/json" if is_json else None
    )


def test_a_parquet_file_says_what_it_is_as_of() -> None:
    answer = ask(Rows([ROWS]), PARQUET)
    stated = parquet.read_schema(io.BytesIO(answer.body)).metadata
    summary = ask(Rows([ROWS]), NDJSON).lines()[-1]["summary"]
    assert {name: orjson.loads(stated[f"dossier:{name}".encode()]) for name in summary} == summary


@pytest.mark.parametrize("accept", [NDJSON, CSV, PARQUET])
def test_no_rows_are_a_table_too(accept: str) -> None:
    rows = Rows([])
    answer = ask(rows, accept)
    assert (answer.status, answer.is_complete, rows.is_closed) == (200, True, True)
    if accept == NDJSON:
        assert answer.lines()[0]["summary"]["row_count"] == 0
    elif accept == CSV:
        assert answer.body == b"customer_id,/tier/VALUE,count\r\n"
    else:
        assert parquet.read_table(io.BytesIO(answer.body)).num_rows == 0


@pytest.mark.parametrize("accept", [NDJSON, CSV, PARQUET])
def test_an_error_before_the_first_row_is_a_problem(accept: str) -> None:
    rows = Rows([], OperationalError("gone"))
    answer = ask(rows, accept)
    assert (answer.status, answer.json()["type"]) == (503, "urn:dossier:problem:database-unavailable")
    assert rows.is_closed


@pytest.mark.parametrize("accept", [CSV, PARQUET])
def test_a_file_of_which_half_is_there_is_never_sent(accept: str) -> None:
    answer = ask(Rows([ROWS], OperationalError("gone")), accept)
    assert (answer.status, answer.json()["type"]) == (503, "urn:dossier:problem:database-unavailable")


def test_lines_that_are_cut_off_have_no_summary() -> None:
    rows = Rows([ROWS], OperationalError("gone"))
    with pytest.raises(RuntimeError, match="response already started"):
        ask(rows, NDJSON)
    assert rows.is_closed


@pytest.mark.parametrize("gone_after", [0, 1, 2, 5])
def test_lines_are_not_made_for_a_client_that_has_gone(gone_after: int) -> None:
    rows = Rows([ROWS] * 100)
    answer = ask(rows, NDJSON, gone_after=gone_after)
    assert rows.is_closed
    assert rows.given == max(gone_after - 1, 1)
    assert not answer.is_complete
    assert b"summary" not in answer.body
    assert rows.told == [len(ROWS) * rows.given]


@pytest.mark.parametrize("accept", [CSV, PARQUET, NDJSON])
def test_how_many_rows_there_were_is_told_once(accept: str) -> None:
    rows = Rows([ROWS, ROWS])
    ask(rows, accept)
    assert rows.told == [2 * len(ROWS)]


@pytest.mark.parametrize("accept", [CSV, PARQUET])
def test_nor_is_a_file(accept: str) -> None:
    rows = Rows([ROWS] * 100)
    answer = ask(rows, accept, gone_after=0)
    assert (rows.is_closed, rows.given, answer.status) == (True, 1, 400)
    assert rows.told == []


@pytest.mark.parametrize("accept", [CSV, PARQUET])
def test_a_file_is_sent_as_far_as_somebody_takes_it(accept: str) -> None:
    wide = [[hashlib.sha256(bytes([a, b])).hexdigest() * 16] for a in range(100) for b in range(100)]
    answer = ask(Rows([wide]), accept, columns=["c"], gone_after=2)
    assert len(answer.body) == 256 * 1024 < int(answer.headers["content-length"])
    assert not answer.is_complete


@pytest.mark.parametrize("accept", [CSV, PARQUET])
def test_where_there_is_no_room_for_a_file_the_problem_says_so(
    accept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    rows = Rows([[["x" * 100_000]] * 20] * 3)
    answer = ask(rows, accept, columns=["c"])
    problem = answer.json()
    assert (answer.status, problem["type"]) == (503, "urn:dossier:problem:no-room-for-answer")
    assert answer.headers["retry-after"] == "1"
    assert "nowhere" not in str(problem)
    assert rows.is_closed


def bytes_sent_and_held(accept: str, rows: int) -> tuple[int, int]:
    command = [sys.executable, "-m", "tests.api.many_rows", accept, str(rows)]
    sent, held = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(sent), int(held)


@pytest.mark.parametrize("accept", [NDJSON, CSV, PARQUET])
def test_ten_times_the_rows_need_no_more_memory(accept: str, record_property: Callable[[str, object], None]) -> None:
    few, many = bytes_sent_and_held(accept, 20_000), bytes_sent_and_held(accept, 200_000)
    assert many[0] > 8 * few[0]
    assert many[1] - few[1] < 16 * 1024 * 1024
    record_property("bytes held", many[1])


def test_who_wants_no_parquet_does_not_pay_for_its_library() -> None:
    program = "import sys, api.app; sys.exit(any(name.startswith('pyarrow') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
