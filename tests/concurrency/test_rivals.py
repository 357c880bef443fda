"""Processes that batch the same streams, identifiers and keys, each in an order of its own: nobody gets stuck."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.ledger.conflicts import conflicts_in
from tests.ledger.writing import assert_consistent, receipts_of, registration, write_path
from tests.server import TestServer

Figures = Callable[[str, object], None]

_CUSTOMERS = 5


def test_rivals_never_deadlock(server: TestServer) -> None:
    _rival(server, rivals=2, rounds=8)


@pytest.mark.long
def test_rivals_never_deadlock_in_the_long_run(server: TestServer, record_property: Figures) -> None:
    for name, figure in _rival(server, rivals=3, rounds=100).items():
        record_property(name, figure)


def _rival(server: TestServer, *, rivals: int, rounds: int) -> dict[str, int]:
    with server.database() as database:
        with write_path(database) as path:
            opened = path.process(*(registration(f"customer {number}") for number in range(_CUSTOMERS)))
            customers = [str(receipt.customer_id) for receipt in receipts_of(opened)]
        outcomes = _outcomes(database, customers, rivals, rounds)
        conflicts = conflicts_in(database)
        assert outcomes.keys() <= {"recorded", "replayed", "refused"}, outcomes
        assert outcomes["recorded"] + outcomes["replayed"] >= rivals * rounds * (2 * _CUSTOMERS + 3)
        assert conflicts.deadlocks == 0
        assert conflicts.rollbacks > 0, "they never met"
        assert_consistent(database)
    return {**outcomes, **conflicts._asdict()}


def _outcomes(database: str, customers: list[str], rivals: int, rounds: int) -> Counter[str]:
    """Round by round, all rivals beginning at the same time."""
    outcomes: Counter[str] = Counter()
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(database, f"rival {place}")) for place in range(rivals)]
        for number in range(rounds):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(json.dumps({"round": number, "customers": customers}) + "\n")
                process.stdin.flush()
            for process in processes:
                assert process.stdout is not None
                outcomes.update(json.loads(process.stdout.readline()))
    return outcomes


def _process(database: str, name: str) -> subprocess.Popen[str]:
    """A rival; as a context it ends when its input does."""
    command = [sys.executable, "-m", "tests.concurrency.rival", database, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
