"""Fixtures of every room."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.server import TestServer, shared_server

pytest_plugins = ("tests.in_memory", "tests.spreading")

# --- the database ---------------------------------------------------------------------------------------------------

_SESSION = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    # As in the Makefile, for whoever starts pytest without it: what one process compiled the next one does not.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    config.stash[_SESSION] = ExitStack()


def pytest_unconfigure(config: pytest.Config) -> None:
    # Here and not in the fixture's teardown: it waits for other processes' tests, which no test's timeout should.
    config.stash[_SESSION].close()


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> TestServer:
    """A real PostgreSQL with a migrated template, shared by all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    is_worker = hasattr(pytestconfig, "workerinput")
    return pytestconfig.stash[_SESSION].enter_context(shared_server(base.parent if is_worker else base))


@pytest.fixture
def database(server: TestServer) -> Iterator[str]:
    """Conninfo of a fresh, migrated database, dropped after the test."""
    with server.database() as conninfo:
        yield conninfo


# --- figures --------------------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured and recorded with `record_property`, whichever process they ran in."""
    reports = (report for group in terminalreporter.stats.values() for report in group)
    # Of the call only: other plugins add entries of their own to the teardown's report.
    calls = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call"]
    measured = {report.nodeid: report.user_properties for report in calls if report.user_properties}
    if measured:
        terminalreporter.write_sep("=", "figures")
    for test, figures in sorted(measured.items()):
        terminalreporter.write_line(test)
        for name, value in figures:
            terminalreporter.write_line(f"    {name}: {value}")
