"""The network between service and database: a proxy that can cut its connections, hold them still, or be gone.

Runs an event loop in a thread of its own, so that it works for tests of any colour; every method may be called from
any thread and returns when it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_CHUNK_BYTES: Final = 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Leads from a port of this machine to the server of `conninfo`, a Unix socket or a port."""

    def __init__(self, conninfo: str) -> None:
        self._target = conninfo_to_dict(conninfo)
        self._conninfo = conninfo
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._flowing = asyncio.Event()
        self._changed = asyncio.Condition()
        self._transports: set[asyncio.WriteTransport] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @classmethod
    @contextmanager
    def start(cls, conninfo: str) -> Iterator[Proxy]:
        """Lend a proxy that lets everything through."""
        proxy = cls(conninfo)
        proxy._thread.start()
        proxy.resume()
        proxy.listen()
        try:
            yield proxy
        finally:
            proxy.be_gone()
            proxy._loop.call_soon_threadsafe(proxy._loop.stop)
            proxy._thread.join()
            proxy._loop.close()

    @property
    def conninfo(self) -> str:
        return make_conninfo(self._conninfo, host="127.0.0.1", port=self._port)

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._run(self._listen())

    def cut(self) -> None:
        """Reset every connection, to both sides; new ones are taken."""
        self._run(self._cut())

    def be_gone(self) -> None:
        """Reset every connection and refuse new ones."""
        self._run(self._be_gone())

    def stall(self) -> None:
        """Hold everything back: connections stand, new ones are taken, and no byte gets through."""
        self._run(self._stall())

    def resume(self) -> None:
        """Let flow what was held back."""
        self._run(self._resume())

    def _run(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        for transport in list(self._transports):
            connected: socket.socket = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()

    async def _be_gone(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        async with self._changed:
            await self._changed.wait_for(lambda: not self._transports)

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _resume(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._counted(writer):
            await self._flowing.wait()
            try:
                far_reader, far_writer = await self._connect()
            except OSError:
                return
            async with self._counted(far_writer):
                ways = [self._pump(reader, far_writer), self._pump(far_reader, writer)]
                _, pending = await asyncio.wait(map(asyncio.ensure_future, ways), return_when=asyncio.FIRST_COMPLETED)
                for way in pending:
                    way.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._target.get("host") or "127.0.0.1"), self._target.get("port") or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()

    @asynccontextmanager
    async def _counted(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._transports.add(writer.transport)
        try:
            yield
        finally:
            writer.close()
            async with self._changed:
                self._transports.discard(writer.transport)
                self._changed.notify_all()
