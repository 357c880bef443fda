"""A signer that is killed after one of its steps: `python -m tests.ledger.dying [database, folder, step]`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from ledger.log_key import log_key_from
from ledger.notes import Note
from ledger.refusal_file import RefusalFile
from ledger.signer import Signer
from ledger.signer_memory import SignerMemory

STEPS: Final = ("examined", "memory half written", "memory written", "given out")


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _DyingMemory(SignerMemory):
    def __init__(self, path: Path, step: str, **known: Any) -> None:
        super().__init__(path, **known)
        self._step = step

    def keep(self, note: Note) -> bool:
        if self._step == "examined":
            die()
        if self._step == "memory half written":
            self._path.with_name(f".{self._path.name}.new").write_bytes(bytes(note)[:50])
            die()
        kept = super().keep(note)
        if self._step == "memory written":
            die()
        return kept


def main(database: str, folder: str, step: str) -> None:
    key = log_key_from(Path(folder) / "keys")
    path = Path(folder) / "signer" / "signed"
    signer = Signer(database, key, _DyingMemory(path, step, key=key.verifier), RefusalFile(path))
    signer.sign_once()
    die()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
