"""Where time and space go: every profile is of tables, and what is counted in them is counted where it was spent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.frames import Samples, sampled
from bench.processes import Spending, descendants, program
from bench.profile import PROFILES
from bench.surroundings import SIZES, Surroundings
from tests.server import TestServer

PROJECT = Path(__file__).parents[2]
FOLDED = f"""
run (/usr/lib/python3.11/threading.py:982);seal ({PROJECT}/ledger/codec.py:12) 3
run (/usr/lib/python3.11/threading.py:982);seal ({PROJECT}/ledger/codec.py:20);wait (/v/site-packages/psycopg/w.py:7) 5
run (/usr/lib/python3.11/threading.py:982) 2
<lambda> (<string>:1) 2
""".strip().splitlines()


@pytest.mark.parametrize(
    "yardstick", ["B8", "B13", *(pytest.param(each, marks=pytest.mark.long) for each in ("B1", "B5"))]
)
def test_a_profile_is_of_tables(yardstick: str, tmp_path: Path, server: TestServer) -> None:
    surroundings = Surroundings(
        tmp_path, tmp_path / "cache", seconds=0.3, size=SIZES["smoke"], is_smoke=True, given=server.conninfo
    )
    with surroundings.stack:
        lines = list(PROFILES[yardstick](surroundings))
    assert len(lines) > 3
    assert all(line.strip().startswith("| ") for line in lines)


def test_samples_are_counted_where_they_were_taken_and_not_where_that_was_called() -> None:
    samples = Samples(FOLDED)
    assert list(samples.by_package().items()) == [
        ("psycopg", 5 / 12),
        ("ledger/codec.py", 3 / 12),
        ("Python's own library", 2 / 12),
        ("other", 2 / 12),
    ]
    assert samples.by_function()["ledger/codec.py: seal"] == 3 / 12


def test_without_py_spy_nothing_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with sampled({"client": os.getpid()}) as found:
        pass
    assert found == {}


def test_what_is_spent_is_told_by_who_spends_it(database: str) -> None:
    spending = Spending(database)
    while "client" not in spending.seconds():
        sum(range(100_000))
    assert spending.seconds()["client"] > 0


def test_a_process_goes_by_what_it_runs() -> None:
    assert program(os.getpid()) == "client"
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"], stderr=subprocess.PIPE
    ) as other:
        assert other.pid in descendants(os.getpid())
        assert program(other.pid) == "http.server"
        other.kill()
    assert program(other.pid) == "ended"
