"""What one request or connection may be: beyond it there is an answer that says so, and no reset."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import orjson
import pytest

from api.protocol import MOST_AHEAD
from api.refusals import LONGEST_HEAD_BYTES, LONGEST_URL_BYTES, MOST_HEADERS
from tests.overload.load import Answer, Connection, Target
from tests.scenarios.client import File

_ATTRIBUTE = b'{"key":"k","value":1}'
_ENDLESS_BYTES = 4 * 1024 * 1024


def _run(target: Target, scenario: Callable[[Connection], Awaitable[None]]) -> None:
    async def on_a_connection() -> None:
        async with target.connection() as connection:
            await scenario(connection)

    asyncio.run(on_a_connection())


def _assert_refused(answer: Answer, status: int, slug: str) -> None:
    assert (answer.status, answer.slug, answer.headers["connection"]) == (status, slug, "close")


# --- the head -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "status", "slug"),
    [
        (b"GARBAGE\r\n\r\n", 400, "malformed-request"),
        (b"GET relative HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed-request"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400, "malformed-request"),
        (b"GET /" + b"x" * LONGEST_URL_BYTES + b" HTTP/1.1\r\n\r\n", 414, "url-too-long"),
        (b"GET /" + b"x" * _ENDLESS_BYTES, 414, "url-too-long"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MOST_HEADERS + 1) + b"\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * LONGEST_HEAD_BYTES + b"\r\n\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * _ENDLESS_BYTES, 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"X" * _ENDLESS_BYTES, 431, "head-too-large"),
        (b"\r\n" * _ENDLESS_BYTES, 431, "head-too-large"),
    ],
    ids=[
        "no HTTP",
        "no path",
        "HTTP 2",
        "two lengths",
        "long URL",
        "endless URL",
        "many headers",
        "long header",
        "endless header",
        "endless header name",
        "endless nothing",
    ],
)
def test_a_head_that_is_not_taken_is_refused_with_a_problem(
    target: Target, head: bytes, status: int, slug: str
) -> None:
    async def scenario(connection: Connection) -> None:
        connection.writer.write(head)  # not drained: all of an endless one is never taken
        _assert_refused(await connection.answer(), status, slug)
        assert await connection.is_ended()

    _run(target, scenario)


def test_a_head_within_the_limits_is_taken(target: Target) -> None:
    async def scenario(connection: Connection) -> None:
        headers = {f"x_{number}": "y" * 250 for number in range(MOST_HEADERS - 2)}
        unknown = "x" * (LONGEST_URL_BYTES - len("/v1/?"))
        assert (await connection.request("GET", f"/v1/?{unknown}")).status == 404
        await connection.send(connection.head("GET", "/healthz", **headers))
        assert (await connection.answer()).status == 200

    _run(target, scenario)


def test_what_comes_before_a_malformed_request_is_answered_first(target: Target, file: File) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.send(connection.head("GET", file.path) * 3 + b"GARBAGE\r\n\r\n")
        assert [(await connection.answer()).status for _ in range(3)] == [200, 200, 200]
        _assert_refused(await connection.answer(), 400, "malformed-request")
        assert await connection.is_ended()

    _run(target, scenario)


# --- requests ahead of their answers --------------------------------------------------------------------------------


def test_requests_sent_ahead_are_answered_in_order(target: Target, file: File) -> None:
    async def scenario(connection: Connection) -> None:
        paths = [file.path, "/healthz", f"{file.path}/history", "/nowhere"] * (MOST_AHEAD // 4)
        await connection.send(b"".join(connection.head("GET", path) for path in paths))
        assert [(await connection.answer()).status for _ in paths] == [200, 200, 200, 404] * (MOST_AHEAD // 4)

    _run(target, scenario)


def test_requests_sent_too_far_ahead_are_refused_after_those_before(target: Target) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.send(connection.head("GET", "/healthz") * 5000)
        answers = [await connection.answer()]
        while answers[-1].status == 200:
            answers.append(await connection.answer())
        assert len(answers) > MOST_AHEAD + 1
        answers[-1].assert_overloaded()
        assert await connection.is_ended()

    _run(target, scenario)


# --- the body -------------------------------------------------------------------------------------------------------


def _write_head(connection: Connection, file: File, **headers: str) -> bytes:
    return connection.head("POST", f"{file.path}/attributes", idempotency_key="k" + file.path, if_match="*", **headers)


def test_a_body_is_asked_for_by_who_waits_to_be_asked(target: Target, file: File) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.send(_write_head(connection, file, expect="100-continue", content_length=str(len(_ATTRIBUTE))))
        assert (await connection.answer()).status == 100
        await connection.send(_ATTRIBUTE)
        assert (await connection.answer()).status == 200
        assert (await connection.request("GET", file.path)).json()["attributes"] == {"k": 1}

    _run(target, scenario)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content_length": str(2 * 1024 * 1024)}, 413), ({"content_length": "9", "authorization": "Bearer x"}, 401)],
)
def test_a_body_that_is_not_wanted_is_not_asked_for(
    target: Target, file: File, headers: dict[str, str], status: int
) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.send(_write_head(connection, file, expect="100-continue", **headers))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await connection.is_ended()

    _run(target, scenario)


def test_a_compressed_body_is_refused(target: Target, file: File) -> None:
    async def scenario(connection: Connection) -> None:
        body = gzip.compress(_ATTRIBUTE)
        head = _write_head(connection, file, content_encoding="gzip", content_length=str(len(body)))
        await connection.send(head + body)
        answer = await connection.answer()
        assert (answer.status, answer.slug) == (415, "content-encoding-unsupported")
        head = _write_head(connection, file, content_encoding="identity", content_length=str(len(_ATTRIBUTE)))
        await connection.send(head + _ATTRIBUTE)
        assert (await connection.answer()).status == 200

    _run(target, scenario)


def _chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def test_a_body_in_chunks_is_taken_and_its_trailers_are_not(target: Target, file: File) -> None:
    async def scenario(connection: Connection) -> None:
        chunks = _chunked(_ATTRIBUTE[:5], _ATTRIBUTE[5:]).removesuffix(b"\r\n") + b"If-Match: nothing\r\n\r\n"
        await connection.send(_write_head(connection, file, transfer_encoding="chunked") + chunks)
        assert (await connection.answer()).status == 200
        assert (await connection.request("GET", "/healthz")).status == 200

    _run(target, scenario)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"5\r\nabcdeZZZ\r\n", 400, "malformed-request"),
        (b"1;" + b"x" * _ENDLESS_BYTES, 431, "head-too-large"),
        (_chunked(b"{}").removesuffix(b"\r\n") + b"X: " + b"y" * _ENDLESS_BYTES, 431, "head-too-large"),
        (_chunked(b"{}").removesuffix(b"\r\n") + b"X: y\r\n" * (_ENDLESS_BYTES // 6), 431, "head-too-large"),
    ],
    ids=["no chunk", "endless extension", "endless trailer", "endless trailers"],
)
def test_a_body_that_breaks_its_form_is_the_end_of_the_connection(
    target: Target, file: File, body: bytes, status: int, slug: str
) -> None:
    async def scenario(connection: Connection) -> None:
        connection.writer.write(_write_head(connection, file, transfer_encoding="chunked") + body)
        _assert_refused(await connection.answer(), status, slug)
        assert await connection.is_ended()

    _run(target, scenario)
    assert "attributes" not in file.profile()


def test_a_client_that_goes_away_while_it_sends_is_forgotten(target: Target, file: File) -> None:
    async def leave(connection: Connection) -> None:
        await connection.send(_write_head(connection, file, content_length="1000") + b"{")

    for _ in range(3):
        _run(target, leave)
    assert "attributes" not in file.profile()  # and the service complains of nothing: see the fixture
    assert asyncio.run(target.post(f"{file.path}/attributes", orjson.loads(_ATTRIBUTE))).status == 200
