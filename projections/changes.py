"""read.changes: the audit trail, per event and slot what it moved from and to, and the blame that it answers.

Owns the table. Old and new are what showed at the event's own effective_from (Move has the fine print), as known
just before it and with it. An event that touches a slot has a row for it even where old and new are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection, Connection

from db.queries import load
from domain.facts import ABSENT, Fact
from domain.slots import parent_of
from projections.basis import Basis, Stand
from projections.events import Verification, last_verifications
from projections.moves import Move
from projections.projection import Batch

LATE_AFTER: Final = timedelta(days=1)
"""Recorded longer than this after it became effective, a fact is LATE; the rule book asks for a day (major events)."""

_QUERIES: Final = load("projections", "changes.sql")


class Changes:
    """The projection."""

    name = "changes"

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


async def blame(
    connection: AsyncConnection[Any], customer_id: UUID, position: int, valid_at: datetime, path: str | None = None
) -> list[dict[str, Any]]:
    """Who set what shows at `valid_at` as known at `position`, by slot: at `path` and below, or everywhere.

    `previous` is what had shown when the setting event became effective, as known before it; null if nothing.
    `last_verified` is the last verification of the very value that shows, null if there is none.
    """
    _, items = await _blame(connection, customer_id, path, position, valid_at)
    return items


async def blame_now(
    connection: AsyncConnection[Any], customer_id: UUID, path: str | None = None
) -> tuple[Basis, list[dict[str, Any]]] | None:
    """The same at the latest that the read models know and now, and what that is; None where no slot is held at all."""
    stand, items = await _blame(connection, customer_id, path)
    return None if stand is None else (stand.basis(None), items)


async def _blame(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    path: str | None,
    position: int | None = None,
    valid_at: datetime | None = None,
) -> tuple[Stand | None, list[dict[str, Any]]]:
    params = {"customer_id": customer_id, "position": position, "valid_at": valid_at}
    found = await (await connection.execute(_QUERIES["blame"], params)).fetchall()
    if not found:
        return None, []
    stand, rows = Stand(*found[0][:4]), [row[4:] for row in found]
    verified = await last_verifications(connection, customer_id, stand.reached if position is None else position)
    shown = {row[0] for row in rows if not row[2]}
    wanted = path.rstrip("/") if path else ""
    return stand, [
        _blame_item(customer_id, row) | {"last_verified": _verification(verified.get((row[0], row[8])))}
        for row in rows
        if row[0] in shown
        and ((parent := parent_of(row[0])) is None or parent in shown)
        and (row[0] == wanted or row[0].startswith(wanted + "/"))
    ]


def _blame_item(customer_id: UUID, row: tuple[Any, ...]) -> dict[str, Any]:
    slot, value, _, body, kind, old, old_version, old_event_id, _ = row
    previous = None
    if old is not None:
        previous = {"value": orjson.loads(old), "event_id": str(old_event_id), "version": old_version}
    return {
        "customer_id": str(customer_id),
        "path": slot,
        "value": orjson.loads(value),
        "set_by": set_by(orjson.loads(body), kind),
        "previous": previous,
    }


def _verification(verified: Verification | None) -> dict[str, Any] | None:
    return None if verified is None else verified._asdict()


def set_by(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The event in `body` as blame names it. `approved_by` is the second person, where one was needed."""
    kept = ("event_id", "type", "version", "position", "recorded_at", "observed_at", "effective_from", "effective_to")
    actor = body["actor"]
    return {
        **{name: body[name] for name in kept},
        "actor": actor["id"],
        "on_behalf_of": actor.get("on_behalf_of"),
        **{name: body[name] for name in ("source", "reason", "evidence", "certainty")},
        "approved_by": approved_by(body),
        "kind": kind,
    }


def approved_by(body: Mapping[str, Any]) -> str | None:
    """The staff id of who approved, as a tier reassignment and its corrections carry it."""
    data = body["data"]
    while "replacement" in data:
        data = data["replacement"]
    approver: str | None = data.get("approver_id")
    return approver
