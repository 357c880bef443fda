"""A file stepped through over HTTP; anybody can compute the hashes from profiles."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from itertools import pairwise
from string import ascii_lowercase
from typing import Any

import orjson
import pytest

from tests.cli.wire import connected
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until

_MOST_AT_ONCE = 2


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _lines(file: File, **query: Any) -> list[dict[str, Any]]:
    answer = file.api.get(f"{file.path}/replay", after=file.token, **query)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.splitlines()]


def test_a_replay_tells_every_event_what_it_changed_and_that_the_log_holds(file: File) -> None:
    wrong = file.record("/attributes", key="n", value=1)
    file.record("/corrections", corrects=wrong["event_id"], replacement={"value": 2})
    file.record("/attributes", key="later", value=1, effective_from="2027-06-01")
    file.record("/attributes/remove", key="n")
    *lines, end = _lines(file)
    assert [line["n"] for line in lines] == list(range(1, file.version + 1))
    assert [line["changed"] for line in lines[4:]] == [["/attributes/n"], ["/attributes/n"], [], ["/attributes/n"]]
    for line, item in zip(lines, file.history(), strict=True):
        item.pop("changes")
        assert line["event"] == item
        assert (line["position"], line["type"]) == (item["position"], item["type"])
    for before, after in pairwise(lines):
        assert after["state_hash_before"] == before["state_hash_after"]
    final = lines[-1]["state_hash_after"]
    assert end["summary"] == {"events": len(lines), "final_hash": final, "log_ok": True, "problems": []}


def test_a_stranger_computes_the_hash_from_what_blame_shows(file: File) -> None:
    """As docs/one-customer.md says it."""
    file.record("/attributes", key="a/b~c", value={"z": [1.5, None, "中"], "a": True})
    file.record("/tags", group="REGION", code="EAST")
    for line in _lines(file)[:-1]:
        moment = {"at_position": line["position"], "valid_at": line["event"]["recorded_at"]}
        state = {item["path"]: item["value"] for item in file.read("blame", **moment)["items"]}
        text = json.dumps(state, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == line["state_hash_after"]


def test_a_replay_can_be_of_some_versions(file: File) -> None:
    for number in range(3):
        file.record("/attributes", key="n", value=number)
    whole = _lines(file)
    *some, end = _lines(file, from_version=3, to_version=5)
    assert some == whole[2:5]
    assert end["summary"]["events"] == 3
    assert end["summary"]["final_hash"] == some[-1]["state_hash_after"]


@pytest.mark.parametrize(
    ("query", "status", "pointer_"),
    [
        ({"from_version": 0}, 422, "from_version"),
        ({"to_version": "x"}, 422, "to_version"),
        ({"from_version": 3, "to_version": 2}, 422, "from_version"),
        ({"known_at": "2026-11-01"}, 422, "known_at"),
        ({"from_version": 99}, 404, None),
        ({"to_version": 99}, 404, None),
    ],
)
def test_versions_that_make_no_sense_are_refused(
    untouched: File, query: dict[str, Any], status: int, pointer_: str | None
) -> None:
    problem = untouched.api.get(f"{untouched.path}/replay", expect=status, after=untouched.token, **query).json()
    assert [field_error["pointer"] for field_error in problem.get("errors", [])] == ([pointer_] if pointer_ else [])


def test_nobody_and_the_unknown_are_not_replayed(file: File, service: Service) -> None:
    file.seen_by(service.anonymous).api.get(f"{file.path}/replay", expect=401)
    nobody = "/v1/customers/01900000-0000-7000-8000-0000000000aa/replay"
    assert file.api.get(nobody, expect=404).json()["type"].endswith("customer-unknown")
    head = file.api.request("HEAD", f"{file.path}/replay", expect=200)
    assert (head.content, head.headers["content-type"]) == (b"", "application/x-ndjson")


def test_few_replays_run_at_once_and_who_goes_away_makes_room(file: File, service: Service) -> None:
    """Long ones, whose readers do not read: each fills its connection's buffers and waits.

    Each event is long, the file is not: of its state at each event the hash is computed.
    """
    for letter in ascii_lowercase[:24]:
        value = letter * 30_000
        file.change(*({"type": "customer.attribute-recorded", "key": f"k{n}", "value": value} for n in range(20)))
    path, token = f"{file.path}/replay?from_version=1", file.token
    file.api.get(f"{file.path}/history", limit=1, after=token)
    with ExitStack() as stack:
        for _ in range(_MOST_AT_ONCE):
            reader = stack.enter_context(connected(str(service.http.base_url).rstrip("/"), receive_buffer=4096))
            reader.request("GET", path, headers={"Authorization": f"Bearer {file.api.token}"})
            assert reader.getresponse().status == 200
        surplus = file.api.request("GET", path)
        assert surplus.status_code == 503
        assert surplus.json()["type"] == "urn:dossier:problem:overloaded"
        assert file.api.get(file.path).status_code == 200
    wait_until(lambda: file.api.request("GET", path).status_code == 200)
    assert _lines(file)[-1]["summary"]["log_ok"]
