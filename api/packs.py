"""Evidence packs in the making: each in a thread, with a connection of its own, into a temporary file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final

from psycopg import Connection, Error

from api import refusals
from api.files import on_disk
from api.table_files import temporary_file
from ledger.codec import DataKeys
from ledger.evidence import Asked, write_pack
from ledger.notes import VerifierKey
from ledger.verify import one_moment

_CANCEL_SECONDS: Final = 0.2


@dataclass(slots=True)
class Packs:
    """A pack reads a whole stream and keeps a processor busy, so that few are made at once. One event loop."""

    conninfo: str
    data_keys: DataKeys
    log_keys: Sequence[VerifierKey]
    most: int
    _under_way: int = 0

    async def make(self, asked: Asked) -> IO[bytes]:
        """The whole pack, a zip archive; who has it closes it. Raises Problem 503, and what `write_pack` raises."""
        if self._under_way >= self.most:
            raise refusals.overloaded("Too many evidence packs are being made")
        self._under_way += 1
        lent: list[Connection[Any]] = []
        making = asyncio.create_task(on_disk(self._make, asked, lent))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.shield(_end(making, lent))
            raise
        finally:
            self._under_way -= 1

    def _make(self, asked: Asked, lent: list[Connection[Any]]) -> IO[bytes]:
        file = temporary_file()
        try:
            with one_moment(self.conninfo) as connection:
                lent.append(connection)
                write_pack(connection, self.data_keys, self.log_keys, asked, file)
        except BaseException:
            file.close()
            raise
        return file


async def _end(making: asyncio.Task[IO[bytes]], lent: list[Connection[Any]]) -> None:
    """Nobody wants the pack any more: cancel whatever statement its thread is at, until it ends by that."""
    while not making.done():
        for connection in lent:
            with suppress(Error):
                await asyncio.to_thread(connection.cancel_safe, timeout=1)
        await asyncio.wait({making}, timeout=_CANCEL_SECONDS)
    if making.exception() is None:
        making.result().close()
