"""The key of one part of one event, to be given to somebody outside, and what it opens.

What must stay true: a key is given away only after it opened its part as the entry commits to it, so nobody is handed
one that does not fit; and it opens that part alone. It goes on doing so after the subject's data key was destroyed, for
who kept the ciphertext: what was disclosed is out of our hands.

Four verdicts, each an error of its own: PartMissing, Tampered, WrongKey, and EntryMismatch for a part that no entry
names.
"""

from __future__ import annotations

from ledger import cipher
from ledger.codec import Checked, Commitment, DataKeys
from ledger.errors import DataKeyMissing, EntryMismatch, PartMissing, Tampered, WrongKey


def key_of_part(event: Checked, part: int, data_keys: DataKeys) -> bytes:
    """The key of that part, 32 bytes; it has just opened it.

    Raises PartMissing, Tampered, WrongKey, EntryMismatch, or what looking up the data key raises: DataKeyMissing,
    SubjectErased, KeyEncryptionError, Unavailable.
    """
    commitment = _commitment(event, part)
    try:
        data_key = data_keys[commitment.subject]
    except KeyError:
        raise DataKeyMissing(commitment.subject) from None
    key = cipher.event_key(data_key, commitment.salt)
    open_part(event, part, key)
    return key


def open_part(event: Checked, part: int, key: bytes) -> bytes:
    """The plaintext of that part, as it was written, by its key alone.

    Raises PartMissing, Tampered, WrongKey or EntryMismatch.
    """
    commitment = _commitment(event, part)
    subject = str(commitment.subject)
    ciphertext = event.ciphertexts.get(part)
    if ciphertext is None:
        raise PartMissing(event.stream, event.version, part, subject, "the ciphertext is gone")
    sealed = cipher.Sealed(commitment.key, ciphertext, commitment.ciphertext_hash)
    opened = cipher.open_with(key, sealed, cipher.place_of(event.stream, event.version, part))
    if isinstance(opened, bytes):
        return opened
    verdict = WrongKey if opened is cipher.Refused.WRONG_KEY else Tampered
    raise verdict(event.stream, event.version, part, subject, opened.value)


def _commitment(event: Checked, part: int) -> Commitment:
    if not 0 <= part < len(event.commitments):
        raise EntryMismatch(event.stream, event.version, f"the entry names no part {part}")
    return event.commitments[part]
