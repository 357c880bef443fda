"""One running service for all scenarios of a worker process; each scenario has customers of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checker import check
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service
from tests.server import TestServer


@pytest.fixture(scope="package")
def service(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real thing, on a database of its own; at the end all of it is checked, and its log holds no complaint."""
    with server.database() as conninfo:
        with Service.start(tmp_path_factory.mktemp("service") / "data", conninfo) as service:
            yield service
            check(conninfo, service.kek)
        assert service.complaints() == "", service.log.read_text()


@pytest.fixture(scope="package")
def li_na(service: Service) -> Api:
    """An editor."""
    return service.as_("u-118", "editor", name="Li Na")


@pytest.fixture(scope="package")
def wang(service: Service) -> Api:
    """A second person: an editor who may approve tiers, by the name that this role had before."""
    return service.as_("u-301", "editor", "tier:approve", name="Wang Wei")


@pytest.fixture(scope="package")
def auditor(service: Service) -> Api:
    """Reads everything, over all customers, and takes it away."""
    return service.as_("u-900", "auditor", name="Sun Li")


@pytest.fixture(scope="package")
def officer(service: Service) -> Api:
    """A privacy officer, who asks for erasures and places holds."""
    return service.as_("u-501", "privacy", name="Chen Jing")


@pytest.fixture(scope="package")
def second_officer(service: Service) -> Api:
    """Another one, who decides."""
    return service.as_("u-502", "privacy", name="Zhao Min")


@pytest.fixture(scope="package")
def custodian(service: Service) -> Api:
    """Records what not everybody may see, and sees all of it."""
    return service.as_("u-601", "custodian", name="Gao Fei")


@pytest.fixture(scope="package")
def viewer(service: Service) -> Api:
    """Owns no customer: sees of all of them what is internal."""
    return service.as_("u-701", "viewer")


@pytest.fixture(scope="package")
def administrator(service: Service) -> Api:
    """Keeps the staff records."""
    return service.as_("u-801", "administrator")


@pytest.fixture(scope="package")
def importer(service: Service) -> Api:
    return service.as_("svc-import", "importer", kind="SERVICE")


@pytest.fixture(scope="module")
def untouched(li_na: Api) -> File:
    """One file for all refusals of a module: none of them changes it."""
    file = li_na.register()
    file.record("/contacts", name="Lin")
    return file
