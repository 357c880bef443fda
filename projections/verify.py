"""Verifies a whole database: the evidence first, then every read model held against it, as of one moment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from ledger.findings import Finding, limited
from ledger.snapshot_keys import SnapshotKeys
from ledger.verify import verify_evidence
from projections.comparison import FOLLOWED, INLINE, Difference, compare
from projections.errors import StreamUnreadable

_OF_SERVICE: Final = {f"read.{name}" for name, table in FOLLOWED.items() if table.kind.is_of_service}
_IDENTIFIER_SLOT: Final = re.compile(r"(/identifiers/[^/\s]+/)\S+")


def verify(
    connection: Connection[Any],
    keys: SnapshotKeys,
    *,
    read_models: Collection[str] = (*FOLLOWED, *INLINE),
    counts: Counter[str] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """What does not hold of the evidence, and of those read models, as the transaction of `connection` sees them.

    Call comparison.hold_tables first in a transaction beside which a rebuild may run. `counts` counts the findings of
    each check, those not told one by one too; `advance` is told of events and places of the log as they are passed,
    and of events once more where read models are compared. Raises psycopg.Error.
    """
    counted = Counter() if counts is None else counts
    yield from verify_evidence(connection, keys, counts=counted, advance=advance)
    if read_models:
        yield from limited(_read_model_findings(connection, keys, read_models, advance), counted)


def _read_model_findings(
    connection: Connection[Any], keys: SnapshotKeys, names: Collection[str], advance: Callable[[int], None]
) -> Iterator[Finding]:
    unreadable: list[UUID] = []

    def skip(error: StreamUnreadable) -> None:
        unreadable.append(error.customer_id)

    for compared in compare(connection, keys, names, skip=skip):
        yield from map(_finding, compared.differences)
        advance(compared.events)
    for customer_id in unreadable:
        yield Finding("read models", f"stream {customer_id}", "were not compared: not all of its events can be read")


def _finding(difference: Difference) -> Finding:
    """The difference, without the identifiers that its key may name: they are customers' data."""
    key = _IDENTIFIER_SLOT.sub(r"\1…", difference.key)
    if difference.table == "read.identifier":
        key = key.partition(":")[0] + ":…"
    whose = "stream" if difference.table in _OF_SERVICE else "customer"
    place = f"{whose} {difference.customer_id} {key}".rstrip()
    return Finding(difference.table, place, difference.detail)
