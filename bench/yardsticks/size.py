"""B13: bytes on disk per event, table by table, for events whose plain content is 400 bytes of JSON."""

from __future__ import annotations

import psycopg

from bench.fixture import Filling
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Findings, at_most

PAYLOAD_BYTES = 400
_FILLING = Filling(5_000, 10, value_bytes=PAYLOAD_BYTES - 40, in_log_order=True)
_SMALL = Filling(50, 10, value_bytes=PAYLOAD_BYTES - 40, in_log_order=True)
_SIZES = """
    SELECT schemaname || '.' || relname, pg_total_relation_size(relid)
    FROM pg_stat_user_tables WHERE schemaname IN ('ledger', 'keys', 'read') ORDER BY 2 DESC
"""


def filling_of(surroundings: Surroundings) -> Filling:
    return _SMALL if surroundings.is_smoke else _FILLING


def size(surroundings: Surroundings) -> Findings:
    """Tables, indexes and what is kept out of line, freshly vacuumed."""
    filling = filling_of(surroundings)
    with surroundings.filled(filling) as conninfo, psycopg.connect(conninfo) as connection:
        sizes: dict[str, int] = dict(connection.execute(_SIZES).fetchall())
    events = filling.customers * filling.events_each
    per_event = {table: total / events for table, total in sizes.items()}
    ledger = sum(total for table, total in per_event.items() if table.startswith(("ledger.", "keys.")))
    payload = [float(PAYLOAD_BYTES)]
    comparisons = [
        Comparison("evidence: ledger and keys", "bytes/event", at_most(3.5), [ledger], payload),
        Comparison("everything", "bytes/event", at_most(8), [sum(per_event.values())], payload),
    ]
    return Findings(
        comparisons, {"bytes per event": {table: round(total) for table, total in per_event.items() if total}}
    )
