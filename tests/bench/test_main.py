"""`python -m bench` when something is in the way: it says what, goes on, tells by its exit code, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.fixture import KEK_TEXT, Filling
from bench.surroundings import SIZES, Surroundings
from db.postgres_binaries import find_bindir
from ledger.kek import FileKek
from projections.rebuild import Watch, check
from tests.processes import title_of
from tests.server import TestServer

PROJECT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120


@contextmanager
def bench(folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A run whose every file is below a folder."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "bench", "--smoke", "--cache", str(folder / "cache"), *options],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_missing_tool_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in find_bindir().bindir.iterdir():
        if program.name != "pgbench":
            (programs / program.name).symlink_to(program)
    with bench(tmp_path, "--only", "B4,B13", PG_BINDIR=str(programs)) as run:
        out, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 2, err
    assert "not measured: pgbench is not at" in out
    assert "bytes/event" in out
    assert "Traceback" not in err


def test_without_a_server_every_yardstick_says_so(tmp_path: Path) -> None:
    with bench(tmp_path, "--only", "B13,B3", PG_BINDIR=str(tmp_path)) as run:
        out, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 2, err
    assert out.count("not measured: PG_BINDIR is") == 2
    assert "Traceback" not in err


def test_a_yardstick_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with bench(tmp_path, "--only", "B99") as run:
        _, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 2
    assert "there is no B99" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_given_up_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with bench(tmp_path, "--only", "B2,B1,B5,B12") as run:  # enough for a slow look at processes
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any("cli.worker" in title for title in titles_of(tmp_path)):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(number)
        out, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 130, (out, err)
    assert "given up" in err
    assert list((tmp_path / "temporary").iterdir()) == []
    assert titles_of(tmp_path) == []


def titles_of(folder: Path) -> list[str]:
    """The processes that name something in the folder, in their words or in their environment."""
    return [title_of(process_id) for process_id in process_ids() if names(process_id, folder)]


def process_ids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def names(process_id: int, folder: Path) -> bool:
    try:
        return os.fsencode(folder) in Path(f"/proc/{process_id}/environ").read_bytes()
    except OSError:
        return False


def test_a_fixture_is_what_its_events_say(tmp_path: Path, server: TestServer) -> None:
    surroundings = Surroundings(tmp_path, tmp_path, size=SIZES["smoke"], given=server.conninfo)
    fillings = (Filling(5, 12), Filling(2, 30, first=100))
    with surroundings.filled(*fillings) as conninfo:
        found = check(
            conninfo, FileKek.from_text(KEK_TEXT), Watch(found=lambda difference: pytest.fail(str(difference)))
        )
    assert (found.customers, found.events, found.unreadable) == (7, 120, [])
