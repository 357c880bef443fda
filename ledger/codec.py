"""Events to stored bytes and back: the format of an entry, byte for byte.

An entry is compact sorted JSON. It is what the log hashes, so it is written once and never re-serialised; it commits
to each encrypted part, so that a part can be erased, but not exchanged, without breaking a proof. Reading checks the
entry against its row and each part against the entry, and ends in the event or in a named error. A part is erased when
its stream says so (`erasures_in`) or its subject's key was destroyed; one that is gone otherwise is missing.
"""

from __future__ import annotations

import os
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from domain.events import RecordedEvent
from domain.events.privacy import RECORDS_SUBJECT, PersonalDataErased
from ledger import cipher
from ledger.errors import (
    DataKeyMissing,
    EntryMismatch,
    EntryTooLong,
    MalformedEntry,
    MalformedFrame,
    MalformedPart,
    PartMissing,
    SubjectErased,
    Tampered,
    UnreadableEvent,
    WrongKey,
)
from ledger.frame import framed, unframed
from ledger.merkle import leaf_hash
from ledger.plain import PlainEvent, PlainPart, from_plain, subjects_of, to_json, to_plain
from ledger.upcasts import Content

__all__ = [
    "LONGEST_ENTRY_BYTES",
    "NOTHING_ERASED",
    "Checked",
    "Commitment",
    "Erasures",
    "checked",
    "decode",
    "decode_checked",
    "encode",
    "entry_hash",
    "erasures_in",
    "recorded_at_in",
    "seal",
    "subjects_in",
    "subjects_of",
    "unseal",
]

LONGEST_ENTRY_BYTES: Final = 65535
"""What an entry bundle of the log can hold."""

_REQUIRED: Final = frozenset(["stream", "version", "event_id", "type", "schema", "recorded_at", "actor", "parts"])
_OPTIONAL: Final = frozenset(
    ["effective_from", "effective_to", "corrects", "retracts", "correlation", "erases", "epoch"]
)
"""`epoch` stands only in the log's own stream, which is never decoded (epochs.py)."""
_COMMITMENT_MEMBERS: Final = frozenset(["salt", "key", "ct"])
_OF_ANOTHER: Final = frozenset(["subject", *_COMMITMENT_MEMBERS])
_TIMES: Final = ("recorded_at", "effective_from", "effective_to")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


Erasures = Mapping[UUID, UUID]
"""What was erased of a stream: by data subject the event that erased it. The stream's own id stands for everything."""

NOTHING_ERASED: Final[Erasures] = MappingProxyType({})


class DataKeys(Protocol):
    """Data keys by subject: a dict, or a KeyStore that looks them up.

    KeyError means that there is none; SubjectErased that it was destroyed, and by which event.
    """

    def __getitem__(self, subject: UUID, /) -> bytes: ...


def encode(event: RecordedEvent, data_keys: DataKeys) -> StoredEvent:
    """Encrypt and frame an event; `data_keys` holds at least its subjects' keys.

    Raises Unrecordable or DataKeyMissing.
    """
    return seal(to_plain(event), data_keys)


def decode(stored: StoredEvent, data_keys: DataKeys, erased: Erasures = NOTHING_ERASED) -> RecordedEvent:
    """The event that was encoded, but for what was erased of it (`erased`, or by a destroyed key).

    Raises UnreadableEvent (see there for the verdicts) or DataKeyMissing.
    """
    return decode_checked(checked(stored), data_keys, erased)


def decode_checked(event: Checked, data_keys: DataKeys, erased: Erasures = NOTHING_ERASED) -> RecordedEvent:
    """The second half of `decode`, for who looks up the keys of many events between the two. Raises what it does."""
    return from_plain(_opened(event, data_keys, erased))


def erasures_in(stream: Iterable[StoredEvent | Checked]) -> dict[UUID, UUID]:
    """What the events of one stream, in their order, say was erased of it: to read it as it is since the last of them.

    Needs no key. Of an event that cannot be read it is not known; reading it says why.
    """
    erased: dict[UUID, UUID] = {}
    for event in stream:
        entry = event.entry if isinstance(event, Checked) else _erasure_entry(event)
        if entry is not None and "erases" in entry:
            erased.setdefault(_uuid(entry["erases"]), _uuid(entry["event_id"]))
    return erased


def _erasure_entry(stored: StoredEvent) -> Content | None:
    if stored.topic != PersonalDataErased.type:
        return None
    try:
        return _opened_frame(stored)[0]
    except UnreadableEvent:
        return None


def entry_hash(entry: bytes) -> bytes:
    """What the log knows an entry by."""
    return leaf_hash(entry)


def recorded_at_in(stored: StoredEvent) -> str:
    """The entry's `recorded_at` as it is written there. Raises UnreadableEvent."""
    recorded_at: str = _opened_frame(stored)[0]["recorded_at"]
    return recorded_at


def subjects_in(stored: StoredEvent) -> set[UUID]:
    """Whose parts the entry names: the data keys that `decode` will ask for. Raises UnreadableEvent."""
    return checked(stored).subjects


class Commitment(NamedTuple):
    """What an entry says about one part."""

    subject: UUID
    salt: bytes
    key: bytes
    ciphertext_hash: bytes


class Checked(NamedTuple):
    """A stored event whose entry is that of its row; the parts are still closed, each beside its commitment."""

    stream: UUID
    version: int
    entry: Content
    commitments: list[Commitment]
    ciphertexts: dict[int, bytes]

    @property
    def subjects(self) -> set[UUID]:
        """Whose data keys open it."""
        return {commitment.subject for commitment in self.commitments}


def seal(plain: PlainEvent, data_keys: DataKeys) -> StoredEvent:
    """Encrypt each part, commit to it in the entry, and frame both."""
    entry = plain.entry
    stream, version = entry["stream"], entry["version"]
    if not isinstance(stream, UUID):
        stream = UUID(stream)
    ciphertexts = []
    commitments = []
    for number, (subject, content) in enumerate(plain.parts):
        data_key = _data_key(data_keys, subject)
        salt = os.urandom(cipher.SALT_BYTES)
        sealed = cipher.seal(data_key, salt, to_json(content), cipher.place_of(stream, version, number))
        ciphertexts.append((number, sealed.ciphertext))
        commitment = {
            "salt": _base64(salt),
            "key": _base64(sealed.key_commitment),
            "ct": _base64(sealed.ciphertext_hash),
        }
        commitments.append(commitment if subject == stream else {"subject": subject, **commitment})
    entry_bytes = to_json({**entry, "parts": commitments})
    if len(entry_bytes) > LONGEST_ENTRY_BYTES:
        raise EntryTooLong(f"the entry has {len(entry_bytes)} bytes; {LONGEST_ENTRY_BYTES} fit into the log")
    return StoredEvent(stream, version, entry["type"], framed(entry_bytes, ciphertexts))


def unseal(stored: StoredEvent, data_keys: DataKeys) -> PlainEvent:
    """Check an entry against its row and open all parts."""
    return _opened(checked(stored), data_keys, NOTHING_ERASED)


def checked(stored: StoredEvent) -> Checked:
    """Take a stored event apart and check its entry against its row. Raises UnreadableEvent."""
    stream, version = stored.originator_id, stored.originator_version
    entry, ciphertexts = _opened_frame(stored)
    commitments = _commitments(stored, entry)
    if ciphertexts and max(ciphertexts) >= len(commitments):
        raise EntryMismatch(stream, version, "a part stands with it that the entry does not name")
    return Checked(stream if isinstance(stream, UUID) else UUID(stream), version, entry, commitments, ciphertexts)


def _opened(event: Checked, data_keys: DataKeys, erased: Erasures) -> PlainEvent:
    parts = []
    gone: dict[int, UUID] = {}
    for number, commitment in enumerate(event.commitments):
        content: Content = {}
        try:
            content = _content(event, number, commitment, data_keys, erased)
        except _Gone as part:
            gone[number] = part.by
        parts.append(PlainPart(commitment.subject, content))
    return PlainEvent(event.entry, tuple(parts), gone)


class _Gone(Exception):
    """A part was erased by the event `by`."""

    def __init__(self, by: UUID) -> None:
        super().__init__(by)
        self.by = by


def _opened_frame(stored: StoredEvent) -> tuple[Content, dict[int, bytes]]:
    stream, version = stored.originator_id, stored.originator_version
    try:
        entry_bytes, parts = unframed(stored.state)
    except ValueError as error:
        raise MalformedFrame(stream, version, str(error)) from error
    try:
        entry = orjson.loads(entry_bytes)
    except orjson.JSONDecodeError as error:
        raise MalformedEntry(stream, version, "the entry is not JSON") from error
    if problem := _entry_problem(entry):
        raise MalformedEntry(stream, version, problem)
    if (entry["stream"], entry["version"], entry["type"]) != (_text(stream), version, stored.topic):
        raise EntryMismatch(stream, version, "the entry belongs to another stream, version or type")
    return entry, dict(parts)


def _entry_problem(entry: Any) -> str | None:
    """What is wrong with the members that this module reads itself; the models check the others' values."""
    if not isinstance(entry, dict):
        return "the entry is no object"
    if not _are_members(tuple(entry)) or None in entry.values():
        return "the entry has not the members of an entry"
    types = (type(entry["type"]), type(entry["schema"]), type(entry["version"]), type(entry["parts"]))
    if types != (str, int, int, list):
        return "a member of the entry has the wrong type"
    for name in _TIMES:
        time = entry.get(name)
        if time is not None and not (isinstance(time, str) and _TIME.fullmatch(time)):
            return f"{name} is no time in UTC"
    return _erasure_problem(entry) if "erases" in entry or entry["type"] == PersonalDataErased.type else None


def _erasure_problem(entry: Content) -> str | None:
    if entry["type"] != PersonalDataErased.type:
        return "only an erasure erases"
    is_whole = _is_uuid(entry.get("erases")) and _is_uuid(entry["event_id"])
    return None if is_whole else "an erasure names a subject and has an id"


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


@lru_cache
def _are_members(names: tuple[str, ...]) -> bool:
    """Whether an entry has these members. Of the orders that they can stand in only the sorted one is ever met."""
    return _REQUIRED <= set(names) <= _REQUIRED | _OPTIONAL


def _commitments(stored: StoredEvent, entry: Content) -> list[Commitment]:
    try:
        commitments = [_commitment(member, entry["stream"]) for member in entry["parts"]]
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedEntry(stored.originator_id, stored.originator_version, f"parts: {error}") from error
    if not commitments:
        raise MalformedEntry(stored.originator_id, stored.originator_version, "the entry names no part")
    return commitments


def _commitment(member: Content, stream: str) -> Commitment:
    """A part that names no subject is the stream's own; once every part named one."""
    if member.keys() not in (_COMMITMENT_MEMBERS, _OF_ANOTHER):
        raise ValueError("a commitment has other members than subject, salt, key and ct")
    salt, key, ciphertext_hash = (_from_base64(member[name]) for name in ("salt", "key", "ct"))
    return Commitment(_uuid(member.get("subject", stream)), salt, key, ciphertext_hash)


@lru_cache
def _uuid(text: str) -> UUID:  # the events of a stream come together, and are mostly about one subject
    return UUID(text)


@lru_cache
def _text(stream: UUID | str) -> str:
    return str(stream)


def _content(event: Checked, number: int, commitment: Commitment, data_keys: DataKeys, erased: Erasures) -> Content:
    """What a part says. Raises _Gone when it was erased."""
    if erased and (by := _erased_by(event, commitment.subject, erased)) is not None:
        raise _Gone(by)
    plaintext = _opened_part(event, number, commitment, data_keys)
    try:
        content: Content = orjson.loads(plaintext)
    except orjson.JSONDecodeError as error:
        raise MalformedPart(event.stream, event.version, f"part {number} is not JSON") from error
    return content


def _erased_by(event: Checked, subject: UUID, erased: Erasures) -> UUID | None:
    by = erased.get(subject)
    return by if by is not None or subject == RECORDS_SUBJECT else erased.get(event.stream)


def _opened_part(event: Checked, number: int, commitment: Commitment, data_keys: DataKeys) -> bytes:
    try:
        data_key = data_keys[commitment.subject]
    except SubjectErased as error:
        raise _Gone(error.by) from None
    except KeyError:
        data_key = None
    ciphertext = event.ciphertexts.get(number)
    if ciphertext is None:
        raise PartMissing(event.stream, event.version, number, str(commitment.subject), "the ciphertext is gone")
    if data_key is None:
        raise DataKeyMissing(commitment.subject)
    sealed = cipher.Sealed(commitment.key, ciphertext, commitment.ciphertext_hash)
    plaintext = cipher.unseal(data_key, commitment.salt, sealed, cipher.place_of(event.stream, event.version, number))
    if isinstance(plaintext, bytes):
        return plaintext
    verdict = WrongKey if plaintext is cipher.Refused.WRONG_KEY else Tampered
    raise verdict(event.stream, event.version, number, str(commitment.subject), plaintext.value)


def _data_key(data_keys: DataKeys, subject: UUID) -> bytes:
    try:
        return data_keys[subject]
    except KeyError:
        raise DataKeyMissing(subject) from None


def _base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode("ascii")


def _from_base64(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except Base64Error as error:
        raise ValueError("a commitment is not base64") from error
