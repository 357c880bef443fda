"""Data keys as of one moment, for verifying: a key that does not open is something to tell, no failure.

The service's own store of keys is keys.py; this one never makes a key.

Where the keys have a database of their own, two transactions have no moment in common. So the keys are read as of two
moments: one before that of the ledger and one after it. A key is made before the first event that needs it, and
destroyed after the event that says so; hence of an event that the ledger's moment has, the later moment has the key,
or else the earlier one has it, and neither has it only when it was missing or destroyed at the ledger's moment too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from db.queries import load
from ledger.errors import KekUnknown, KeyEncryptionError, SubjectErased
from ledger.kek import KeyEncryptionKey

_KEYS: Final = load(Path(__file__).parent, "keys.sql")
_VERIFY: Final = load(Path(__file__).parent, "verify.sql")
_HELD_AT_MOST: Final = 20_000
_NONE: Final = "has no data key"
_DESTROYED: Final = "has no data key any more"


class SnapshotKeys:
    """Data keys by subject, read through `connection` in the caller's transaction. KeyError: none that opens.

    `later` is a second moment of the same keys, which goes before where it has one. `destroyed` says by which event the
    key of a subject was destroyed that was held before, None: it was not.
    """

    def __init__(
        self, connection: Connection[Any], kek: KeyEncryptionKey, later: Connection[Any] | None = None
    ) -> None:
        self._moments = [connection] if later is None else [later, connection]
        self._kek = kek
        self._held: dict[UUID, bytes | str] = {}
        self._destroyed: dict[UUID, UUID] = {}

    def require_kek(self) -> None:
        """Raise KeyEncryptionError when the key at hand opens none of the data keys, so that it is the wrong one."""
        refusal: KeyEncryptionError | None = None
        for subject, wrapped, kek in self._moments[0].execute(_VERIFY["some_keys"]).fetchall():
            try:
                self._kek.unwrap(subject, kek, wrapped)
            except KeyEncryptionError as error:
                refusal = refusal or error
            else:
                return
        if refusal is not None:
            raise refusal

    def hold(self, subjects: Iterable[UUID]) -> dict[UUID, str]:
        """Read these subjects' keys ahead, in one query; of those that have none that opens, say why."""
        wanted = set(subjects)
        if missing := wanted - self._held.keys():
            if len(self._held) + len(missing) > _HELD_AT_MOST:
                self._held.clear()
                missing = wanted
            self._held |= self._read(missing)
        return {subject: held for subject in wanted if isinstance(held := self._held[subject], str)}

    def destroyed(self, subject: UUID) -> UUID | None:
        return self._destroyed.get(subject)

    def is_there(self, subject: UUID) -> bool:
        """Whether the subject has a key, be it one that does not open."""
        self.hold((subject,))
        return self._held[subject] not in {_NONE, _DESTROYED}

    def __getitem__(self, subject: UUID) -> bytes:
        if subject not in self._held:
            self.hold((subject,))
        held = self._held[subject]
        if subject in self._destroyed:
            raise SubjectErased(subject, self._destroyed[subject])
        if isinstance(held, str):
            raise KeyError(subject)
        return held

    def _read(self, subjects: set[UUID]) -> dict[UUID, bytes | str]:
        found: dict[UUID, bytes | str] = dict.fromkeys(subjects, _NONE)
        for moment in self._moments:
            wanted = sorted(subject for subject in subjects if found[subject] in {_NONE, _DESTROYED})
            for subject, wrapped, kek, state, erased_by in self._rows(moment, wanted):
                if state == "destroyed":
                    self._destroyed[subject] = erased_by
                    found[subject] = _DESTROYED
                else:
                    self._destroyed.pop(subject, None)
                    found[subject] = self._opened(subject, kek, wrapped)
        return found

    def _rows(self, moment: Connection[Any], subjects: list[UUID]) -> list[tuple[UUID, bytes, str, str, UUID]]:
        return moment.execute(_KEYS["load_keys"], {"subjects": subjects}).fetchall() if subjects else []

    def _opened(self, subject: UUID, kek: str, wrapped: bytes) -> bytes | str:
        """The data key, or why it does not open."""
        try:
            return self._kek.unwrap(subject, kek, wrapped)
        except KekUnknown:
            return "has a data key that another key encryption key wrapped"
        except KeyEncryptionError:
            return "has a data key that does not open"
