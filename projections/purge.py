"""Purging: when the read models pass an erasure, the customer is projected anew from what the ledger still says.

What must stay true: no row of before stays, whatever it said, and the rows in its place are those that a rebuild
makes; so live tables and shadows purge alike, and nobody has to know which values stood where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from domain.events.privacy import PersonalDataErased
from domain.fold import History
from projections.moves import Moves, Positioned
from projections.projection import Batch


def erased_customers(entries: Iterable[Positioned]) -> list[UUID]:
    """Of whom an event among these erased something."""
    erased = {entry.event.originator_id for entry in entries if isinstance(entry.event.payload, PersonalDataErased)}
    return sorted(erased)


def whole(entries: Sequence[Positioned]) -> Batch:
    """All of one customer's events and what they did, from nothing on."""
    envelopes = [entry.event.envelope for entry in entries]
    takes_back = any(envelope.corrects or envelope.retracts for envelope in envelopes)
    moves = Moves((), {envelopes[0].customer_id: History()} if takes_back else {})
    for entry in entries:
        moves.take(entry)
    return Batch(entries, moves)
