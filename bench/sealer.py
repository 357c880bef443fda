"""A sealer in a process of its own, as it runs beside every service: `python -m bench.sealer CONNINFO`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from bench.servers import end
from ledger.sealer import Sealer


@dataclass(frozen=True)
class Sealing:
    process_id: int


@contextmanager
def sealing(conninfo: str) -> Iterator[Sealing]:
    """Have the database's events sealed for as long as the context lasts."""
    process = subprocess.Popen([sys.executable, "-m", "bench.sealer", conninfo], start_new_session=True)
    try:
        yield Sealing(process.pid)
    finally:
        end(process)


def main() -> None:
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Sealer(sys.argv[1]).run(stop)


if __name__ == "__main__":
    main()
