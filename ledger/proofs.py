"""Proofs as text (C2SP `tlog-proof`, and what a `tlog-witness` is sent): hashes above, the signed checkpoint below.

What must stay true: a proof ends in the note that it was made for, byte for byte, so that whoever has it needs nothing
else but the entry and the log's key.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.notes import base64


def inclusion_text(index: int, hashes: Iterable[bytes], note: str) -> str:
    """A tlog-proof: the entry at `index` stands in the log of the note."""
    return _text(("c2sp.org/tlog-proof@v1", f"index {index}"), hashes, note)


def consistency_text(old_size: int, hashes: Iterable[bytes], note: str) -> str:
    """The log of the note goes on from that of `old_size`: the body of a witness's `add-checkpoint`."""
    return _text((f"old {old_size}",), hashes, note)


def _text(head: Iterable[str], hashes: Iterable[bytes], note: str) -> str:
    return "".join(f"{line}\n" for line in (*head, *map(base64, hashes), "")) + note
