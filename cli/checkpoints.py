"""Checkpoints and keys that somebody brings along: read from files, believed only when the log's key has signed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import UsageError
from ledger.believed import believed
from ledger.checkpoint import Checkpoint
from ledger.log_errors import LogError, LogKeyUnusable, MalformedKey
from ledger.log_key import log_key_from
from ledger.notes import VerifierKey
from settings import Settings

AgainstOption = Annotated[
    list[Path] | None,
    typer.Option(help="A signed checkpoint that you kept: the log must still begin as it says. Repeatable."),
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="The log's verifier key; default: that of the data folder. Again for a former one."),
]


def known_keys(settings: Settings, said: Sequence[str] | None) -> list[VerifierKey]:
    """The keys that are believed: those said, else the data folder's and former ones. Raises UsageError."""
    try:
        if said:
            return [VerifierKey.from_text(text) for text in said]
        former = [VerifierKey.from_text(text) for text in settings.log_former_keys.split()]
        return [log_key_from(settings.log_key_file).verifier, *former]
    except MalformedKey as error:
        raise UsageError(f"{'--key' if said else 'DOSSIER_LOG_FORMER_KEYS'}: {error}") from error
    except LogKeyUnusable as error:
        raise UsageError(f"{error}; say which key signs the log: --key") from error


def kept_checkpoints(paths: Sequence[Path], keys: Sequence[VerifierKey]) -> list[Checkpoint]:
    """The checkpoints in some files. Raises UsageError for what is none, or is of another log."""
    return [_kept(path, keys) for path in paths]


def _kept(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        return believed(path.read_bytes(), keys)
    except LogError as error:
        raise UsageError(f"--against: {path}: {error}") from error
    except OSError as error:
        raise UsageError(f"--against: {path} cannot be read: {error.strerror}") from error
