"""Signed notes (C2SP `signed-note`): a text, and below it the signatures of those who stand for it.

    text, which ends in a newline
    (an empty line)
    — <key name> <base64 of key id (4) || signature (64)>        one line or more

A verifier's key is the text `<name>+<key id in hex>+<base64 of 0x01 || public key>`; the signer's own begins with
`PRIVATE+KEY+` and ends in the seed of the private key instead. Ed25519 only, type 0x01. What must stay true: a note
and a key have one form, and whatever is not in it, byte for byte, is refused with a name; a note is not believed when
the signature of a known key does not fit, whoever else has signed it.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.log_errors import MalformedKey, MalformedNote, NoteUnverified, SignatureInvalid

MOST_SIGNATURES: Final = 100
"""A note with more is not worth the time it takes to look at them."""

_ED25519: Final = b"\x01"
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_DASH: Final = "— "
_PRIVATE: Final = "PRIVATE+KEY+"


class Signature(NamedTuple):
    """Who signed, by which key, and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """As it stands in a note, newline included."""
        return f"{_DASH}{self.name} {base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a signing key, and its name; `str` gives its text."""

    name: str
    public: bytes

    @classmethod
    def from_text(cls, text: str) -> VerifierKey:
        """Raises MalformedKey."""
        name, key_id, public = _key_fields(text)
        key = cls(name, public)
        if key_id != key.id:
            raise MalformedKey("the key's id is not that of its name and bytes")
        return key

    @property
    def id(self) -> bytes:
        """Tells the key from others of its name; not a secure hash."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64(_ED25519 + self.public)}"

    def verify(self, text: str, signature: Signature) -> None:
        """Raises SignatureInvalid."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature.signature, text.encode())
        except InvalidSignature as error:
            raise SignatureInvalid(f"{self.name}+{self.id.hex()}") from error


class SigningKey:
    """A private key under a name. Its text is a secret and never shown."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier: Final = VerifierKey(name, self._private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """Make a new key. Raises MalformedKey for what cannot be a name."""
        _require_name(name)
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_text(cls, text: str) -> SigningKey:
        """Raises MalformedKey."""
        if not text.startswith(_PRIVATE):
            raise MalformedKey(f"a signing key begins with {_PRIVATE}")
        name, key_id, seed = _key_fields(text.removeprefix(_PRIVATE))
        key = cls(name, seed)
        if key_id != key.verifier.id:
            raise MalformedKey("the key's id is not that of its name and bytes")
        return key

    @property
    def name(self) -> str:
        return self.verifier.name

    def secret_text(self) -> str:
        """The text that `from_text` reads."""
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{base64(_ED25519 + self._seed)}"

    def sign(self, text: str) -> Signature:
        """Ed25519 signs the same text in the same way every time."""
        return Signature(self.name, self.verifier.id, self._private.sign(text.encode()))


@dataclass(frozen=True, slots=True)
class Note:
    """A text and all signatures below it, believed or not."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, message: bytes) -> Note:
        """Take a note apart, believing nothing. Raises MalformedNote."""
        try:
            whole = message.decode()
        except UnicodeDecodeError as error:
            raise MalformedNote("not UTF-8") from error
        _require_plain(whole)
        text, separator, signatures = whole.rpartition("\n\n")
        if not separator:
            raise MalformedNote("no empty line stands above signatures")
        if not signatures.endswith("\n"):
            raise MalformedNote("the last line does not end")
        lines = signatures.removesuffix("\n").split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise MalformedNote(f"more than {MOST_SIGNATURES} signatures")
        return cls(f"{text}\n", tuple(map(_signature, lines)))

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(each.line for each in self.signatures)}".encode()

    def verified(self, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
        """The signatures of known keys, of which there is one at least, and each fits.

        Those of other keys are passed over. Raises SignatureInvalid, NoteUnverified, or MalformedKey for two keys
        that a signature cannot be told between.
        """
        known = _by_name_and_id(keys)
        found = []
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is not None:
                key.verify(self.text, signature)
                found.append(signature)
        if not found:
            raise NoteUnverified([signature.name for signature in self.signatures])
        return tuple(found)


def new_note(text: str, *keys: SigningKey) -> Note:
    """Sign a text. Raises MalformedNote for one that no note can carry."""
    if not text.endswith("\n"):
        raise MalformedNote("the text does not end in a newline")
    _require_plain(text)
    return Note(text, tuple(key.sign(text) for key in keys))


def base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of standard base64 in its one right form. Raises ValueError."""
    try:
        value = a2b_base64(text, strict_mode=True)
    except Base64Error as error:
        raise ValueError("not base64") from error
    if base64(value) != text:
        raise ValueError("base64 with loose ends")
    return value


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_name(name):
        raise MalformedNote("a line below the text is no signature")
    try:
        value = from_base64(encoded)
    except ValueError as error:
        raise MalformedNote(f"the signature of {name}: {error}") from error
    if len(value) <= _ID_BYTES:
        raise MalformedNote(f"the signature of {name} is too short")
    return Signature(name, value[:_ID_BYTES], value[_ID_BYTES:])


def _key_fields(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and the 32 bytes of a key."""
    fields = text.split("+", 2)
    if len(fields) != 3:  # noqa: PLR2004 - name, id, bytes
        raise MalformedKey("a key is written <name>+<id>+<base64>")
    name, id_text, encoded = fields
    _require_name(name)
    try:
        key_id, value = bytes.fromhex(id_text), from_base64(encoded)
    except ValueError as error:
        raise MalformedKey("a key's id is hex and its bytes are base64") from error
    if key_id.hex() != id_text or len(key_id) != _ID_BYTES:
        raise MalformedKey("a key's id is eight lower-case hex digits")
    if value[:1] != _ED25519:
        raise MalformedKey("not an Ed25519 key")
    if len(value) != len(_ED25519) + _KEY_BYTES:
        raise MalformedKey("an Ed25519 key has 32 bytes")
    return name, key_id, value[len(_ED25519) :]


def _by_name_and_id(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.id), key) != key:
            raise MalformedKey(f"two keys are both {key.name}+{key.id.hex()}")
    return known


def _is_name(name: str) -> bool:
    return bool(name) and _is_unicode(name) and not any(each.isspace() or each < " " or each == "+" for each in name)


def _require_name(name: str) -> None:
    if not _is_name(name):
        raise MalformedKey("a key's name is text without blanks and plus signs")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _require_plain(text: str) -> None:
    if not _is_unicode(text) or any(each < " " and each != "\n" for each in text):
        raise MalformedNote("control characters, or no Unicode")
