"""The data keys: one per data subject, wrapped in the database, held open here for a minute at most.

Owns the insertion into keys.subject_key. Wrapping them anew is rotation.py.

What must stay true: a key that encrypts was read back from a committed row, so that no event is ever encrypted under
a key that a crash or another process's insert made vanish; and a destroyed key is out of use after CACHE_SECONDS
everywhere. A key whose command then failed stays behind unused and harms nobody; the subject's next one takes it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from db.queries import load
from ledger.cipher import DATA_KEY_BYTES
from ledger.errors import (
    DataKeyMissing,
    KekMissing,
    KekSuperseded,
    KekUnknown,
    KeyHeld,
    KeysElsewhere,
    SubjectErased,
    translated,
)
from ledger.kek import KeyEncryptionKey
from ledger.pool import Pool
from ledger.ring import KekRing, ring_at
from ledger.streams import OF_CUSTOMERS

CACHE_SECONDS: Final = 60.0

_QUERIES: Final = load(Path(__file__).parent, "keys.sql")
_CACHED_AT_MOST: Final = 100_000


def kek_at(path: Path, pool: Pool, text: str | None = None) -> KekRing:
    """The key encryption keys in a file, made at the first start: where no data key exists yet; or as text.

    Raises KekMissing when data keys exist and the file does not: another key would not open them.
    """
    try:
        return ring_at(path, text)
    except KekMissing as error:
        if _has_keys(pool):
            message = f"the database holds data encrypted under a key that is not at {path}; put it back"
            raise KekMissing(message) from error
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return KekRing.from_new_file(path)


def require_keys_of(ledger: Pool, keys: Pool) -> None:
    """Raise KeysElsewhere when `keys` does not lead to the data keys of that ledger: new ones would be made beside."""
    with translated(), ledger.connection() as connection:
        stream = connection.execute(_QUERIES["any_stream"], OF_CUSTOMERS).fetchone()
    with translated(), keys.connection() as connection:
        if stream and connection.execute(_QUERIES["has_key"], {"subject": stream[0]}).fetchone() != (True,):
            raise KeysElsewhere("the ledger's data keys are not in the database where they are looked for")
    if keys is not ledger and _has_keys(ledger):
        raise KeysElsewhere("the ledger's own database holds data keys as well; move them, or do not name another")


def _has_keys(pool: Pool) -> bool:
    with translated(), pool.connection() as connection:
        return connection.execute(_QUERIES["any_key"]).fetchone() == (True,)


class _Held(NamedTuple):
    """A key, or the event that destroyed it."""

    data_key: bytes
    until: float
    erased_by: UUID | None = None

    def opened(self, subject: UUID) -> bytes:
        if self.erased_by is not None:
            raise SubjectErased(subject, self.erased_by)
        return self.data_key


class _Refused(NamedTuple):
    """Which key encryption key must not wrap any more, and which one does."""

    superseded: str
    current: str


class KeyStore:
    """Data keys by subject; safe to use from several threads.

    `pool` leads to the database that holds schema `keys`; `clock` counts seconds and never goes back.
    """

    def __init__(self, pool: Pool, kek: KeyEncryptionKey, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._kek = kek
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[UUID, _Held] = {}

    def ensure(self, subjects: Iterable[UUID]) -> dict[UUID, bytes]:
        """The subjects' data keys, made where there was none and read back after their commit.

        Raises SubjectErased, KeyEncryptionError or Unavailable.
        """
        wanted = set(subjects)
        found = self._held(wanted)
        if missing := wanted - found.keys():
            self._insert(sorted(missing))
            found |= self._held(missing)
            for subject in missing - found.keys():
                raise DataKeyMissing(subject)
        return {subject: held.opened(subject) for subject, held in found.items()}

    def load(self, subjects: Iterable[UUID]) -> dict[UUID, bytes]:
        """The data keys of those subjects that have one. Raises SubjectErased, KeyEncryptionError or Unavailable."""
        return {subject: held.opened(subject) for subject, held in self._held(set(subjects)).items()}

    def read_ahead(self, subjects: Iterable[UUID]) -> None:
        """Look these subjects' keys up at once, to be asked for one by one."""
        self._held(set(subjects))

    def __getitem__(self, subject: UUID) -> bytes:
        """One subject's data key, as the codec asks for it. Raises KeyError when there is none, or SubjectErased."""
        # Once per part of every event: a look at the cache needs no lock, one dictionary access is atomic.
        held = self._fresh(subject, self._clock())
        return (held if held is not None else self._held({subject})[subject]).opened(subject)

    def destroy(self, subject: UUID, by: UUID) -> None:
        """Destroy a subject's data key for good, on behalf of the event `by`; where it is done already, nothing.

        A subject without a key can never have one from now on. Other processes may hold the key for CACHE_SECONDS.
        Raises KeyHeld or Unavailable.
        """
        with translated(), self._pool.connection() as connection, connection.transaction():
            connection.execute(_QUERIES["destroy_key"], {"subject": subject, "by": by})
            state = connection.execute(_QUERIES["key_state"], {"subject": subject}).fetchone()
        self.forget(subject)
        if state != ("destroyed",):
            raise KeyHeld(subject)

    def forget_expired(self) -> None:
        """Let go of the keys that may not be used any more without being looked up again."""
        with self._lock:
            self._drop_expired()

    def forget(self, subject: UUID) -> None:
        """Stop holding a subject's key, because it is being destroyed."""
        with self._lock:
            self._cache.pop(subject, None)

    def _held(self, subjects: set[UUID]) -> dict[UUID, _Held]:
        """What is known of those subjects that have, or had, a key."""
        found = self._cached(subjects)
        if missing := subjects - found.keys():
            found |= self._read(missing)
        return found

    def _cached(self, subjects: set[UUID]) -> dict[UUID, _Held]:
        now = self._clock()
        with self._lock:
            return {subject: held for subject in subjects if (held := self._fresh(subject, now)) is not None}

    def _fresh(self, subject: UUID, now: float) -> _Held | None:
        held = self._cache.get(subject)
        return held if held is not None and now < held.until else None

    def _read(self, subjects: set[UUID]) -> dict[UUID, _Held]:
        # Counted from before the read: a key destroyed right after it is out of use in time.
        until = self._clock() + CACHE_SECONDS
        try:
            found = self._opened(subjects, until)
        except KekUnknown:
            # A rotation may have wrapped it anew, and destroyed the former key, between our reading and our opening.
            found = self._opened(subjects, until)
        self._hold(found)
        return found

    def _opened(self, subjects: set[UUID], until: float) -> dict[UUID, _Held]:
        with translated(), self._pool.connection() as connection:
            rows = connection.execute(_QUERIES["load_keys"], {"subjects": sorted(subjects)}).fetchall()
        found: dict[UUID, _Held] = {}
        for subject, wrapped, kek, state, erased_by in rows:
            data_key = b"" if state == "destroyed" else self._kek.unwrap(subject, kek, wrapped)
            found[subject] = _Held(data_key, until, erased_by)
        return found

    def _hold(self, found: Mapping[UUID, _Held]) -> None:
        with self._lock:
            self._drop_expired()
            if len(self._cache) + len(found) > _CACHED_AT_MOST:
                self._cache.clear()
            for subject, held in found.items():
                self._cache.pop(subject, None)  # so that what expires first stands first
                self._cache[subject] = held

    def _drop_expired(self) -> None:
        now = self._clock()
        for subject in [subject for subject, _ in takewhile(lambda item: item[1].until <= now, self._cache.items())]:
            del self._cache[subject]

    def _insert(self, subjects: list[UUID]) -> None:
        """Offer new keys. Raises KekSuperseded when what we wrap with must not wrap any more."""
        refused = self._offer(subjects)
        if refused is not None:
            # A rotation came between. Its key is where ours came from, or stands ready behind the one that we used.
            if isinstance(self._kek, KekRing):
                self._kek.follow(refused.current)
            refused = self._offer(subjects)
        if refused is not None:
            raise KekSuperseded(refused.superseded)

    def _offer(self, subjects: list[UUID]) -> _Refused | None:
        """Insert new keys, or none if what wrapped them is superseded."""
        wrapped = [self._kek.wrap(subject, secrets.token_bytes(DATA_KEY_BYTES)) for subject in subjects]
        params = {
            "subjects": subjects,
            "wrapped": [each.wrapped for each in wrapped],
            "keks": [each.kek for each in wrapped],
        }
        # The new keys are dropped here on purpose: only what is read back after this commit may encrypt.
        with translated(), self._pool.connection() as connection, connection.transaction():
            row = connection.execute(_QUERIES["insert_keys"], params).fetchone()
        return _Refused(*row) if row else None
