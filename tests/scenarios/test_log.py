"""The log over HTTP, as somebody reads it who has nothing but its key: checkpoint, tiles, entries, proofs."""

from __future__ import annotations

from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from ledger.checkpoint import Checkpoint, opened
from ledger.merkle import TILE_WIDTH, leaf_hash, verify_consistency, verify_inclusion
from ledger.notes import VerifierKey
from ledger.tiles import Tile, entries_in, hashes_in, tiles_of
from tests.ledger.naive_tree import root_of
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until

_FOR_EVER = "max-age=31536000, immutable"


@pytest.fixture
def file(li_na: Api) -> File:
    file = li_na.register()
    file.record("/attributes", key="plan", value="basic")
    return file


def fetch(service: Service, path: str, api: Api | None = None, expect: int = 200) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.token}"} if api else {}
    answer = service.http.get(f"/log/{path}", headers=headers)
    assert answer.status_code == expect, answer.text
    return answer


def key_of(service: Service) -> VerifierKey:
    return VerifierKey.from_text(fetch(service, "key").text.removesuffix("\n"))


def checkpoint_of(service: Service) -> Checkpoint:
    key = key_of(service)
    return opened(fetch(service, "checkpoint").content, [key], key.name)


def until_signed(service: Service, position: int) -> Checkpoint:
    wait_until(lambda: service.http.get("/log/checkpoint").status_code == 200)
    wait_until(lambda: checkpoint_of(service).size >= position)
    return checkpoint_of(service)


def test_what_was_recorded_is_in_the_signed_log(service: Service, file: File, li_na: Api) -> None:
    """The whole way of an outsider: every tile of the checkpoint, leaves from entries, the root from the leaves."""
    signed = until_signed(service, file.position)
    tiles = {tile: fetch(service, tile.path, li_na).content for tile in tiles_of(signed.size)}
    entries, leaves = [], []
    for tile, content in tiles.items():
        if tile.level is None:
            entries += entries_in(content, tile.width)
        elif tile.level == 0:
            leaves += hashes_in(content, tile.width)
    assert leaves == [leaf_hash(entry) for entry in entries]
    assert root_of(leaves) == signed.root
    found = orjson.loads(entries[file.position - 1])
    assert (found["stream"], found["version"]) == (file.customer_id, file.version)


def test_anybody_may_see_how_the_log_grows_and_nobody_else_its_entries(service: Service, file: File) -> None:
    until_signed(service, file.position)
    for path in ("key", "checkpoint", "tile/0/000.p/1"):
        fetch(service, path)
    fetch(service, "tile/entries/000.p/1", expect=401)
    fetch(service, "tile/entries/000.p/1", Api(service.http, "no token"), expect=401)


def test_what_never_changes_is_kept_by_caches_and_the_rest_is_asked_for_again(
    service: Service, file: File, li_na: Api
) -> None:
    until_signed(service, file.position)
    headers = {path: fetch(service, path, li_na).headers for path in ("checkpoint", "tile/0/000.p/1")}
    assert headers["checkpoint"]["cache-control"] == "no-cache"
    assert headers["checkpoint"]["content-type"] == "text/plain; charset=utf-8"
    assert headers["tile/0/000.p/1"]["cache-control"] == f"public, {_FOR_EVER}"
    assert headers["tile/0/000.p/1"]["content-type"] == "application/octet-stream"
    entries = fetch(service, "tile/entries/000.p/1", li_na)
    assert entries.headers["cache-control"] == f"private, {_FOR_EVER}"
    assert entries.headers["content-type"] == "application/octet-stream"


def test_narrower_tiles_are_the_beginning_of_wider_ones(service: Service, file: File, li_na: Api) -> None:
    until_signed(service, file.position)
    for kind in ("0", "entries"):
        one, two = (fetch(service, f"tile/{kind}/000.p/{width}", li_na).content for width in (1, 2))
        assert two.startswith(one)


def test_nothing_is_given_out_that_is_not_signed(service: Service, file: File, li_na: Api) -> None:
    signed = until_signed(service, file.position)
    beyond = Tile(0, signed.size // 256 + 1)
    for tile in (beyond, Tile(None, beyond.index), Tile(7, 0, 1)):
        problem = fetch(service, tile.path, li_na, expect=404).json()
        assert problem["type"] == "urn:dossier:problem:tile-not-signed"
        assert problem["instance"] == f"/log/{tile.path}"


@pytest.mark.parametrize(
    "path",
    ["0", "0/0", "0/000.p/256", "0/000.p/0", "64/000", "data/000", "0/x000/001", "0/000/", "0/%2e%2e/checkpoint"],
)
def test_what_is_no_tile_is_named(service: Service, path: str) -> None:
    assert fetch(service, f"tile/{path}", expect=422).json()["type"] == "urn:dossier:problem:malformed-tile"


def test_there_are_no_parameters(service: Service) -> None:
    assert service.http.get("/log/checkpoint?size=3").json()["type"] == "urn:dossier:problem:invalid-parameter"


def test_head_is_answered_as_get(service: Service, file: File) -> None:
    until_signed(service, file.position)
    answer = service.http.head("/log/tile/0/000.p/2")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "64", b"")


def test_a_crowd_of_strangers_is_answered_and_keeps_nobody_out(service: Service, file: File) -> None:
    until_signed(service, file.position)
    each_anew = httpx.Limits(max_keepalive_connections=0)
    with (
        httpx.Client(base_url=service.http.base_url, timeout=60, limits=each_anew) as strangers,
        ThreadPoolExecutor(24) as crowd,
    ):
        asked = [crowd.submit(strangers.get, "/log/tile/0/000.p/1") for _ in range(400)]
        assert file.profile()["customer_id"] == file.customer_id
        assert {answer.result().status_code for answer in asked} == {200}


# --- proofs ---------------------------------------------------------------------------------------------------------


def prove(api: Api, kind: str, **query: Any) -> tuple[dict[str, Any], Checkpoint, list[bytes]]:
    answer = api.get(f"/v1/log/proofs/{kind}", **query).json()
    note = answer["checkpoint"]
    return (
        answer,
        Checkpoint.from_text(note.partition("\n\n")[0] + "\n"),
        [b64decode(each) for each in answer["hashes"]],
    )


def test_an_event_is_proved_to_be_in_the_signed_log(service: Service, file: File, li_na: Api) -> None:
    position = file.position
    until_signed(service, position)
    answer, signed, hashes = prove(li_na, "inclusion", position=position)
    leaf = b64decode(answer["leaf_hash"])
    verify_inclusion(leaf, answer["index"], signed.size, hashes, signed.root)
    assert (answer["position"], answer["index"]) == (position, position - 1)
    assert opened(answer["checkpoint"].encode(), [key_of(service)]) == signed
    number, place = divmod(answer["index"], TILE_WIDTH)
    bundle = fetch(service, Tile(None, number, place + 1).path, li_na).content
    assert leaf_hash(entries_in(bundle, place + 1)[-1]) == leaf


def test_the_log_is_proved_to_have_grown(service: Service, file: File, li_na: Api) -> None:
    old = until_signed(service, file.position)
    file.record("/attributes", key="plan", value="gold")
    until_signed(service, file.position)
    answer, signed, hashes = prove(li_na, "consistency", from_size=old.size)
    assert signed.size > old.size
    verify_consistency(old.size, signed.size, hashes, old.root, signed.root)
    assert answer["from_size"] == old.size


def test_a_proof_can_be_had_of_an_earlier_checkpoint(service: Service, file: File, li_na: Api) -> None:
    old = until_signed(service, file.position)
    file.record("/attributes", key="plan", value="gold")
    until_signed(service, file.position)
    _, signed, _ = prove(li_na, "inclusion", position=1, size=old.size)
    assert signed == old


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("inclusion", "422 invalid-parameter"),
        ("inclusion?position=0", "422 invalid-parameter"),
        ("inclusion?position=99999999", "422 invalid-parameter"),
        ("inclusion?position=1&size=99999999", "404 not-signed"),
        ("inclusion?position=1&size=x", "422 invalid-parameter"),
        ("consistency", "422 invalid-parameter"),
        ("consistency?from_size=99999999", "422 invalid-parameter"),
        ("consistency?from_size=1&size=99999999", "404 not-signed"),
    ],
)
def test_what_cannot_be_proved_says_why(service: Service, file: File, question: str, refusal: str) -> None:
    until_signed(service, file.position)
    answer = file.api.request("GET", f"/v1/log/proofs/{question}")
    assert f"{answer.status_code} {answer.json()['type'].rpartition(':')[2]}" == refusal


def test_proofs_need_a_token(service: Service) -> None:
    service.anonymous.get("/v1/log/proofs/inclusion", expect=401, position=1)


def test_readiness_tells_how_far_the_log_is_signed(service: Service, file: File) -> None:
    signed = until_signed(service, file.position)
    answer = service.http.get("/readyz").json()
    assert answer["signed"] >= signed.size
    assert answer["unsigned_because"] is None
