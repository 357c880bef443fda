"""Evidence packs in the making: each in a thread, with a connection of its own, into a temporary file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from api import refusals
from api.files import on_disk
from api.table_files import temporary_file
from ledger.codec import DataKeys
from ledger.evidence import Asked, write_pack
from ledger.notes import VerifierKey
from ledger.verify import one_moment


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
        try:
            return await on_disk(self._make, asked)
        finally:
            self._under_way -= 1

    def _make(self, asked: Asked) -> IO[bytes]:
        file = temporary_file()
        try:
            with one_moment(self.conninfo) as connection:
                write_pack(connection, self.data_keys, self.log_keys, asked, file)
        except BaseException:
            file.close()
            raise
        return file
