"""B12: what a write and a read cost when much is stored, against the same service when nothing is."""

from __future__ import annotations

from contextlib import ExitStack

from bench.fixture import Filling
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Figures, Findings, Wanted, at_most, interleaved
from bench.yardsticks.requests import Registered, registered_service

_CONNECTIONS = 16
_GOAL = at_most(1.2)
_FEW_CUSTOMERS = 1_000


def growth(surroundings: Surroundings) -> Findings:
    """Two services, one on an empty database; both get some customers, on whom the same is done."""
    size = surroundings.size
    stored = {Filling(min(_FEW_CUSTOMERS, size.customers), 10), Filling(size.many_events // 10, 10)}
    comparisons: list[Comparison] = []
    for filling in sorted(stored, key=lambda filling: filling.customers):
        events = filling.customers * filling.events_each
        with ExitStack() as stack:
            grown = stack.enter_context(registered_service(surroundings, filling))
            empty = stack.enter_context(registered_service(surroundings, None))
            found = interleaved(
                surroundings,
                [Wanted("write p50", "ms", _GOAL), Wanted("read p50", "ms", _GOAL)],
                lambda grown=grown: _figures(surroundings, grown),  # type: ignore[misc]
                lambda empty=empty: _figures(surroundings, empty),  # type: ignore[misc]
            )
        comparisons += [
            Comparison(f"{one.what} with {events:,} events stored", one.unit, one.goal, one.ours, one.baseline)
            for one in found
        ]
    return Findings(comparisons, {})


def _figures(surroundings: Surroundings, side: Registered) -> Figures:
    written = side.write(surroundings, _CONNECTIONS)
    side.come_to_rest()
    read = side.read(surroundings, _CONNECTIONS)
    return {"write p50": written.quantile(0.5) * 1e3, "read p50": read.quantile(0.5) * 1e3}
