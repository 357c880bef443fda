"""Evidence about a file of which something was erased: it says so, proves everything else, and gives nothing away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ledger.forge import audited
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service
from tests.scenarios.test_erasures import CANARIES, REASON, ask, carried_out, erasures
from tests.scenarios.test_evidence import pack_of

NAME, TITLE, PHONE = CANARIES


@pytest.fixture
def auditor(service: Service) -> Api:
    return service.as_("a-7", "auditor")


@pytest.fixture
def key(service: Service) -> str:
    return service.http.get("/log/key").text.strip()


@pytest.fixture
def person(file: File) -> str:
    added = file.record("/contacts", name=NAME, title=TITLE, points=[{"kind": "MOBILE", "value": PHONE}])
    return str(added["data"]["contact_id"])


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


Erase = Callable[[File, str], None]


@pytest.fixture
def erase(officer: Api, second_officer: Api, service: Service) -> Erase:
    """Asks, approves, and waits until it is carried out."""

    def erase(file: File, subject: str) -> None:
        request_id = ask(file, officer, subject)
        file.seen_by(second_officer).send(f"/erasures/{request_id}/approve")
        carried_out(file, service, erasures(file)[-1]["erased"]["position"])

    return erase


def test_a_person_who_was_erased_is_so_in_the_pack(
    file: File, person: str, erase: Erase, auditor: Api, key: str
) -> None:
    before = pack_of(auditor, file, disclose="all")
    assert NAME.encode() in b"".join(before.values())
    erase(file, person)
    files = pack_of(auditor, file, disclose="all", from_checkpoint=before["checkpoint"].decode())
    audit = audited(files, keys=[key], kept=before["checkpoint"])
    assert audit.findings.faults == {}
    assert audit.findings.erased
    assert audit.stream.parts["withheld"] == 0
    assert not any(canary.encode() in content for content in files.values() for canary in CANARIES)
    assert audited(before, keys=[key]).findings.faults == {}


def test_a_customer_who_was_erased_leaves_entries_and_the_records_of_it(
    li_na: Api, erase: Erase, auditor: Api, key: str
) -> None:
    file = li_na.register(NAME, customer_kind="INDIVIDUAL")
    events = file.version
    erase(file, file.customer_id)
    files = pack_of(auditor, file, disclose="all")
    audit = audited(files, keys=[key])
    assert audit.findings.faults == {}
    assert audit.stream.events > events
    assert audit.stream.parts["disclosed"] == audit.stream.events - events
    assert REASON["reason"]["text"].encode() in b"".join(files.values())
    assert NAME.encode() not in b"".join(files.values())
