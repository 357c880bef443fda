"""Worlds on real PostgreSQL: one per test, one per module for what hypothesis repeats; a short history to damage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.projections.world import World, a_world
from tests.server import TestServer
from tests.told import tell


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with a_world(database) as world:
        yield world


@pytest.fixture(scope="module")
def shared_world(server: TestServer) -> Iterator[World]:
    """For tests that only ever look at customers of their own."""
    with server.database() as database, a_world(database) as world:
        yield world


@pytest.fixture(scope="package")
def never_changed(server: TestServer) -> Iterator[str]:
    """A database with the short history of tests/told.py, to be left as it is, with nobody connected to it."""
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


@pytest.fixture
def told(server: TestServer, never_changed: str) -> Iterator[str]:
    """A copy of it."""
    with server.database(str(conninfo_to_dict(never_changed)["dbname"])) as conninfo:
        yield conninfo
