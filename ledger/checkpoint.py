"""Checkpoints (C2SP `tlog-checkpoint`): the size and the root of a log at a moment, as the text of a signed note.

    origin: the name of the log
    size: how many entries it has
    root: base64 of the Merkle tree's hash at that size (RFC 6962)

What must stay true: a checkpoint has one text and a text that is not exactly one is refused; nobody learns the size of
a log from anywhere but a checkpoint that the log's key has signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.log_errors import MalformedCheckpoint, OriginMismatch
from ledger.merkle import EMPTY_ROOT, HASH_BYTES
from ledger.notes import Note, VerifierKey, base64, from_base64

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST_SIZE: Final = 2**63 - 1
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`extensions` are lines that others may have put below; we write none."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def empty(cls, origin: str) -> Checkpoint:
        """That of a log without entries."""
        return cls(origin, 0, EMPTY_ROOT)

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Raises MalformedCheckpoint."""
        *lines, rest = text.split("\n")
        if rest or len(lines) < _LINES or not all(lines):
            raise MalformedCheckpoint("a checkpoint is origin, size and root, in a line each")
        origin, size, encoded, *extensions = lines
        if not _SIZE.fullmatch(size) or int(size) > _LARGEST_SIZE:
            raise MalformedCheckpoint("the size is no number as a checkpoint has it")
        try:
            root = from_base64(encoded)
        except ValueError as error:
            raise MalformedCheckpoint(f"the root: {error}") from error
        if len(root) != HASH_BYTES:
            raise MalformedCheckpoint(f"the root has {len(root)} bytes, not {HASH_BYTES}")
        if size == "0" and root != EMPTY_ROOT:
            raise MalformedCheckpoint("the root of an empty log is another one")
        return cls(origin, int(size), root, tuple(extensions))

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, self.size, base64(self.root), *self.extensions))


def opened(message: bytes, keys: Iterable[VerifierKey], origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note that a known key has signed, of the log `origin` if that is given.

    Raises NoteRefused, MalformedCheckpoint, OriginMismatch.
    """
    note = Note.parse(message)
    note.verified(keys)
    checkpoint = Checkpoint.from_text(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise OriginMismatch(origin, checkpoint.origin)
    return checkpoint
