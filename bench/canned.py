"""A server that does nothing but answer, always the same: `python -m bench.canned ANSWER_FILE PORT_FILE`.

What a client reaches here is the client's own limit.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

from bench.servers import announce


class _Answering(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # On the loopback a request of the yardsticks comes in one piece, and the next only after the answer.
        del data
        self._transport.write(self._answer)


async def _serve(answer: bytes, port_file: Path) -> None:
    listening = await asyncio.get_running_loop().create_server(lambda: _Answering(answer), "127.0.0.1", 0, backlog=2048)
    announce(port_file, listening.sockets[0].getsockname()[1])
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])))
