"""Which checkpoints are believed: signed by a known key of the log that they name."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.checkpoint import Checkpoint, opened
from ledger.log_errors import OriginMismatch
from ledger.notes import VerifierKey


def believed(message: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a signed note; of several keys, former ones of the log or of its earlier origins, any will do.

    Raises NoteRefused, MalformedCheckpoint or OriginMismatch.
    """
    checkpoint = opened(message, keys)
    names = [key.name for key in keys]
    if checkpoint.origin not in names:
        raise OriginMismatch(" or ".join(names), checkpoint.origin)
    return checkpoint
