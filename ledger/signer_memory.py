"""What the signer remembers, outside of PostgreSQL: the note that it signed last, in a file.

Who can change everything in the database cannot change this, so that no history is signed that does not go on from it.
What must stay true: a note is on the disk here before anybody can read it anywhere else; the file is replaced whole,
and never by a smaller log; only the note's own key can have written it.
"""

from __future__ import annotations

from pathlib import Path

from ledger.checkpoint import Checkpoint
from ledger.files import alone_in, make_folder, sync_folder, write_whole
from ledger.log_errors import AnotherNote, LogError, MemoryMalformed, OriginChanged
from ledger.notes import Note, VerifierKey


class SignerMemory:
    """The file at `path`, for notes of `key`."""

    def __init__(self, path: Path, key: VerifierKey) -> None:
        self._path = path
        self._key = key

    def __str__(self) -> str:
        return str(self._path)

    def recall(self) -> Checkpoint | None:
        """What was signed last; None when nothing is remembered. Raises MemoryMalformed, OriginChanged, OSError."""
        try:
            message = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            note = Note.parse(message)
            checkpoint = Checkpoint.from_text(note.text)
        except LogError as error:
            raise MemoryMalformed(f"{self._path} holds no checkpoint: {error}") from error
        if checkpoint.origin != self._key.name:
            raise OriginChanged(f"{self._path} is about the log {checkpoint.origin!r}, our key's is {self._key.name!r}")
        try:
            note.verified([self._key])
        except LogError as error:
            raise MemoryMalformed(f"{self._path} was not signed by our key: {error}") from error
        return checkpoint

    def keep(self, note: Note) -> bool:
        """Remember a note for good; False when a later one is remembered already.

        Raises AnotherNote for one of the same size, MemoryMalformed, OriginChanged, OSError.
        """
        checkpoint = Checkpoint.from_text(note.text)
        make_folder(self._path.parent)
        with alone_in(self._path.parent):
            remembered = self.recall()
            if remembered is not None and remembered.size > checkpoint.size:
                return False
            if remembered is not None and remembered.size == checkpoint.size and remembered != checkpoint:
                raise AnotherNote(f"{self._path} remembers another root of size {checkpoint.size}")
            # If we die before it is done, the one before is remembered, and nothing of this one was given out.
            write_whole(self._path, bytes(note))
            sync_folder(self._path.parent)
        return True
