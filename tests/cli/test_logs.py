"""What our processes say on standard error: objects, one a line, and in none of them what an error was about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_LOGS_AND_LIVES = """
import structlog
from cli.logs import configure_logging
configure_logging()
structlog.get_logger().warning("the database does not answer", orders=3)
print("alive")
"""

_MEETS_A_CONFLICT = """
import logging, sys, psycopg
from contextlib import suppress
from cli.logs import configure_logging
configure_logging()
with psycopg.connect(sys.argv[1]) as connection, suppress(psycopg.errors.DivisionByZero), connection.pipeline():
    failing = connection.execute("SELECT 1 / 0")
    connection.execute("SELECT 1")
    failing.fetchone()
logging.getLogger("psycopg").warning("something else")
"""

_FAILS = """
import logging, sys, psycopg, structlog
from cli.logs import configure_logging
from api.trace_context import REQUEST_ID
configure_logging()
REQUEST_ID.set("r-1")
def look():
    with psycopg.connect(sys.argv[1]) as connection:
        connection.execute("SELECT 'canary'::int")
try:
    look()
except psycopg.Error as error:
    logging.getLogger("uvicorn.error").error("failed", exc_info=error)
    try:
        raise ValueError("canary") from error
    except ValueError:
        structlog.get_logger().exception("failed again")
raise RuntimeError("canary")
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
    """Workers meet all the time. What psycopg then says is no news: it did not run the rest."""
    outcome = subprocess.run([sys.executable, "-c", _MEETS_A_CONFLICT, database], stderr=subprocess.PIPE, check=True)
    (line,) = map(json.loads, outcome.stderr.splitlines())
    assert (line["event"], line["level"]) == ("something else", "warning")


def test_an_error_is_told_by_its_kind_and_place_and_never_by_its_message(database: str) -> None:
    outcome = subprocess.run([sys.executable, "-c", _FAILS, database], stderr=subprocess.PIPE, check=False)
    assert outcome.returncode == 1
    assert b"canary" not in outcome.stderr
    lines: list[dict[str, Any]] = [json.loads(line) for line in outcome.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["failed", "failed again", "the process ends by an error"]
    assert [line["request_id"] for line in lines] == ["r-1"] * 3
    (of_psycopg,), (of_ours, cause), (last,) = (line["exception"] for line in lines)
    assert (of_psycopg["kind"], of_psycopg["sqlstate"]) == ("psycopg.errors.InvalidTextRepresentation", "22P02")
    assert any(" look" in place for place in of_psycopg["at"])
    assert (of_ours["kind"], cause) == ("builtins.ValueError", of_psycopg)
    assert last["kind"] == "builtins.RuntimeError"


def test_a_reader_that_reads_no_more_holds_nothing_up() -> None:
    program = f"{_LOGS_AND_LIVES}\nfor _ in range(80): structlog.get_logger().warning('x' * 1000)\nprint('still')"
    command = [sys.executable, "-u", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"alive\nstill\n"
        assert process.wait() == 0
