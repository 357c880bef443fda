"""What an import did: counted while it runs, told line by line where something is wrong, summed up at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Report:
    """Figures of one import. `tell` is called with one sentence for each line that does not go in as it stands."""

    tell: Callable[[str], None]
    lines: int = 0
    broken: int = 0
    changes: int = 0
    commands: int = 0
    replayed: int = 0
    other_content: int = 0
    unchanged: int = 0
    refused: int = 0
    entities: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)

    def break_line(self, number: int, reason: str) -> None:
        """Count a line that cannot be read."""
        self.broken += 1
        self.tell(f"line {number} is broken: {reason}")

    def refuse_line(self, number: int, reason: str) -> None:
        """Count a line that the service does not accept, wholly or in part."""
        self.refused += 1
        self.tell(f"line {number} is refused: {reason}")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def changes_per_second(self) -> float:
        return self.changes / max(self.seconds, 0.001)

    @property
    def is_complete(self) -> bool:
        """Whether every line is in, exactly as it stands."""
        return not (self.broken or self.refused or self.other_content)

    def summary(self) -> dict[str, int | float]:
        """Return the figures by the names that `--json` prints."""
        return {
            "lines": self.lines,
            "changes": self.changes,
            "commands": self.commands,
            "customers": len(self.entities),
            "replayed": self.replayed,
            "other_content": self.other_content,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "broken": self.broken,
            "seconds": round(self.seconds, 3),
            "changes_per_second": round(self.changes_per_second),
        }

    def sentences(self) -> str:
        """Return the figures as people read them."""
        told = [
            f"{self.changes:,} changes of {len(self.entities):,} customers in {self.commands:,} commands",
            f"{self.seconds:.1f} s, {self.changes_per_second:,.0f} changes/s",
        ]
        told += [
            f"{count:,} {what}"
            for count, what in (
                (self.replayed, "commands had been imported before"),
                (self.other_content, "commands had been imported before with other content"),
                (self.unchanged, "lines changed nothing"),
                (self.refused, "lines were refused"),
                (self.broken, "lines were broken"),
            )
            if count
        ]
        return "; ".join(told)
