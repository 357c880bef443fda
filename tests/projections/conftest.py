"""Worlds on real PostgreSQL: one per test, and one per module for what hypothesis repeats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.projections.world import World, a_world
from tests.server import TestServer


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with a_world(database) as world:
        yield world


@pytest.fixture(scope="module")
def shared_world(server: TestServer) -> Iterator[World]:
    """For tests that only ever look at customers of their own."""
    with server.database() as database, a_world(database) as world:
        yield world
