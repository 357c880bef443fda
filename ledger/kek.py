"""The key that wraps the data keys (KEK), and the place where a key management service fits.

What must stay true: nobody but the owner can read the file, and a new key is never made where data keys wrapped by
an earlier one exist, because those would be lost without a word.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import KekExposed, KekMalformed, KekMissing, KekUnknown, WrappedKeyDamaged

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class KeyEncryptionKey(Protocol):
    """Wraps data keys. A key management service would send them over and get them back."""

    @property
    def id(self) -> str:
        """The name kept beside what it wrapped."""

    def wrap(self, subject: UUID, data_key: bytes) -> bytes:
        """Wrap a subject's data key."""

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        """The data key again. `kek` names the key that wrapped it. Raises KekUnknown or WrappedKeyDamaged."""


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
    def from_text(cls, text: str) -> FileKek:
        """Read `<id>:<base64 of 32 bytes>`, as in a setting. Raises KekMalformed, which never shows the text."""
        kek_id, _, encoded = text.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _ID.fullmatch(kek_id) or len(key) != _KEY_BYTES:
            raise KekMalformed("a key encryption key is written <id>:<base64 of 32 bytes>")
        return cls(kek_id, key)

    @classmethod
    def from_file(cls, path: Path) -> FileKek:
        """Read a key file. Raises KekMissing, KekExposed or KekMalformed."""
        try:
            with path.open(encoding="ascii") as file:
                if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise KekExposed(f"{path} is open to others on this machine; run: chmod 600 {path}")
                return cls.from_text(file.read())
        except FileNotFoundError as error:
            raise KekMissing(f"there is no key file {path}") from error
        except UnicodeDecodeError as error:
            raise KekMalformed(f"{path} holds no key") from error

    @classmethod
    def from_new_file(cls, path: Path) -> FileKek:
        """Make a key file, readable by its owner alone, and read it; one that is there already is read as it is.

        Call it only where no data key exists yet; `keys.kek_at` looks.
        """
        text = f"file-{secrets.token_hex(6)}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}\n"
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # If we die before this, no key is in force. Of two processes here at once the first one's key stands.
            os.link(name, path)
            _sync_folder(path.parent)
        except FileExistsError:
            pass
        finally:
            os.unlink(name)  # noqa: PTH108 - as mkstemp gave it
        return cls.from_file(path)

    def wrap(self, subject: UUID, data_key: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self._bound_to(subject))

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        if kek != self._id:
            raise KekUnknown(kek, self._id)
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], self._bound_to(subject))
        except (InvalidTag, ValueError) as error:
            raise WrappedKeyDamaged(subject) from error

    def _bound_to(self, subject: UUID) -> bytes:
        return subject.bytes + self._id.encode("ascii")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
