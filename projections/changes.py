"""read.changes: the audit trail, per event and slot what it moved from and to.

Owns the table. Old and new are what showed at the event's own effective_from (Move has the fine print), as known
just before it and with it. An event that touches a slot has a row for it even where old and new are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import Connection

from db.queries import load
from domain.facts import ABSENT, Fact
from domain.streams import StreamKind
from projections.moves import Move
from projections.projection import Batch

LATE_AFTER: Final = timedelta(days=1)
"""Recorded longer than this after it became effective, a fact is LATE; the rule book asks for a day (major events)."""

_QUERIES: Final = load("projections", "changes.sql")


class Changes:
    """The projection."""

    name = "changes"
    follows = StreamKind.CUSTOMER

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        moves = batch.moves.moves
        if not moves:
            return
        columns = {
            "customer_ids": [move.event.envelope.customer_id for move in moves],
            "versions": [move.event.envelope.version for move in moves],
            "slots": [move.slot for move in moves],
            "positions": [move.position for move in moves],
            "olds": [_json(move.before) for move in moves],
            "news": [_json(move.after) for move in moves],
            "old_absent": [_is_absent(move.before) for move in moves],
            "new_absent": [_is_absent(move.after) for move in moves],
            "kinds": [kind_of(move) for move in moves],
            "old_versions": [move.before.version if move.before else None for move in moves],
        }
        connection.execute(_QUERIES["insert"], columns)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        connection.execute(_QUERIES["forget"], {"customer_id": customer_id})


def kind_of(move: Move) -> str:
    """CORRECTION: we were wrong. LATE: recorded more than LATE_AFTER after it was so, initial loads aside."""
    envelope = move.event.envelope
    if envelope.corrects or envelope.retracts:
        return "CORRECTION"
    start = envelope.effective_from
    if start is not None and not envelope.initial_load and start < envelope.recorded_at - LATE_AFTER:
        return "LATE"
    return "CHANGE"


def _json(fact: Fact | None) -> str | None:
    return None if fact is None or fact.value is ABSENT else orjson.dumps(fact.value).decode()


def _is_absent(fact: Fact | None) -> bool:
    return fact is not None and fact.value is ABSENT


def approved_by(body: Mapping[str, Any]) -> str | None:
    """The staff id of who approved: whoever recorded what was proposed, or whom a tier reassignment names."""
    if body.get("proposed"):
        agreed: str = body["actor"]["id"]
        return agreed
    data = body["data"]
    while "replacement" in data:
        data = data["replacement"]
    approver: str | None = data.get("approver_id")
    return approver
