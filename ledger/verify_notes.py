"""What must hold of the notes that were given out: each is a checkpoint of its size, with the root that the log had.

Held against the sealer's checkpoints, whose roots the walk along the log looks at (verify_tree.py): so a fault of the
log is told there and not once more for every note behind it. Who has signed is not asked, for verifying a database
takes no key: a note that its key has not signed is refused by everybody who is given it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from psycopg import Connection

from db.queries import load
from ledger import tree
from ledger.checkpoint import Checkpoint
from ledger.errors import TreeError
from ledger.findings import Finding
from ledger.log_errors import LogError
from ledger.notes import Note

_QUERIES: Final = load("ledger", "verify.sql")
_BATCH: Final = 2000


def note_findings(connection: Connection[Any], size: int) -> Iterator[Finding]:
    """What does not hold of the notes of a log of that size."""
    with connection.cursor("verified_notes", binary=True) as notes:
        notes.itersize = _BATCH
        for of_size, text, written_down in notes.execute(_QUERIES["notes"]):
            root = _signed_root(of_size, text)
            if isinstance(root, str):
                yield Finding("signature", f"signature of size {of_size}", root)
            # A long log is signed piece by piece, at sizes that no checkpoint is of; and where the two differ it may be
            # the checkpoint that is wrong, which is told already.
            elif root != written_down and root != _root(connection, of_size, size):
                yield Finding("signature", f"signature of size {of_size}", "its root is not that of the log")


def _signed_root(size: int, text: str) -> bytes | str:
    """The root in a note; else what is wrong with it."""
    try:
        signed = Checkpoint.from_text(Note.parse(text.encode()).text)
    except LogError as error:
        return f"is no checkpoint: {error}"
    return signed.root if signed.size == size else f"is a checkpoint of size {signed.size}"


def _root(connection: Connection[Any], of_size: int, size: int) -> bytes | None:
    """The root of that size as it is stored now; None when it cannot be told."""
    try:
        return tree.ask(connection, tree.root(of_size)) if of_size <= size else None
    except TreeError:
        return None
