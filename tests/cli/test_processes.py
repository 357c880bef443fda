"""What our long-running processes have in common."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_LOGS_AND_LIVES = """
import structlog
from cli.processes import configure_logging
configure_logging()
structlog.get_logger().warning("the database does not answer", orders=3)
print("alive")
"""

_MEETS_A_CONFLICT = """
import logging, sys, psycopg
from contextlib import suppress
from cli.processes import configure_logging
configure_logging()
with psycopg.connect(sys.argv[1]) as connection, suppress(psycopg.errors.DivisionByZero), connection.pipeline():
    failing = connection.execute("SELECT 1 / 0")
    connection.execute("SELECT 1")
    failing.fetchone()
logging.getLogger("psycopg").warning("something else")
"""


def logging_to(path: Path) -> subprocess.CompletedProcess[bytes]:
    with path.open("wb") as log:
        return subprocess.run([sys.executable, "-c", _LOGS_AND_LIVES], stdout=subprocess.PIPE, stderr=log, check=False)


def test_a_line_of_the_log_is_an_object(tmp_path: Path) -> None:
    assert logging_to(tmp_path / "log").stdout == b"alive\n"
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith('{"orders": 3, "event": "the database does not answer", "level": "warning", "timestamp": ')


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    outcome = logging_to(Path("/dev/full"))
    assert (outcome.returncode, outcome.stdout) == (0, b"alive\n")


def test_a_conflict_of_two_workers_leaves_no_line(database: str) -> None:
    """Workers meet all the time. What psycopg then says is no object, and no news: it did not run the rest."""
    outcome = subprocess.run([sys.executable, "-c", _MEETS_A_CONFLICT, database], stderr=subprocess.PIPE, check=True)
    assert outcome.stderr == b"something else\n"
