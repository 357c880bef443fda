"""What a verification finds: where something stored is not what it must be.

What must stay true: a finding names places, columns and reasons, never what customers' data say; and a fault that
shows a million times is told a few times and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

MOST_OF_A_CHECK: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` did not hold at `place`; `detail` says in which way."""

    check: str
    place: str
    detail: str
    index: int | None = None
    """The log index from which on it does not hold, where the log is what it is about."""


def place_of(stream: UUID, version: int, idx: int | None = None) -> str:
    """Where an event stands: by its log index once it is sealed."""
    event = f"stream {stream} version {version}"
    return event if idx is None else f"log index {idx} ({event})"


def limited(findings: Iterable[Finding], counts: Counter[str], most: int = MOST_OF_A_CHECK) -> Iterator[Finding]:
    """The first findings of each check, and at the end of how many more nothing is told; `counts` counts all."""
    met: set[str] = set()
    for finding in findings:
        met.add(finding.check)
        counts[finding.check] += 1
        if counts[finding.check] <= most:
            yield finding
    for check in sorted(met):
        if counts[check] > most:
            yield Finding(check, "elsewhere", f"{counts[check] - most} more of this kind")
