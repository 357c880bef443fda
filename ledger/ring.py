"""Several key encryption keys: the first one wraps, the others open what they wrapped when it was their turn.

What must stay true: a ring of a file that was changed is the new one before the next data key is wrapped, and at once
when a data key names a KEK that the ring does not have, so that a rotation needs no restart; and it never has fewer
keys than before because the file could not be read for a moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Self
from uuid import UUID

import structlog

from ledger import ring_file
from ledger.errors import KekMalformed, KekNotInFile, KekUnknown, KeyEncryptionError
from ledger.kek import FileKek, Wrapped, new_kek_text

_LOG: Final = structlog.get_logger("ledger.ring")
_FORGETTING_SECONDS: Final = 60.0
"""After so long a key that was taken out of the file is not in our memory any more; as data keys are."""


class KekRing:
    """A KeyEncryptionKey of several keys; safe to use from several threads.

    `follow` tells it which one wraps where the database knows better than the order of the file, which then may lag.
    """

    def __init__(
        self,
        keys: Sequence[FileKek],
        path: Path | None = None,
        stamp: ring_file.Stamp | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` is the file that the keys were read from; `clock` counts seconds and never goes back."""
        self._keys = {key.id: key for key in keys}
        self._path = path
        self._stamp = stamp
        self._clock = clock
        self._followed: str | None = None
        self._look_again_at = clock() + _FORGETTING_SECONDS

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read keys as in a setting, apart by blanks or line breaks. Raises KekMalformed."""
        return cls(_keys_in(text.split()))

    @classmethod
    def from_file(cls, path: Path, clock: Callable[[], float] = time.monotonic) -> Self:
        """Read a key file, and read it again when it changes. Raises KekMissing, KekExposed or KekMalformed."""
        lines, stamp = ring_file.read(path)
        return cls(_keys_in(lines), path, stamp, clock)

    @classmethod
    def from_new_file(cls, path: Path) -> Self:
        """Make a key file, readable by its owner alone, and read it; one that is there already is read as it is.

        Call it only where no data key exists yet; `keys.kek_at` looks.
        """
        ring_file.make(path, new_kek_text())
        return cls.from_file(path)

    @property
    def id(self) -> str:
        self._renew()
        return self._wrapping().id

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all keys, that of the one that wraps first."""
        self._renew()
        return tuple(self._keys)

    def wrap(self, subject: UUID, data_key: bytes) -> Wrapped:
        self._renew()
        return self._wrapping().wrap(subject, data_key)

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        if kek not in self._keys or self._clock() >= self._look_again_at:
            self._renew()
        keys = self._keys
        if kek not in keys:
            raise KekUnknown(kek, ", ".join(keys))
        return keys[kek].unwrap(subject, kek, wrapped)

    def follow(self, kek: str) -> None:
        """Wrap by this key as soon as it is in the ring, although another one is first: the database says so."""
        self._followed = kek

    def add(self) -> str:
        """Put a new key behind the others, so that all can get ready to open what it will wrap; its name.

        Raises KekNotInFile or OSError.
        """
        text = new_kek_text()
        lines = self._lines()
        ring_file.replace(self._own_path(), [*lines, text])
        return _id_of(text)

    def promote(self, kek: str) -> None:
        """Put a key first: it wraps from now on. Raises KekUnknown, KekNotInFile or OSError."""
        if self.id == kek:
            return
        lines = self._lines()
        first = [line for line in lines if _id_of(line) == kek]
        if not first:
            raise KekUnknown(kek, ", ".join(self.ids))
        ring_file.replace(self._own_path(), [*first, *(line for line in lines if line not in first)])

    def remove(self, keks: Collection[str]) -> list[str]:
        """Destroy keys that wrap nothing any more; the names of those that were there.

        Raises KekNotInFile or OSError.
        """
        gone = [kek for kek in self.ids if kek in keks]
        if gone:
            ring_file.replace(self._own_path(), [line for line in self._lines() if _id_of(line) not in gone])
        return gone

    def _wrapping(self) -> FileKek:
        keys = self._keys
        return keys[self._followed] if self._followed in keys else next(iter(keys.values()))

    def _lines(self) -> list[str]:
        return ring_file.read(self._own_path()).lines

    def _own_path(self) -> Path:
        if self._path is None:
            raise KekNotInFile
        return self._path

    def _renew(self) -> None:
        """Read the file again if it is another one than the one read last; one look at it costs microseconds."""
        self._look_again_at = self._clock() + _FORGETTING_SECONDS
        if self._path is None or ring_file.stamp_of(self._path) in {self._stamp, None}:
            return
        try:
            lines, stamp = ring_file.read(self._path)
            self._keys = {key.id: key for key in _keys_in(lines)}
            self._stamp = stamp
        except (KeyEncryptionError, OSError) as error:
            _LOG.error("the key file cannot be read any more; going on with the keys read before", error=str(error))


def ring_at(path: Path, text: str | None = None) -> KekRing:
    """The keys that were stated as text, else those of a file. Raises KekMissing, KekExposed or KekMalformed."""
    return KekRing.from_file(path) if text is None else KekRing.from_text(text)


def _id_of(line: str) -> str:
    return line.strip().partition(":")[0]


def _keys_in(lines: Sequence[str]) -> list[FileKek]:
    keys = [FileKek.from_text(line) for line in lines]
    if not keys:
        raise KekMalformed("a key encryption key is written <id>:<base64 of 32 bytes>")
    if len({key.id for key in keys}) < len(keys):
        raise KekMalformed("two key encryption keys have one name")
    return keys
