"""A process that shows something and is killed: `python -m tests.ledger.dying_reader DATABASE`.

A view that it gathers is written a second later; then it shows something sensitive, gathers another view, and dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import UUID

from ledger.read_ledger import ReadLedger
from tests.ledger.reading import SENSITIVE, VIEW, types, until
from tests.ledger.service import of_service
from tests.ledger.writing import write_path

FIRST, SHOWN, LOST = (UUID(int=number) for number in (1, 2, 3))


async def main(database: str) -> None:
    with write_path(database) as path:
        ledger = ReadLedger(of_service(path))
        ledger.start()
        ledger.viewed(VIEW, FIRST)
        await until(lambda: types(database))
        await ledger.before_shown(SENSITIVE, SHOWN)
        ledger.viewed(VIEW, LOST)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
