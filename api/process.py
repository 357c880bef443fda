"""What belongs to one API process and to no request: its number among the others, its counts, its log, its load."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.counts import Counts
from api.protocol import Load
from api.request_log import RequestLog
from api.standings import Standing


@dataclass(frozen=True, slots=True)
class Process:
    """`place` counts from 1 and stays the same when a process takes another's place that has ended."""

    place: int = 1
    counts: Counts = field(default_factory=Counts)
    load: Load = field(default_factory=Load)
    log: RequestLog | None = None

    def as_json(self) -> Standing:
        """Counts and load, in the words of a standing."""
        return {
            **self.counts.as_json(self.load.refused),
            "connections": self.load.connections,
            "unread_bytes": self.load.unread_bytes,
            "log_lines_dropped": 0 if self.log is None else self.log.dropped,
        }
