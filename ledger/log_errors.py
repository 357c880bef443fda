"""The errors about the log as others see it: its key, its notes, its tiles, and why a checkpoint is not signed.

LogError (a LedgerError)
├── MalformedKey                  text that is no key of a note
├── LogKeyUnusable                the file of the signing key cannot be used
│   ├── LogKeyMissing             no file there
│   ├── LogKeyExposed             others on this machine can read it
│   └── LogKeyOfAnotherLog        its name is not the origin of the settings; carries both
├── NoteRefused                   bytes that are not believed
│   ├── MalformedNote             no signed note
│   ├── SignatureInvalid          a known key's signature does not fit the text; carries key
│   └── NoteUnverified            no known key has signed it; carries names
├── MalformedCheckpoint           a note's text that is no checkpoint
├── OriginMismatch                a checkpoint of another log; carries expected and found
├── MalformedTile                 a tile's path, or the bytes of a tile or of a bundle of entries
├── NotSigned                     no note of that size, or none at all, was given out
├── TileNotSigned                 a tile that the newest note does not cover
├── OriginUsed                    a log that goes on otherwise needs a name that it was never signed under
└── LogRefused                    the log is not vouched for; carries idx where there is one
    ├── MemoryMissing             notes were signed, but what was signed last is not remembered
    ├── MemoryMalformed           what is remembered is no note of ours
    ├── MemoryAhead               the log ends before what was signed: cut off, or an old copy
    ├── SizeShrank                the newest checkpoint covers less than what was signed
    ├── HistoryChanged            the log up to there is not the one that was signed
    ├── LeafMissing               a place of the log is not there
    ├── LeafMismatch              a leaf is not the hash of its entry
    ├── RootMismatch              a checkpoint's root is not that of the leaves
    ├── OriginChanged             what is remembered or was signed belongs to another log
    └── AnotherNote               another note of the same size is there; carries size
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import LedgerError


class LogError(LedgerError):
    """Root of this branch."""


class MalformedKey(LogError):
    """Text that is no verifier's or signer's key; never shows the text."""


class LogKeyUnusable(LogError):
    """The file of the key that signs the log cannot be used."""


class LogKeyMissing(LogKeyUnusable):
    """There is no such file."""


class LogKeyExposed(LogKeyUnusable):
    """Group or others may read the file."""


class LogKeyOfAnotherLog(LogKeyUnusable):
    """The key was made for the log `found`, and `expected` is to be signed."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"the key signs the log {found!r}, and the settings name {expected!r}")
        self.expected = expected
        self.found = found


class NoteRefused(LogError):
    """Bytes that are not believed, for what they are or for who signed them."""


class MalformedNote(NoteRefused):
    """No text with signatures below it, or not exactly as it would be written."""


class SignatureInvalid(NoteRefused):
    """The signature of `key`, which is known, does not fit the text."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the signature of {key} does not fit the text")
        self.key = key


class NoteUnverified(NoteRefused):
    """No known key has signed the note; `names` have."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"no known key has signed it, only {', '.join(names)}")
        self.names = names


class MalformedCheckpoint(LogError):
    """A text that is not origin, size and root in a line each."""


class OriginMismatch(LogError):
    """A checkpoint of the log `found` where one of `expected` is needed."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"a checkpoint of the log {found!r}, not of {expected!r}")
        self.expected = expected
        self.found = found


class MalformedTile(LogError):
    """A path that names no tile, or bytes that are not those of a tile or a bundle."""


class NotSigned(LogError):
    """No checkpoint of `size` was signed; without a size, none was signed yet."""

    def __init__(self, size: int | None = None) -> None:
        super().__init__(
            "nothing of the log is signed yet" if size is None else f"the log was not signed at size {size}"
        )
        self.size = size


class TileNotSigned(LogError):
    """The tile reaches beyond the newest checkpoint, which is of `size`."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(f"{path} reaches beyond the newest checkpoint, which is of size {size}")
        self.size = size


class OriginUsed(LogError):
    """Two histories would be signed under one name, or a signer remembers the other one."""


class LogRefused(LogError):
    """Something is not as it was when the last checkpoint was signed. `idx` is the first place known to be wrong."""

    def __init__(self, detail: str, *, idx: int | None = None) -> None:
        super().__init__(detail)
        self.idx = idx

    @property
    def reason(self) -> str:
        """A word for machines."""
        return type(self).__name__


class MemoryMissing(LogRefused):
    """Checkpoints were signed before, but the signer's memory of the last one is gone."""


class MemoryMalformed(LogRefused):
    """The signer's memory is not a checkpoint that its key has signed."""


class MemoryAhead(LogRefused):
    """The log has fewer places than were signed: it was cut off, or an old copy of the database was put back."""


class SizeShrank(LogRefused):
    """The newest checkpoint in the database covers less than what was signed."""


class HistoryChanged(LogRefused):
    """The tree over what was signed has another root now."""


class LeafMissing(LogRefused):
    """A place of the log, or its event, is not there."""


class LeafMismatch(LogRefused):
    """A leaf is not the hash of the entry that stands at its place."""


class RootMismatch(LogRefused):
    """The root that the sealer wrote down is not that of the leaves."""


class OriginChanged(LogRefused):
    """What is remembered, or was signed last, belongs to a log of another origin."""


class AnotherNote(LogRefused):
    """A checkpoint of that size was signed before, and is not the one that we would sign."""
