"""How much one principal may ask for in a while: a bucket each, which fills as time goes by and is emptied by use.

What must stay true: nobody's use takes anything from another's; what this remembers is bounded, and a bucket that is
forgotten was full. What something costs may be known only afterwards: then a bucket is overdrawn, and fills up first.
"""

from __future__ import annotations

import math
import time
from typing import Final

from api import refusals

_MOST_REMEMBERED: Final = 10_000


class Budget:
    """`each_second` flows into every bucket, up to `most`; with 0 everybody may have as much as they like.

    One event loop at a time. `what` says in a refusal what there was too much of.
    """

    def __init__(self, what: str, each_second: float, most: float) -> None:
        self._what = what
        self._each_second = each_second
        self._most = most
        self._buckets: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        """How many principals are remembered."""
        return len(self._buckets)

    def take(self, principal: str, cost: float = 1.0) -> None:
        """Pay before having it. Raises Problem 429, which says when to come back, where there is nothing left."""
        if not self._each_second:
            return
        self.require(principal)
        self.charge(principal, cost)

    def require(self, principal: str) -> None:
        """Raises Problem 429 where there is nothing left."""
        if self._each_second and (level := self._level(principal)) < 1:
            raise refusals.too_much(self._what, math.ceil((1 - level) / self._each_second))

    def charge(self, principal: str, cost: float) -> None:
        """Pay for what was had."""
        if not self._each_second:
            return
        level = self._level(principal) - cost
        self._buckets.pop(principal, None)  # those used last are the last to be forgotten
        self._buckets[principal] = (level, time.monotonic())
        if len(self._buckets) > _MOST_REMEMBERED:
            self._forget()

    def _level(self, principal: str) -> float:
        now = time.monotonic()
        level, at = self._buckets.get(principal, (self._most, now))
        return min(self._most, level + (now - at) * self._each_second)

    def _forget(self) -> None:
        """Let go of the full ones, which are as good as new; where all are in use, of the one used longest ago."""
        for principal in [name for name in self._buckets if self._level(name) >= self._most]:
            del self._buckets[principal]
        if len(self._buckets) > _MOST_REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
