"""A real service, started as a user starts it, and the command to talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.main import main
from tests.cli.service import Dossier, Outcome, RunningService
from tests.scenarios.service import wait_until


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with an empty database of its own."""
    with RunningService.start(tmp_path_factory.mktemp("service"), "--no-sample") as running:
        yield running


@pytest.fixture(scope="package")
def sample_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with the sample in it, and read models that have followed; read from it only."""
    with RunningService.start(tmp_path_factory.mktemp("sample")) as running:
        with httpx.Client(base_url=running.url) as http:
            wait_until(lambda: _has_followed(http))
        yield running


def _has_followed(http: httpx.Client) -> bool:
    told = http.get("/readyz").json()
    return bool(told.get("unsealed") == 0 and told["sealed"] == told["position"])


@pytest.fixture
def dossier(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Dossier:
    """The command, run in this process, away from any service unless it is told of one."""
    for name in ("DATABASE_URL", "DOSSIER_DATABASE_URL", "DOSSIER_URL", "DOSSIER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOSSIER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DOSSIER_PURPOSE", "AUDIT")

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        exit_code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 0
        captured = capfd.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return run
