"""A new name for a log that goes on otherwise: the key of the new origin, and what its signer is to remember.

Two histories must never be signed under one name: whoever keeps a checkpoint of the old one would be shown a fork and
could not tell it from a fraud. So a log that was cut off is signed by a new key of another name from then on, and its
signer begins with the log as it stood at the fork. The old key stays good for what it has signed, and for nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from db.queries import load
from ledger.checkpoint import Checkpoint
from ledger.leaves import frontier_at
from ledger.log_errors import OriginMismatch, OriginUsed
from ledger.log_key import log_key_at, log_key_from
from ledger.notes import Note, SigningKey, new_note
from ledger.signer_memory import SignerMemory

_QUERIES: Final = load("ledger", "origin.sql")
_EPOCH: Final = re.compile(r"/[0-9]+-[0-9a-f]{6}$")


class Signed(NamedTuple):
    """What is known of a log's signatures: the last one, and all names that it was signed under."""

    note: str | None
    origins: frozenset[str]

    @property
    def origin(self) -> str | None:
        return None if self.note is None else self.note.partition("\n")[0]


def later_of(signed: Signed, message: bytes) -> Signed:
    """The same with a note that somebody has kept, if that is a later one.

    Raises NoteRefused, MalformedCheckpoint, or OriginMismatch for one of another log.
    """
    note = Note.parse(message)
    kept = Checkpoint.from_text(note.text)
    if signed.origin is not None and kept.origin not in signed.origins:
        raise OriginMismatch(signed.origin, kept.origin)
    if signed.note is not None and Checkpoint.from_text(Note.parse(signed.note.encode()).text).size >= kept.size:
        return signed
    return Signed(bytes(note).decode(), signed.origins | {kept.origin})


def signed_of(connection: Connection[Any]) -> Signed:
    """What the database says of that."""
    row = connection.execute(_QUERIES["last_note"]).fetchone()
    origins = connection.execute(_QUERIES["origins"]).fetchall()
    return Signed(row[0] if row else None, frozenset(origin for (origin,) in origins))


def require_unused(key_file: Path, origin: str | None, memory_file: Path, signed: Signed) -> None:
    """Look whether a log that was signed can go on under another name with what is at hand.

    Raises OriginUsed when the key at hand, or the name asked for, is one that it was signed under, or when a signer
    remembers something here already; LogKeyUnusable; OSError.
    """
    if key_file.exists() and (key := log_key_from(key_file, origin)).name in signed.origins:
        raise OriginUsed(
            f"{key_file} has signed this log as {key.name!r}; its history will be another one, so move that file away"
        )
    if origin in signed.origins:
        raise OriginUsed(f"the log was signed as {origin!r} before; give it another name (DOSSIER_LOG_ORIGIN)")
    if memory_file.exists():
        raise OriginUsed(f"{memory_file} is what a signer remembers of another history; move it away")


def key_of_new_origin(key_file: Path, origin: str | None, signed: Signed, epoch: str) -> SigningKey:
    """The key to sign with from now on, made unless there is one; named after the old origin, or as `origin` says."""
    before = None if signed.origin is None else _EPOCH.sub("", signed.origin)
    return log_key_at(key_file, origin or (before and f"{before}/{epoch}"))


def begin_origin(connection: Connection[Any], key: SigningKey, memory: SignerMemory, size: int) -> Checkpoint:
    """Have the signer of `key` go on from the first `size` places of the log, as they are.

    Raises HistoryChanged, OriginUsed when more is remembered, LogRefused, OSError.
    """
    began = Checkpoint(key.name, size, frontier_at(connection, size).root)
    if not memory.keep(new_note(began.text, key)):
        raise OriginUsed(f"{memory} remembers a longer log of that name; move it away")
    return began
