"""Clients in great number: raw HTTP/1.1 connections, so that nothing is tried again behind a test's back.

A `Connection` says exactly what it is told to. `press` lets many clients write and read at once and tells everything
that was answered; a client that is told to come back (503) does, with the same key.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

PROBLEM = "application/problem+json"
_CONNECT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def slug(self) -> str:
        """What kind of problem it is."""
        assert self.headers["content-type"] == PROBLEM, self
        problem = self.json()
        assert problem["status"] == self.status
        return str(problem["type"].removeprefix("urn:dossier:problem:"))

    def assert_overloaded(self) -> None:
        assert (self.status, self.slug) == (503, "overloaded"), self
        assert int(self.headers["retry-after"]) >= 1


@dataclass(frozen=True, slots=True)
class Target:
    """A service and the actor to be there."""

    url: str
    token: str = field(repr=False)

    @asynccontextmanager
    async def connection(self, *, receive_buffer: int | None = None) -> AsyncIterator[Connection]:
        """Lend one connection; `receive_buffer` in bytes is as much as the kernel takes for us before we read."""
        connection = await Connection.open(self, receive_buffer)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def connections(self, number: int, *, receive_buffer: int | None = None) -> AsyncIterator[list[Connection]]:
        """Lend many."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(self.connection(receive_buffer=receive_buffer)) for _ in range(number)
            ]

    async def get(self, path: str) -> Answer:
        """Ask once, over a connection of its own."""
        async with self.connection() as connection:
            return await connection.request("GET", path)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Send once, over a connection of its own, as importers do: at any version, with a fresh key unless given."""
        async with self.connection() as connection:
            return await connection.post(path, body, **headers)


class Connection:
    """One TCP connection. Raises OSError or IncompleteReadError when the service ends it before an answer is whole."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, target: Target, receive_buffer: int | None = None) -> Connection:
        address = urlsplit(target.url)
        kernel = await _connected(str(address.hostname), int(address.port or 80), receive_buffer)
        limit = receive_buffer or 2**16
        return cls(target, *await asyncio.open_connection(sock=kernel, limit=limit))

    async def close(self) -> None:
        """At once, whatever was not sent yet."""
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """The head of a request. Headers by name in snake case."""
        stated = {"host": "service", "authorization": f"Bearer {self._target.token}", **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in stated.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    async def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        length = {"content_length": str(len(body))} if body else {}
        await self.send(self.head(method, path, **length, **headers) + body)
        return await self.answer()

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST JSON as importers do: at any version, with a fresh key unless one is given."""
        usual = {"idempotency_key": str(uuid4()), "if_match": "*"}
        return await self.request("POST", path, orjson.dumps(body), **{**usual, **headers})

    async def answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(status.split(" ")[1]), headers, body)

    async def is_ended(self) -> bool:
        """Wait until the service has ended the connection; False when it says something instead."""
        try:
            return await self._reader.read(1) == b""
        except ConnectionError:
            return True


# --- pressing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """An acknowledged write."""

    customer_id: str
    version: int
    key: str


@dataclass(slots=True)
class Pressed:
    """What came of it. `failures` are connections that broke; there must be none."""

    seconds: float = 0.0
    written: list[Written] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests that were served, not those that were told to come back."""
        return len(self.latencies) / self.seconds

    def latency(self, share: float) -> float:
        """The latency in seconds that this share of the served requests stayed below."""
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


async def press(target: Target, customers: Sequence[str], *, connections: int, seconds: float) -> Pressed:
    """Let that many clients write to and read of these customers for a while, each waiting for its answers.

    Every problem but `overloaded` is an error of the service, and raised.
    """
    pressed = Pressed()
    started = time.monotonic()
    async with asyncio.TaskGroup() as clients:
        for number in range(connections):
            customer_id = customers[number % len(customers)]
            clients.create_task(_client(target, customer_id, number, started + seconds, pressed))
    pressed.seconds = time.monotonic() - started
    return pressed


async def _client(target: Target, customer_id: str, number: int, until: float, pressed: Pressed) -> None:
    path = f"/v1/customers/{customer_id}"
    try:
        async with target.connection() as connection:
            for turn in count(1):
                if time.monotonic() > until:
                    return
                key, body = str(uuid4()), {"key": f"k{number}", "value": turn}
                write = partial(connection.post, f"{path}/attributes", body, idempotency_key=key)
                recorded = await _insist(write, pressed)
                pressed.written.append(Written(customer_id, recorded.json()["version"], key))
                await _insist(partial(connection.request, "GET", path), pressed)
    except (OSError, asyncio.IncompleteReadError) as error:
        pressed.failures[type(error).__name__] += 1


async def _insist(ask: Callable[[], Awaitable[Answer]], pressed: Pressed) -> Answer:
    """Come back as often as told to, always with the same request."""
    while True:
        started = time.monotonic()
        answer = await ask()
        pressed.statuses[answer.status] += 1
        if answer.status < 300:
            pressed.latencies.append(time.monotonic() - started)
            return answer
        answer.assert_overloaded()
        await asyncio.sleep(random.uniform(0.5, 1.5) * int(answer.headers["retry-after"]))  # noqa: S311 - no secret


async def _connected(host: str, port: int, receive_buffer: int | None) -> socket.socket:
    kernel = socket.socket()
    kernel.setblocking(False)
    if receive_buffer is not None:
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    async with asyncio.timeout(_CONNECT_SECONDS):
        await asyncio.get_running_loop().sock_connect(kernel, (host, port))
    return kernel
