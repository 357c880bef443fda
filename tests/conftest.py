"""Fixtures of every room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.server import TestServer, shared_server

# --- the database ---------------------------------------------------------------------------------------------------

_SESSION = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
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
