"""Replays under way: how many there may be at once, and the keys that they open events with."""

from __future__ import annotations

from dataclasses import dataclass

from api import refusals
from ledger.codec import DataKeys


@dataclass(slots=True)
class Replays:
    """Each holds the facts of a whole stream and keeps a processor busy, so that few are let in. One event loop."""

    keys: DataKeys
    most: int = 2
    _under_way: int = 0

    def begin(self) -> None:
        """To be followed by `end`, once. Raises Problem 503."""
        if self._under_way >= self.most:
            raise refusals.overloaded("Too many replays are under way")
        self._under_way += 1

    def end(self) -> None:
        self._under_way -= 1
