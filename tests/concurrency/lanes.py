"""Connections that lead to known workers.

Workers share one socket and the kernel deals out connections as it likes, often all of a burst to the same worker.
Whose a connection is, is found out once; then a request can be sent to the worker that is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx

from tests.processes import open_files_of, tcp_sockets, workers_of
from tests.scenarios.service import PATIENCE_SECONDS, Service

_LANES: Final = 3
"""Connections to each worker; who finds them all taken waits for one."""

_CONNECTIONS_AT_MOST: Final = 500


class Lanes:
    """Requests by number of worker, 0 to `workers` - 1, whichever service it belongs to."""

    def __init__(self, clients: Sequence[Sequence[httpx.AsyncClient]]) -> None:
        self.workers = len(clients)
        self._idle: list[asyncio.Queue[httpx.AsyncClient]] = [asyncio.Queue() for _ in clients]
        for queue, lanes in zip(self._idle, clients, strict=True):
            for client in lanes:
                queue.put_nowait(client)

    async def send(self, worker: int, method: str, path: str, **how: Any) -> httpx.Response:
        """The worker's answer. Raises httpx.TransportError when there is none."""
        idle = self._idle[worker]
        client = await idle.get()
        try:
            return await client.request(method, path, **how)
        finally:
            idle.put_nowait(client)


@asynccontextmanager
async def lanes_to(*services: Service) -> AsyncIterator[Lanes]:
    """Lend connections to all workers of the services."""
    async with AsyncExitStack() as stack:
        clients: list[list[httpx.AsyncClient]] = []
        for service in services:
            clients += (await _clients_by_worker(service, stack)).values()
        yield Lanes(clients)


async def _clients_by_worker(service: Service, stack: AsyncExitStack) -> dict[int, list[httpx.AsyncClient]]:
    """Connect until there are enough lanes to each worker; what is too much is closed again."""
    found: dict[int, list[httpx.AsyncClient]] = {worker: [] for worker in workers_of(service.process.pid)}
    limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
    for _ in range(_CONNECTIONS_AT_MOST):
        client = httpx.AsyncClient(base_url=service.http.base_url, timeout=PATIENCE_SECONDS, limits=limits)
        lanes = found[await _worker_of(client, list(found))]
        if len(lanes) == _LANES:
            await client.aclose()
            continue
        stack.push_async_callback(client.aclose)
        lanes.append(client)
        if all(len(lanes) == _LANES for lanes in found.values()):
            return found
    raise AssertionError(f"of {_CONNECTIONS_AT_MOST} connections, some worker took none: {found}")


async def _worker_of(client: httpx.AsyncClient, workers: Sequence[int]) -> int:
    """The process that holds the other end of the client's connection."""
    answer = await client.get("/healthz")
    stream = answer.extensions["network_stream"]
    ends = f"{_hex(stream.get_extra_info('server_addr'))} {_hex(stream.get_extra_info('client_addr'))}"
    (inode,) = (columns[9] for columns in tcp_sockets() if " ".join(columns[1:3]) == ends)
    (worker,) = (worker for worker in workers if f"socket:[{inode}]" in open_files_of(worker))
    return worker


def _hex(address: tuple[str, int]) -> str:
    """An IPv4 address as the kernel's table has it, the bytes of the host from last to first."""
    host, port = address
    return "".join(f"{int(byte):02X}" for byte in reversed(host.split("."))) + f":{port:04X}"
