"""Data folders with servers of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cluster") / "data"
    with EmbeddedPostgres(folder, fsync=False):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(cluster_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A data folder with a cluster and no server. A test that damages it repairs it: the next one gets it too."""
    folder = cluster_folder.rename(tmp_path / "data")
    yield folder
    folder.rename(cluster_folder)
