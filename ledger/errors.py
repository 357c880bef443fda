"""Every error this room raises on purpose.

LedgerError
├── Unrecordable                  the event cannot be stored as it is
│   ├── ContentNotStorable        a value that JSON cannot carry exactly
│   └── EntryTooLong              the entry would exceed 65 535 bytes
├── UnreadableEvent               stored bytes do not lead back to the event; carries stream and version
│   ├── MalformedFrame            not the frame of frame.py
│   ├── MalformedEntry            not an entry of codec.py
│   ├── UnknownEventType          a stored name that this code does not know
│   ├── UnknownSchemaVersion      a version of it that this code cannot read
│   ├── MalformedPart             opened, but its content does not build the event
│   ├── PartMissing               the ciphertext is gone, and nothing erased it; carries part and subject
│   ├── WrongKey                  the data key at hand is not the one that the entry commits to
│   └── Tampered                  a part is not the one that the entry commits to
│       └── EntryMismatch         the entry belongs to another stream, version or type than its row
├── DataKeyMissing                no data key for a subject; carries subject
├── SubjectErased                 the subject's data key was destroyed; carries subject and the event that did it
├── KeyHeld                       the subject's data key must not be destroyed; carries subject
├── KeyEncryptionError            the key that wraps the data keys cannot be used
│   ├── KekMissing                no file there, and none may be made
│   ├── KekExposed                others on this machine can read the file
│   ├── KekMalformed              the file or the setting holds no key
│   ├── KekUnknown                a data key was wrapped by another one; carries kek
│   ├── KekSuperseded             the one at hand must not wrap any more; carries kek
│   ├── KekRetired                a rotation has put the one at hand aside; carries kek
│   ├── KekNotInFile              the keys are given as text, which we cannot change
│   ├── KekUnreachable            the key management service does not answer
│   ├── KeysElsewhere             the data keys are not where they are looked for
│   └── WrappedKeyDamaged         a wrapped data key does not open; carries subject
├── AnotherRotation               the key store's keys are being rotated by somebody else
├── TreeError                     something about the log's Merkle tree
│   ├── TreeDamaged               what is stored of it does not fit together
│   ├── OutsideTree               there is no such index or size
│   ├── MalformedProof            not as many hashes, or not as long, as such a proof has
│   ├── InclusionNotProved        the proof does not lead from the leaf to the root
│   └── ConsistencyNotProved      the proof does not lead from the older root to the newer
├── ErasureListMalformed          a list of erasures with a line that is none; carries path and line
├── EpochsUnreadable              an entry of the log's own stream makes no sense; carries version
├── AppendConflict                a unique constraint refused the append; carries constraint
├── StreamMoved                   a stream of the service does not end where the writer saw it end; carries stream
├── ConcurrencyFailure            deadlock or serialisation failure: nothing was written, try again
├── Unavailable                   the database cannot be reached; whether a commit arrived is unknown
├── StorageExhausted              the database has no space left; nothing was written
└── Overloaded                    more orders are waiting than can be served soon

AppendConflict, ConcurrencyFailure, Unavailable and StorageExhausted are persistence errors of the eventsourcing library
as well; what else PostgreSQL refuses becomes the library's error of the same class (`translated`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from eventsourcing import persistence


class LedgerError(Exception):
    """Root of the tree."""


class Unrecordable(LedgerError):
    """The event cannot be stored as it is; nothing was written."""


class ContentNotStorable(Unrecordable):
    """A value that JSON cannot carry exactly: a lone surrogate, an integer over 64 bits, a time without an offset."""


class EntryTooLong(Unrecordable):
    """The entry would exceed what a log tile can hold."""


class UnreadableEvent(LedgerError):
    """What is stored at `stream` and `version` does not lead back to the event."""

    def __init__(self, stream: object, version: int, detail: str) -> None:
        super().__init__(f"event {version} of {stream}: {detail}")
        self.stream = stream
        self.version = version
        self.detail = detail


class MalformedFrame(UnreadableEvent):
    """The state is cut short, too long, or no frame."""


class MalformedEntry(UnreadableEvent):
    """The entry is no JSON object with the members of an entry."""


class UnknownEventType(UnreadableEvent):
    """The stored name is not known; a newer version of this program may have written it."""


class UnknownSchemaVersion(UnreadableEvent):
    """The event's schema version is newer than this program, or nothing leads from it to today's."""


class MalformedPart(UnreadableEvent):
    """A part opened, so it is genuine, but its content does not build the event."""


class _UnreadablePart(UnreadableEvent):
    def __init__(self, stream: object, version: int, part: int, subject: str, detail: str) -> None:
        super().__init__(stream, version, f"part {part}: {detail}")
        self.part = part
        self.subject = subject


class PartMissing(_UnreadablePart):
    """The ciphertext is gone, and nothing is known to have erased it. The entry, and every proof about it, stands."""


class WrongKey(_UnreadablePart):
    """The data key at hand is not the one that the entry commits to."""


class Tampered(_UnreadablePart):
    """The ciphertext is not the one that the entry commits to, or was moved here from elsewhere."""


class EntryMismatch(Tampered):
    """The entry names another stream, version, type or actor than the row or the part it stands with."""

    def __init__(self, stream: object, version: int, detail: str) -> None:
        UnreadableEvent.__init__(self, stream, version, detail)


class DataKeyMissing(LedgerError):
    """No data key for `subject` at hand; keys are made and read back before events are written."""

    def __init__(self, subject: UUID) -> None:
        super().__init__(f"no data key for subject {subject}")
        self.subject = subject


class SubjectErased(LedgerError):
    """The data key of `subject` was destroyed on behalf of the event `by`; nothing is recorded about it again."""

    def __init__(self, subject: UUID, by: UUID) -> None:
        super().__init__(f"the data of subject {subject} was erased")
        self.subject = subject
        self.by = by


class KeyHeld(LedgerError):
    """The data key of `subject` is marked as held: it must not be destroyed until somebody takes the mark away."""

    def __init__(self, subject: UUID) -> None:
        super().__init__(f"the data key of subject {subject} is held")
        self.subject = subject


class KeyEncryptionError(LedgerError):
    """The key that wraps the data keys cannot be used."""


class KekMissing(KeyEncryptionError):
    """There is no key file, and none may be made because data keys wrapped by a lost one exist."""


class KekExposed(KeyEncryptionError):
    """Group or others may read the key file."""


class KekMalformed(KeyEncryptionError):
    """The file or the setting holds no key."""


class KekUnknown(KeyEncryptionError):
    """A data key was wrapped by `kek`, which is not the one at hand."""

    def __init__(self, kek: str, at_hand: str) -> None:
        super().__init__(f"a data key was wrapped by {kek!r}; the key at hand is {at_hand!r}")
        self.kek = kek


class KekSuperseded(KeyEncryptionError):
    """The database knows that another key wraps now; `kek` is the one at hand, and nothing was written under it."""

    def __init__(self, kek: str) -> None:
        super().__init__(f"{kek!r} wraps no data keys any more; give this program the keys that the others have")
        self.kek = kek


class KekRetired(KeyEncryptionError):
    """A rotation has put `kek` aside before: it never wraps again, so that every epoch has a key of its own."""

    def __init__(self, kek: str) -> None:
        super().__init__(f"{kek!r} was put aside by an earlier rotation; a new one is needed")
        self.kek = kek


class KekNotInFile(KeyEncryptionError):
    """The keys came as text from a setting; whoever sets it changes it."""

    def __init__(self) -> None:
        super().__init__(
            "the key encryption keys are given as text; put the new one before the others there, or take retired ones "
            "away, for every process, and do this again"
        )


class KekUnreachable(KeyEncryptionError):
    """The key management service does not answer; nothing is known of the key, and it may succeed when tried again."""


class KeysElsewhere(KeyEncryptionError):
    """The data keys are in another database than the one named: new ones beside them would tear the ledger apart."""


class WrappedKeyDamaged(KeyEncryptionError):
    """The wrapped data key of `subject` was altered or belongs to another subject."""

    def __init__(self, subject: UUID) -> None:
        super().__init__(f"the wrapped data key of subject {subject} does not open")
        self.subject = subject


class AnotherRotation(LedgerError):
    """The keys of this key store are being rotated by another process."""

    def __init__(self) -> None:
        super().__init__("another rotation of this database's keys is under way")


class TreeError(LedgerError):
    """Something about the log's Merkle tree, or about a proof, does not hold."""


class TreeDamaged(TreeError):
    """The log, its nodes and its checkpoints do not fit together: somebody has changed one of them."""


class OutsideTree(TreeError):
    """An index that is not in a tree of that size, or a size that no tree has."""


class MalformedProof(TreeError):
    """A proof of another form than one of its index and sizes has; it was not computed."""


class InclusionNotProved(TreeError):
    """A proof of inclusion that does not lead from the leaf to the root."""


class ConsistencyNotProved(TreeError):
    """A proof of consistency that does not lead from the older root to the newer one."""


class ErasureListMalformed(LedgerError):
    """A line of a list of erasures is none."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}, line {line}: no erasure as `dossier backup` lists them")
        self.path = path
        self.line = line


class EpochsUnreadable(LedgerError):
    """What the log says about its own epochs makes no sense; so no position can be told from another."""

    def __init__(self, version: int, detail: str) -> None:
        super().__init__(f"version {version} of the log's own stream {detail}")
        self.version = version


class AppendConflict(LedgerError, persistence.IntegrityError):
    """A unique constraint refused the append; nothing was written. `constraint` is its name in the schema."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"refused by {constraint}")
        self.constraint = constraint


class StreamMoved(LedgerError):
    """Somebody else has recorded in `stream`, one of the service's own; nothing was written. Read it, decide anew."""

    def __init__(self, stream: UUID, expected_version: int) -> None:
        super().__init__(f"stream {stream} does not end at version {expected_version}")
        self.stream = stream
        self.expected_version = expected_version


class ConcurrencyFailure(LedgerError, persistence.OperationalError):
    """A deadlock or serialisation failure: nothing was written, and the same may succeed when tried again."""


class Unavailable(LedgerError, persistence.OperationalError):
    """The database cannot be reached, or the connection was lost: whether a commit arrived is unknown."""


class StorageExhausted(LedgerError, persistence.OperationalError):
    """The database has no space left: nothing was written, and nothing can be until there is some."""


class Overloaded(LedgerError):
    """More orders are waiting than can be served soon; nothing was written."""


def is_conflict(error: BaseException) -> bool:
    """Whether another writer came first: nothing was written, and deciding anew on fresh data may succeed."""
    return isinstance(
        error,
        AppendConflict
        | ConcurrencyFailure
        | psycopg.errors.UniqueViolation
        | psycopg.errors.SerializationFailure
        | psycopg.errors.DeadlockDetected,
    )


def is_unavailable(error: BaseException) -> bool:
    """Whether the database was out of reach, in our words or in psycopg's."""
    return isinstance(error, Unavailable) or (isinstance(error, psycopg.Error) and _is_lost(error))


def is_exhausted(error: BaseException) -> bool:
    """Whether the database had no space left, in our words or in psycopg's."""
    return isinstance(error, StorageExhausted | psycopg.errors.DiskFull)


@contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into ours or the library's, by class, SQLSTATE and constraint name."""
    try:
        yield
    except psycopg.Error as error:
        raise _translation(error) from error


def _translation(error: psycopg.Error) -> Exception:
    if isinstance(error, psycopg.errors.UniqueViolation):
        return AppendConflict(error.diag.constraint_name or "")
    if isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
        return ConcurrencyFailure(str(error))
    if _is_lost(error):
        return Unavailable(str(error))
    if is_exhausted(error):
        return StorageExhausted(str(error))
    for theirs, ours in _SAME_CLASS:
        if isinstance(error, theirs):
            return ours(str(error))
    return persistence.PersistenceError(str(error))


def _is_lost(error: psycopg.Error) -> bool:
    """An operational error without SQLSTATE comes from the client's side: no connection, or none any more."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    # Class 08: connection exceptions. 57P01 to 57P05: shut down, crashed, starting, dropped, idle for too long.
    # 53300: too many connections. 25P03: ended by us for idling in a transaction. 25006: read-only after a failover.
    return error.sqlstate.startswith(("08", "57P0")) or error.sqlstate in {"53300", "25P03", "25006"}


_SAME_CLASS: tuple[tuple[type[psycopg.Error], type[persistence.PersistenceError]], ...] = (
    (psycopg.DataError, persistence.DataError),
    (psycopg.IntegrityError, persistence.IntegrityError),
    (psycopg.InternalError, persistence.InternalError),
    (psycopg.ProgrammingError, persistence.ProgrammingError),
    (psycopg.NotSupportedError, persistence.NotSupportedError),
    (psycopg.OperationalError, persistence.OperationalError),
    (psycopg.DatabaseError, persistence.DatabaseError),
    (psycopg.InterfaceError, persistence.InterfaceError),
)
