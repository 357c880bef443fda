"""Rotation of the key that wraps the data keys: a new one wraps from now on, and everything is wrapped anew by it.

Owns keys.kek and every change of `wrapped` in keys.subject_key; events are not touched. A key that was once current is
an epoch: whoever has a copy of the key store from then needs that key to open it.

What must stay true: before a new key wraps anything, every reader can get at it; once it is current here no other one
wraps a data key any more, not even a process that slept through the rotation; a data key that is being destroyed stays
destroyed; and a key goes out of use for good only when it wraps nothing. If we die anywhere, the next rotation finds
out from what is there, and finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from db.conninfo import with_settings
from db.queries import load
from ledger.errors import AnotherRotation, KekRetired
from ledger.kek import KeyEncryptionKey
from ledger.ring import KekRing

_QUERIES: Final = load("ledger", "rotation.sql")
_BATCH: Final = 500
"""So many data keys are wrapped anew in one transaction: milliseconds, unless a key management service takes longer."""
_SETTINGS: Final = {"timezone": "UTC", "lock_timeout": "10s", "client_min_messages": "warning"}
_BEFORE_ALL: Final = UUID(int=0)


class Rotated(NamedTuple):
    """Which key wraps now, and how many data keys were wrapped anew by it."""

    kek: str
    wrapped: int


class Kek(NamedTuple):
    """A key encryption key as the key store knows it: `state` is current, former or retired since an instant.

    All of that is None for one that wraps data keys, or is at hand, and that no rotation has met yet.
    """

    id: str
    epoch: int | None
    state: str | None
    since: datetime | None
    wraps: int


@contextmanager
def rotating(conninfo: str) -> Iterator[Rotation]:
    """The one rotation of the key store at `conninfo`, as the login that owns it. Raises AnotherRotation."""
    with psycopg.connect(with_settings(conninfo, _SETTINGS, application_name="dossier_keys"), autocommit=True) as owner:
        if owner.execute(_QUERIES["take_turn"]).fetchone() != (True,):
            raise AnotherRotation
        try:
            yield Rotation(owner)
        finally:
            # At once; after a mere goodbye the server might hold it a moment longer.
            with suppress(psycopg.Error):
                owner.execute(_QUERIES["end_turn"])


def listed(connection: Connection[Any]) -> list[Kek]:
    """Every key encryption key that the key store knows of, the latest first."""
    return [Kek._make(row) for row in connection.execute(_QUERIES["listed"]).fetchall()]


def prepare(rotation: Rotation, ring: KekRing) -> str:
    """The key that the next rotation will let wrap: one that waits in the ring, else a new one, made now.

    Every process that opens data keys must have it before `rotate` is called: those that read the same file will.
    """
    rotation.enter(ring.id)
    return _waiting(rotation, ring) or ring.add()


def rotate(rotation: Rotation, ring: KekRing, advance: Callable[[int], None] = lambda _: None) -> Rotated:
    """Let the next key wrap, and wrap everything anew by it; or finish a rotation that was cut off.

    Raises KeyEncryptionError or OSError: then nothing was changed, or the next rotation finishes it.
    """
    rotation.enter(ring.id)
    target = _waiting(rotation, ring)
    current = rotation.current()
    if target is None and rotation.remaining(current):
        target = current
    target = target or ring.add()
    # Each step may be the last one that we live to make; the next rotation begins with it again.
    ring.promote(target)
    rotation.switch(target)
    return Rotated(target, rotation.wrap_anew(ring, advance))


def retire(rotation: Rotation, ring: KekRing) -> list[str]:
    """Destroy the former keys that wrap nothing any more; their names.

    Raises KekNotInFile when they cannot be destroyed here, or OSError: they are then out of use all the same.
    """
    rotation.enter(ring.id)
    rotation.retire()
    # If we die here, they are still in the file, and the next retirement takes them out.
    return ring.remove([kek.id for kek in rotation.keks() if kek.state == "retired"])


def _waiting(rotation: Rotation, ring: KekRing) -> str | None:
    """The first key of the ring that has never wrapped."""
    known = {kek.id for kek in rotation.keks() if kek.state is not None}
    return next((kek for kek in ring.ids if kek not in known), None)


class Rotation:
    """The steps of a rotation. Each may be repeated; after each, the next one may be left to another day."""

    def __init__(self, owner: Connection[Any]) -> None:
        self._owner = owner

    def keks(self) -> list[Kek]:
        return listed(self._owner)

    def current(self) -> str:
        """The name of the key that may wrap; to be asked after `enter`."""
        return next(kek.id for kek in self.keks() if kek.state == "current")

    def enter(self, kek: str) -> None:
        """Write down which keys there are. `kek` is the one at hand that wraps before anything is changed."""
        with self._owner.transaction():
            self._owner.execute(_QUERIES["enter_unknown"], {"kek": kek})
            self._owner.execute(_QUERIES["enter_first"], {"kek": kek})

    def switch(self, kek: str) -> None:
        """Let this key alone wrap from now on. Raises KekRetired for one that was put aside before."""
        if any(known.id == kek and known.state in {"former", "retired"} for known in self.keks()):
            raise KekRetired(kek)
        with self._owner.transaction():
            # Whoever inserts waits, and then sees what we write here: see `insert_keys`.
            self._owner.execute(_QUERIES["hold_inserts"])
            self._owner.execute(_QUERIES["supersede"], {"kek": kek})
            self._owner.execute(_QUERIES["succeed"], {"kek": kek})
        # If we die here, old data keys are still wrapped by the former key, which still opens them.

    def remaining(self, kek: str) -> int:
        """How many data keys another key than this one wraps."""
        row = self._owner.execute(_QUERIES["wrapping_otherwise"], {"kek": kek}).fetchone()
        return int(row[0]) if row else 0

    def wrap_anew(self, kek: KeyEncryptionKey, advance: Callable[[int], None] = lambda _: None) -> int:
        """Wrap every data key by this key, some at a time, while a service is at work; how many it were.

        Raises KekUnknown, WrappedKeyDamaged or KekUnreachable: those before are then wrapped anew, and the others are
        as they were.
        """
        after, changed = _BEFORE_ALL, 0
        while rows := self._next(kek.id, after):
            changed += self._exchange(kek, rows)
            # If we die here, the next rotation finds those that remain by what they are wrapped by.
            advance(len(rows))
            after = rows[-1][0]
        return changed

    def retire(self) -> list[str]:
        """Put aside for good the former keys that wrap nothing any more; their names."""
        with self._owner.transaction():
            self._owner.execute(_QUERIES["hold_inserts"])
            return [kek for (kek,) in self._owner.execute(_QUERIES["retire"]).fetchall()]

    def _next(self, kek: str, after: UUID) -> list[tuple[UUID, str, bytes]]:
        params = {"after": after, "kek": kek, "limit": _BATCH}
        return self._owner.execute(_QUERIES["next_to_wrap"], params).fetchall()

    def _exchange(self, kek: KeyEncryptionKey, rows: list[tuple[UUID, str, bytes]]) -> int:
        # Opened and wrapped outside any transaction: a key management service may take its time.
        wrapped = [kek.wrap(subject, kek.unwrap(subject, earlier, before)) for subject, earlier, before in rows]
        params = {
            "subjects": [subject for subject, _, _ in rows],
            "before": [before for _, _, before in rows],
            "wrapped": [each.wrapped for each in wrapped],
            "keks": [each.kek for each in wrapped],
        }
        return self._owner.execute(_QUERIES["wrap_anew"], params).rowcount
