r"""Encryption of one part of an event, and the commitments by which an entry binds it.

    K    = HKDF-SHA-256(data key, salt, "dossier/v1 event key")        used once
    key  = SHA-256("dossier/v1 key commitment\n" || K)                  in the entry
    ct   = AES-256-GCM(K, nonce 0^96, plaintext, stream || version || part)
    hash = SHA-256(ct)                                                  in the entry

The format is fixed by the first event ever written. The nonce may be constant because each K encrypts once: its salt
is drawn for that part alone. The key is committed to because AES-GCM is not: one ciphertext can be built that opens
to two texts under two keys.
"""

from __future__ import annotations

import hashlib
import struct
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DATA_KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

_SHA256: Final = SHA256()
_INFO: Final = b"dossier/v1 event key"
_COMMITMENT: Final = b"dossier/v1 key commitment\n"
_NONCE: Final = bytes(12)
_PLACE: Final = struct.Struct(">QH")


class Sealed(NamedTuple):
    """A ciphertext and the commitments to it."""

    key_commitment: bytes
    ciphertext: bytes
    ciphertext_hash: bytes


class Refused(Enum):
    """Why a ciphertext was not opened."""

    ALTERED = "the ciphertext is not the one committed to, or belongs elsewhere"
    WRONG_KEY = "the key is not the one committed to"


def seal(data_key: bytes, salt: bytes, plaintext: bytes, place: bytes) -> Sealed:
    """Encrypt for one place. `salt` must never be used with this data key again."""
    key = event_key(data_key, salt)
    ciphertext = AESGCM(key).encrypt(_NONCE, plaintext, place)
    return Sealed(_commitment(key), ciphertext, hashlib.sha256(ciphertext).digest())


def unseal(data_key: bytes, salt: bytes, sealed: Sealed, place: bytes) -> bytes | Refused:
    """Decrypt what the commitments vouch for; else say why not."""
    return open_with(event_key(data_key, salt), sealed, place)


def open_with(key: bytes, sealed: Sealed, place: bytes) -> bytes | Refused:
    """The same by the key of this one part, for who was given nothing else."""
    if hashlib.sha256(sealed.ciphertext).digest() != sealed.ciphertext_hash:
        return Refused.ALTERED
    if _commitment(key) != sealed.key_commitment:
        return Refused.WRONG_KEY
    try:
        return AESGCM(key).decrypt(_NONCE, sealed.ciphertext, place)
    except InvalidTag:
        return Refused.ALTERED


def place_of(stream: UUID, version: int, part: int) -> bytes:
    """What binds a ciphertext to its row."""
    return stream.bytes + _PLACE.pack(version, part)


def event_key(data_key: bytes, salt: bytes) -> bytes:
    """K: opens one part, and leads neither back to the data key nor to another part's."""
    return HKDF(algorithm=_SHA256, length=DATA_KEY_BYTES, salt=salt, info=_INFO).derive(data_key)


def _commitment(key: bytes) -> bytes:
    return hashlib.sha256(_COMMITMENT + key).digest()
