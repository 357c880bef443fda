"""After a fork of the history: what was told before is good up to the fork, and refused beyond it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from ledger.epochs import begin_epoch
from ledger.ring import KekRing
from tests.checker import check
from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer

_UNTOLD = {"DOSSIER_READ_LEDGER": "false"}
"""Views would be events too, and positions are counted here."""


@dataclass(frozen=True)
class Fork:
    """A service whose log was cut off after position `at`; `file` has events before it and after it."""

    api: Api
    file: File
    at: int
    epoch: str
    position: int
    """Of the newest event."""

    def refused(self, pointer: str, answer: Any) -> None:
        problem = answer.json()
        assert answer.status_code == 409, problem
        assert problem["type"] == "urn:dossier:problem:history-forked"
        assert problem["errors"][0]["pointer"] == pointer
        assert (problem["epoch"], problem["last_common_position"]) == (self.epoch, self.at)

    def named(self, position: int) -> str:
        return f"{self.epoch}:{position}"


@pytest.fixture(scope="module")
def fork(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fork]:
    folder = tmp_path_factory.mktemp("forked")
    with server.database() as conninfo:
        with Service.start(folder / "before", conninfo, **_UNTOLD) as service:
            customer_id = _recorded(service.as_("u-118", "editor").register(), range(5)).customer_id
            at = _sealed(service)
        with psycopg.connect(conninfo) as connection:
            epoch = begin_epoch(connection, "u-7", None)
        kek = {"DOSSIER_KEK_FILE": str(folder / "before" / "keys" / "kek")}
        with Service.start(folder / "after", conninfo, **kek, **_UNTOLD) as service:
            api = service.as_("u-118", "custodian")
            file = _recorded(api.file(customer_id), range(5, 9))
            yield Fork(api, file, at, epoch.name, _sealed(service))
            check(conninfo, _kek_of(folder))
        assert service.complaints() == ""


def _recorded(file: File, numbers: range) -> File:
    for number in numbers:
        file.record("/attributes", key="n", value=number)
    return file


def _sealed(service: Service) -> int:
    """The end of the log, when nothing is on its way any more."""

    def told() -> dict[str, Any]:
        content: dict[str, Any] = service.http.get("/readyz").json()
        return content

    wait_until(lambda: told().get("unsealed") == 0 and told()["sealed"] == told()["position"])
    return int(told()["position"])


def _kek_of(folder: Path) -> KekRing:
    return KekRing.from_file(folder / "before" / "keys" / "kek")


def test_a_position_from_before_the_fork_is_a_number_as_ever(fork: Fork) -> None:
    profile = fork.api.get(fork.file.path, at_position=fork.at).json()
    assert profile["basis"]["position"] == fork.at
    assert f"at_position={fork.at}&" in profile["provenance"]


def test_a_plain_number_from_beyond_it_was_told_in_the_first_epoch(fork: Fork) -> None:
    for path in (fork.file.path, f"{fork.file.path}/history", f"{fork.file.path}/timeline", "/v1/history"):
        fork.refused("at_position", fork.api.request("GET", path, params={"at_position": fork.position}))


def test_a_position_with_its_epoch_is_found(fork: Fork) -> None:
    profile = fork.api.get(fork.file.path, at_position=fork.named(fork.position)).json()
    assert profile["basis"]["position"] == fork.position
    again = fork.api.get(profile["provenance"]).json()
    assert f"at_position={fork.epoch}%3A{fork.position}&" in profile["provenance"]
    assert again["basis"]["position"] == fork.position


def test_one_of_a_history_that_nobody_knows_is_refused(fork: Fork) -> None:
    answer = fork.api.request("GET", fork.file.path, params={"at_position": "2-ffffff:1"})
    assert (answer.status_code, answer.json()["epoch"]) == (409, fork.epoch)
    assert "a history that this log does not know" in answer.json()["detail"]


@pytest.mark.parametrize("position", ["0", "x", "1:", ":5", "2-a:x", "-1", "1:0", f"1:{2**64}"])
def test_what_is_no_position_is_told_as_such(fork: Fork, position: str) -> None:
    answer = fork.api.request("GET", fork.file.path, params={"at_position": position})
    assert answer.status_code in {409, 422}
    assert answer.status_code == 422 or position.startswith("1:1")


def test_pages_of_an_epoch_go_on_in_it(fork: Fork) -> None:
    first = fork.api.get(f"{fork.file.path}/history", limit=3).json()
    second = fork.api.get(f"{fork.file.path}/history", limit=3, page_token=first["next_page_token"]).json()
    positions = [item["position"] for page in (first, second) for item in page["items"]]
    assert positions == sorted(set(positions))
    assert len(positions) == 6


def test_a_page_token_from_beyond_the_fork_is_refused(fork: Fork) -> None:
    for path in (f"{fork.file.path}/history", f"{fork.file.path}/timeline", "/v1/history"):
        token = fork.api.get(path, limit=1).json()["next_page_token"]
        query = {"limit": 1, "page_token": _of_the_first_epoch(token)}
        fork.refused("page_token", fork.api.request("GET", path, params=query))


def _of_the_first_epoch(token: str) -> str:
    """The token as it had been written before the fork, for the same position."""
    place, *rest = orjson.loads(urlsafe_b64decode(token))
    return urlsafe_b64encode(orjson.dumps([int(place.rpartition(":")[2]), *rest])).decode()


def test_a_write_says_in_which_epoch_it_was_made(fork: Fork) -> None:
    answer = fork.file.send("/attributes", {**WELL_FOUNDED, "key": "m", "value": 1})
    token = answer.headers["Dossier-Token"]
    assert token.endswith(f":{fork.epoch}")
    assert fork.api.get(fork.file.path, after=token).status_code == 200
    assert fork.api.get(f"{fork.file.path}/history", after=token).status_code == 200


def test_a_token_of_a_write_that_is_lost_or_another_one_now_is_refused(fork: Fork) -> None:
    shared, beyond, lost = (f"{fork.file.customer_id}:{version}" for version in (2, 12, 900))
    for path in (fork.file.path, f"{fork.file.path}/history"):
        assert fork.api.get(path, after=shared).status_code == 200
        fork.refused("after", fork.api.request("GET", path, params={"after": beyond}))
        fork.refused("after", fork.api.request("GET", path, params={"after": lost}))
    unknown = fork.api.request("GET", f"{fork.file.path}/history", params={"after": f"{lost}:{fork.epoch}"})
    assert unknown.status_code == 404


def test_differences_between_positions_know_epochs(fork: Fork) -> None:
    found = fork.api.get(f"{fork.file.path}/diff", from_=fork.at, to=fork.named(fork.position)).json()
    assert [change["path"] for change in found["changes"]] == ["/attributes/n"]
    query = {"from": fork.at, "to": fork.position}
    fork.refused("to", fork.api.request("GET", f"{fork.file.path}/diff", params=query))


def test_questions_about_all_customers_know_epochs(fork: Fork) -> None:
    def ask(path: str, body: dict[str, Any]) -> Any:
        return fork.api.request("POST", f"/v1/portfolio/{path}", json=body)

    named = ask("query", {"at_position": fork.named(fork.position)})
    assert named.json()["basis"]["position"] == fork.position
    fork.refused("/at_position", ask("query", {"at_position": fork.position}))
    assert ask("query", {"at_position": "none"}).status_code == 422
    fork.refused("/to/at_position", ask("diff", {"from": {"at_position": 1}, "to": {"at_position": fork.position}}))
    known = {"from": {"at_position": 1}, "to": {"at_position": fork.named(fork.position)}}
    assert ask("diff", known).json()["to"]["position"] == fork.position
