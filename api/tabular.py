"""Answers of many rows: which format is wanted, and the rows in it, in bounded memory however many they are.

What must stay true: nobody takes half a table for the whole. NDJSON is sent as the rows come, and ends with a line that
says how many there were and their hash: without it the stream was cut. CSV and Parquet are whole in a temporary file
before the first byte is sent, and say the same in headers. Whoever asked and has gone away is noticed after a batch at
the latest; the rows' iterator is closed in every case, and with it gives back what it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.answers import JSON, PRIVATE
from api.content_hash import ContentHash
from api.encoding import to_json
from api.errors import Problem
from api.files import FileAnswer, on_disk, send_more
from api.table_files import CsvFile, TableFile
from domain.errors import FieldError

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
_OR_LINES: Final = f"come back later, or take {NDJSON}, which needs none"
OFFERED: Final = (JSON, NDJSON, CSV, PARQUET)
"""What there is, the first being preferred among those that are equally welcome."""

_QUALITY: Final = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)
_GUARD_HEADERS: Final = {"Dossier-CSV-Guard": "text that begins with = + - @ ' or a control character has a ' in front"}


class Table(NamedTuple):
    """Rows of JSON values in the order of `columns`, some hundreds or thousands at a time.

    `told` is called with what was made of the rows: of a whole file before it is sent, of NDJSON when it ends, be it
    that it was cut off.
    """

    columns: Sequence[str]
    batches: AsyncIterator[Sequence[Sequence[Any]]]
    told: Callable[[ContentHash], Awaitable[None]]


def wanted_media_type(request: Request) -> str:
    """The one of OFFERED that the caller likes best. Raises Problem 406 when it takes none."""
    accepted = ",".join(request.headers.getlist("accept"))
    if not accepted.strip():
        return JSON
    welcome = _welcome(accepted)
    best = max(OFFERED, key=lambda offered: _quality(offered, welcome))
    if _quality(best, welcome) == 0:
        raise Problem(
            "not-acceptable",
            HTTPStatus.NOT_ACCEPTABLE,
            "No such format",
            f"there is {', '.join(OFFERED)}",
            FieldError("Accept", "name one of these, or leave it out"),
            available=list(OFFERED),
        )
    return best


def _welcome(accepted: str) -> dict[str, float]:
    """How welcome each range of media types is; one that is malformed is none."""
    welcome: dict[str, float] = {}
    for stated in accepted.split(","):
        media_range, *parameters = stated.split(";")
        qualities = [text for text in parameters if text.strip().lower().startswith("q")]
        matches = [_QUALITY.fullmatch(text) for text in qualities[:1]]
        if all(matches):
            welcome[media_range.strip().lower()] = float(matches[0][1]) if matches and matches[0] else 1.0
    return welcome


def _quality(offered: str, welcome: Mapping[str, float]) -> float:
    ranges = (offered, offered.partition("/")[0] + "/*", "*/*")
    return next((welcome[media_range] for media_range in ranges if media_range in welcome), 0.0)


async def table_response(request: Request, media_type: str, table: Table, basis: Mapping[str, Any]) -> Response:
    """The answer in NDJSON, CSV or PARQUET; `basis` says what the rows are as of.

    Errors that the first batch raises are raised here; a later one cuts NDJSON off. The rows' iterator is closed in
    the end. Raises Problem 503 when there is no room for a temporary file, ClientDisconnect.
    """
    match media_type:
        case "application/x-ndjson":
            return await _streamed(request, table, basis)
        case "text/csv":
            headers = {"Content-Type": f"{CSV}; charset=utf-8; header=present", **_GUARD_HEADERS}
            return await _whole(request, table, basis, partial(CsvFile, table.columns), headers)
        case "application/vnd.apache.parquet":
            headers = {"Content-Type": PARQUET}
            return await _whole(request, table, basis, partial(_parquet_file, table.columns, basis), headers)
        case _:
            raise ValueError(f"no table is sent as {media_type}")


@asynccontextmanager
async def _closing(batches: AsyncIterator[Any]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()


# --- sent as they come ------------------------------------------------------------------------------------------------


async def _streamed(request: Request, table: Table, basis: Mapping[str, Any]) -> Response:
    return _Stream(request, table, basis, await _next(table.batches) or ())


async def _next(batches: AsyncIterator[Sequence[Sequence[Any]]]) -> Sequence[Sequence[Any]] | None:
    """None after the last one."""
    try:
        return await anext(batches)
    except StopAsyncIteration:
        return None


class _Stream(Response):
    """Lines of JSON as the rows come, the first of which are there."""

    def __init__(
        self, request: Request, table: Table, basis: Mapping[str, Any], first: Sequence[Sequence[Any]]
    ) -> None:
        super().__init__(None, HTTPStatus.OK, PRIVATE, NDJSON)
        del self.headers["content-length"]
        self._request = request
        self._table = table
        self._basis = basis
        self._first = first

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        content = ContentHash(self._table.columns)
        try:
            is_whole = await self._send_rows(content, send)
        finally:
            await self._table.told(content)
        if is_whole:
            last = to_json({"summary": {**self._basis, **content.summary()}}) + b"\n"
            await send({"type": "http.response.body", "body": last})

    async def _send_rows(self, content: ContentHash, send: Send) -> bool:
        """Whether all of them went to a client that is still there."""
        async with _closing(self._table.batches):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send_more(send, content.take(self._first))
            self._first = ()
            while not await self._request.is_disconnected():
                rows = await _next(self._table.batches)
                if rows is None:
                    return True
                await send_more(send, content.take(rows))
        return False


# --- sent whole -------------------------------------------------------------------------------------------------------


async def _whole(
    request: Request,
    table: Table,
    basis: Mapping[str, Any],
    begin: Callable[[], TableFile],
    headers: Mapping[str, str],
) -> Response:
    async with _closing(table.batches):
        making = await on_disk(begin, instead=_OR_LINES)
        try:
            async for rows in table.batches:
                await on_disk(making.take, rows, instead=_OR_LINES)
                await _require_connected(request)
            file = await on_disk(making.finish, instead=_OR_LINES)
            await table.told(making.hash)
        except BaseException:
            making.close()
            raise
    stated = {
        "Dossier-Row-Count": str(making.hash.row_count),
        "Dossier-Content-SHA256": making.hash.content_sha256,
        "Dossier-Basis": json.dumps(orjson.loads(to_json(basis))),
    }
    return FileAnswer(request, file, {**PRIVATE, **headers, **stated})


async def _require_connected(request: Request) -> None:
    if await request.is_disconnected():
        raise ClientDisconnect


def _parquet_file(columns: Sequence[str], basis: Mapping[str, Any]) -> TableFile:
    from api.parquet_file import ParquetFile  # noqa: PLC0415 - only who asks for Parquet pays for its library

    return ParquetFile(columns, basis)
