"""One service with several workers for all of these tests; at the end all of it is checked, its log as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checker import check
from tests.concurrency.holders import assert_one_holder_all_along
from tests.concurrency.logs import assert_only_json
from tests.ledger.conflicts import conflicts_in
from tests.scenarios.service import Service
from tests.server import TestServer

WORKERS = 3


@pytest.fixture(scope="package")
def service(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with server.database() as conninfo:
        data = tmp_path_factory.mktemp("service") / "data"
        with Service.start(data, conninfo, DOSSIER_WORKERS=str(WORKERS)) as service:
            yield service
            check(conninfo, service.kek)
            assert_one_holder_all_along(conninfo, service.kek)
        assert_only_json(service)
        assert conflicts_in(conninfo).deadlocks == 0
