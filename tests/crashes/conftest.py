"""Data folders with a database in them, and chance that can be repeated."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import migrate

Record = Callable[[str, object], None]


@pytest.fixture(scope="package")
def untouched_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("untouched") / "data"
    with EmbeddedPostgres(data) as server:
        migrate(server.conninfo())
    return data


@pytest.fixture
def new_data(untouched_data: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes data folders, each with a database ready to start, below a folder of the given name."""

    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        subprocess.run(["cp", "-a", untouched_data, tmp_path / name / "data"], check=True)
        return tmp_path / name / "data"

    return make


@pytest.fixture
def data(new_data: Callable[[str], Path]) -> Path:
    """A data folder with a database ready to start."""
    return new_data("service")


@pytest.fixture
def chance(record_property: Record) -> random.Random:
    """Reproducible as far as processes are: DOSSIER_CRASH_SEED repeats the choices of a run."""
    seed = int(os.environ.get("DOSSIER_CRASH_SEED") or random.SystemRandom().randrange(10**9))
    record_property("seed", seed)
    print(f"DOSSIER_CRASH_SEED={seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)  # noqa: S311 - no secret
