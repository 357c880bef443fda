"""A world to attack, as new for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.attacks.world import World, found_world
from tests.server import TestServer


@pytest.fixture(scope="package")
def founded(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What every world is a copy of; nobody may be connected to it."""
    outside = tmp_path_factory.mktemp("outside")
    with server.database() as database:
        found_world(database, outside)
        yield World(database, outside)


@pytest.fixture
def world(server: TestServer, founded: World, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(founded.outside, tmp_path / "outside")
    with server.database(template=name_of(founded.database)) as database:
        yield World(database, tmp_path / "outside")


def name_of(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])
