"""The key that wraps the data keys (KEK), and the place where a key management service fits.

What must stay true: nobody but the owner can read the file, and a new key is never made where data keys wrapped by
an earlier one exist, because those would be lost without a word. Several keys in one file: ring.py.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from typing import Final, NamedTuple, Protocol, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import KekMalformed, KekUnknown, WrappedKeyDamaged

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Wrapped(NamedTuple):
    """A wrapped data key, and the name of what wrapped it, without which it does not open."""

    kek: str
    wrapped: bytes


class KeyEncryptionKey(Protocol):
    """Wraps data keys: all that is asked of a key management service. Called by several threads at once.

    It may take its time: it is asked about a subject once in the life of a cached key, not once per event. One that
    cannot be reached raises KekUnreachable, and what needs it is told to come back.
    """

    @property
    def id(self) -> str:
        """The name of what wraps from now on. Another one than before when it was rotated over there."""

    def wrap(self, subject: UUID, data_key: bytes) -> Wrapped:
        """Wrap a subject's data key, bound to the subject."""

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        """The data key again. `kek` names what wrapped it. Raises KekUnknown or WrappedKeyDamaged."""


class FileKek:
    """A KEK held in memory: 32 bytes and a name, as text `<id>:<base64>` from a file or a setting.

    Wrapped is nonce (12) || AES-256-GCM(key, nonce, data key, aad = subject || id).
    """

    def __init__(self, kek_id: str, key: bytes) -> None:
        self._id = kek_id
        self._cipher = AESGCM(key)

    @property
    def id(self) -> str:
        return self._id

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `<id>:<base64 of 32 bytes>`, as in a setting. Raises KekMalformed, which never shows the text."""
        kek_id, _, encoded = text.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _ID.fullmatch(kek_id) or len(key) != _KEY_BYTES:
            raise KekMalformed("a key encryption key is written <id>:<base64 of 32 bytes>")
        return cls(kek_id, key)

    def wrap(self, subject: UUID, data_key: bytes) -> Wrapped:
        nonce = os.urandom(_NONCE_BYTES)
        return Wrapped(self._id, nonce + self._cipher.encrypt(nonce, data_key, self._bound_to(subject)))

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        if kek != self._id:
            raise KekUnknown(kek, self._id)
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], self._bound_to(subject))
        except (InvalidTag, ValueError) as error:
            raise WrappedKeyDamaged(subject) from error

    def _bound_to(self, subject: UUID) -> bytes:
        return subject.bytes + self._id.encode("ascii")


def new_kek_text() -> str:
    """The text of a new key, under a name that no other has."""
    return f"file-{secrets.token_hex(6)}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"
