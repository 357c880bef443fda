"""One service with small limits for all tests of a worker process; each test has customers of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checker import check
from tests.overload.load import Target
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service
from tests.server import TestServer

SMALL_LIMITS = {
    "DOSSIER_ORDERS_WAITING": "4",
    "DOSSIER_READS_WAITING": "60",
    "DOSSIER_READ_WAIT_SECONDS": "60",
    "DOSSIER_BODY_BYTES": str(8 * 1024 * 1024),
    "DOSSIER_ANSWER_BYTES": str(1024 * 1024),
    "DOSSIER_CONNECTIONS": "200",
    "DOSSIER_HEAD_SECONDS": "2",
    "DOSSIER_BODY_SECONDS": "2",
    "DOSSIER_ANSWER_SECONDS": "1.5",
    "DOSSIER_IDLE_SECONDS": "3",
}


@pytest.fixture(scope="package")
def strict(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """At the end all of it is checked, and its log holds no complaint."""
    with server.database() as conninfo:
        with Service.start(tmp_path_factory.mktemp("strict") / "data", conninfo, **SMALL_LIMITS) as service:
            yield service
            check(conninfo, service.kek)
        assert service.complaints() == "", service.log.read_text()


@pytest.fixture(scope="package")
def importer(strict: Service) -> Api:
    return strict.as_("svc-import", "importer", kind="SERVICE")


@pytest.fixture(scope="package")
def target(importer: Api) -> Target:
    return Target(str(importer.http.base_url), importer.token)


@pytest.fixture
def file(importer: Api) -> File:
    return importer.register()
