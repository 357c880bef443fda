"""What the scrubber remembers: how far it has looked, how long the log was, and the first fault that it found.

Kept in files of the service's own data folder and not in the database, where whoever damages the log could take the
finding back. What must stay true: a finding stays, over restarts and over a repair, until somebody has had the whole
database verified and nothing was wrong (`withdraw`); files are replaced whole, never written in place.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ledger.findings import Finding

_PROGRESS: Final = "progress.json"
_FINDING: Final = "finding.json"


@dataclass(frozen=True)
class Progress:
    """`position` is how many places of this lap were looked at, 0 between two; `size` the most that the log had."""

    position: int = 0
    laps: int = 0
    size: int = 0
    looked_at: str | None = None
    oldest_unsealed_seconds: float | None = None


class ScrubRecord:
    """Belongs to one scrubber; anybody may read it meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, data: Path) -> ScrubRecord:
        """The record of the service with that data folder."""
        return cls(data / "scrubber")

    def progress(self) -> Progress | None:
        """How far it has got; None when there is no scrubber, or none that ever came to its first step."""
        try:
            return Progress(**self._read(_PROGRESS) or {}) if (self._folder / _PROGRESS).exists() else None
        except (TypeError, ValueError):
            return Progress()  # of another version, or torn by a full disk: a lap begins anew

    def finding(self) -> dict[str, Any] | None:
        """The first fault since somebody last had the database verified: check, place, detail, index, found_at."""
        try:
            return self._read(_FINDING)
        except ValueError:
            return {"check": "scrubber", "place": str(self._folder / _FINDING), "detail": "cannot be read"}

    def note(self, progress: Progress) -> None:
        """Raises OSError."""
        self._write(_PROGRESS, asdict(progress), sync=False)

    def tell(self, finding: Finding) -> None:
        """Keep a finding, unless there is one already. Raises OSError."""
        if not (self._folder / _FINDING).exists():
            self._write(_FINDING, {**asdict(finding), "found_at": _now()}, sync=True)

    def withdraw(self) -> dict[str, Any] | None:
        """Forget the finding, after everything was verified; return what was forgotten. Raises OSError."""
        finding = self.finding()
        (self._folder / _FINDING).unlink(missing_ok=True)
        return finding

    def begin_anew(self) -> None:
        """Forget everything: the log that is looked at from now on is another one. Raises OSError."""
        for name in (_FINDING, _PROGRESS):
            (self._folder / name).unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def _write(self, name: str, content: dict[str, Any], *, sync: bool) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        fresh.replace(path)
        if sync:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _now() -> str:
    return datetime.now(UTC).isoformat()
