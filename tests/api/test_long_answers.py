"""An answer that takes long to read: whoever reads on gets all of it, whoever does not is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import Receive, Scope, Send

from api.protocol import Limits, Load, bounded, cut_overdue

_ANSWER_SECONDS = 2.0
_PIECE = b"x" * 65536
_PIECES = 256
_LIMITS = Limits(
    connections=8,
    answer_bytes=2**30,
    head_seconds=60,
    body_seconds=60,
    answer_seconds=_ANSWER_SECONDS,
    idle_seconds=60,
)


async def long_answer(scope: Scope, _receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    length = str(len(_PIECE) * _PIECES).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number in range(_PIECES):
        await send({"type": "http.response.body", "body": _PIECE, "more_body": number + 1 < _PIECES})


@asynccontextmanager
async def serving() -> AsyncIterator[uvicorn.Server]:
    """A server whose overdue connections are looked for all the time."""
    server = uvicorn.Server(
        uvicorn.Config(long_answer, port=0, http=bounded(_LIMITS, Load()), lifespan="off", log_config=None, ws="none")
    )
    serve = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event for that
        await asyncio.sleep(0.01)
    watch = asyncio.create_task(_watch(server))
    try:
        yield server
    finally:
        watch.cancel()
        server.should_exit = True
        await serve


async def _watch(server: uvicorn.Server) -> None:
    while True:
        await asyncio.sleep(_ANSWER_SECONDS / 8)
        cut_overdue(server.server_state.connections)


@asynccontextmanager
async def asking(server: uvicorn.Server) -> AsyncIterator[asyncio.StreamReader]:
    """What comes after the head of the answer."""
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=len(_PIECE))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader, pause: float) -> int:
    """How many bytes come to who rests between one piece and the next."""
    got = 0
    with suppress(ConnectionError):
        while got < len(_PIECE) * _PIECES and (part := await reader.read(len(_PIECE))):
            got += len(part)
            await asyncio.sleep(pause)
    return got


async def read_on() -> int:
    async with serving() as server, asking(server) as reader:
        return await read(reader, 0.03)


async def stop_until_it_is_cut() -> int:
    async with serving() as server, asking(server) as reader:
        while server.server_state.connections:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.05)
        return await read(reader, 0)


def test_who_reads_on_gets_all_however_long_it_takes() -> None:
    assert asyncio.run(read_on()) == len(_PIECE) * _PIECES


def test_who_stops_reading_is_cut_off() -> None:
    assert asyncio.run(stop_until_it_is_cut()) < len(_PIECE) * _PIECES
