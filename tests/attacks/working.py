"""A sealer or a signer as a process, to be killed: `python -m tests.attacks.working KIND DATABASE FOLDER`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from ledger.sealer import Sealer
from ledger.signer import Signer
from tests.ledger.signing import Signing


@contextmanager
def working(kind: str, database: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one; it is dead at the end, if not before."""
    process = subprocess.Popen([sys.executable, "-m", "tests.attacks.working", kind, database, str(folder)])
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def main(kind: str, database: str, folder: str) -> None:
    worker: Sealer | Signer
    worker = Sealer(database) if kind == "sealer" else Signing(database, Path(folder)).another()
    # Which of two has the turn is politeness; here both work at once, as when a turn is lost unnoticed.
    while os.getppid() > 1:
        if isinstance(worker, Sealer):
            worker.seal_once()
        else:
            worker.sign_once()
        Event().wait(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])
