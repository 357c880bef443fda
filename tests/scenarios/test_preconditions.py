"""What a write must bring besides its body: the ETag it was decided on, and a key of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.refused import ATTRIBUTE, assert_refused


def test_a_write_without_looking_is_refused(untouched: File) -> None:
    answer = untouched.send("/attributes", ATTRIBUTE, expect=428, if_match=None)
    assert_refused(untouched, answer, "precondition-required", "If-Match", "I3")


def test_a_write_on_what_has_moved_on_is_refused_and_told_the_current_etag(li_na: Api) -> None:
    file = li_na.register()
    stale = file.etag
    file.record("/attributes", key="a", value=1)
    answer = file.send("/attributes", ATTRIBUTE, expect=412, if_match=stale)
    assert answer.headers["ETag"] == file.etag
    assert answer.json()["invariant"] == "I3"
    file.send("/attributes", ATTRIBUTE, if_match=answer.headers["ETag"])


@pytest.mark.parametrize("stated", ["5", '"five"', '"4.0", "5.0"', '"k9.v2026"', "", '"99999999999999999999.0"'])
def test_an_etag_that_is_none_is_refused(untouched: File, stated: str) -> None:
    answer = untouched.send("/attributes", ATTRIBUTE, expect=400, if_match=stated)
    assert_refused(untouched, answer, "precondition-malformed", "If-Match", None)


def test_only_an_importer_writes_on_any_version(untouched: File, importer: Api, li_na: Api) -> None:
    answer = untouched.send("/attributes", ATTRIBUTE, expect=403, if_match="*")
    assert_refused(untouched, answer, "forbidden", "If-Match", None)
    li_na.register().seen_by(importer).send("/attributes", ATTRIBUTE, if_match="*")


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        (None, "idempotency-key-missing"),
        ("", "idempotency-key-missing"),
        ('""', "idempotency-key-missing"),
        ("k" * 256, "idempotency-key-malformed"),
        ("a b", "idempotency-key-malformed"),
    ],
)
def test_a_write_needs_a_usable_idempotency_key(untouched: File, key: str | None, slug: str) -> None:
    answer = untouched.send("/attributes", ATTRIBUTE, expect=400, idempotency_key=key)
    assert_refused(untouched, answer, slug, "Idempotency-Key", None)


def test_a_dry_run_needs_no_key_and_takes_none_that_is_not_one(untouched: File) -> None:
    untouched.send("/attributes?dry_run=true", ATTRIBUTE, idempotency_key=None)
    for key in ("", "a b"):
        untouched.send("/attributes?dry_run=true", ATTRIBUTE, expect=400, idempotency_key=key)


def test_a_refused_request_leaves_its_key_free(li_na: Api) -> None:
    file, key = li_na.register(), str(uuid4())
    file.send("/attributes", {"key": "k"}, expect=422, idempotency_key=key)
    file.send("/attributes", ATTRIBUTE, expect=412, idempotency_key=key, if_match='"1.0"')
    file.send("/attributes", ATTRIBUTE, idempotency_key=key)


def test_a_key_belongs_to_one_request_of_one_actor(li_na: Api, wang: Api) -> None:
    file, other, key = li_na.register(), li_na.register(), str(uuid4())
    file.send("/attributes", ATTRIBUTE, idempotency_key=key)
    attempts: list[Callable[[], Any]] = [
        lambda: file.send("/attributes", {"key": "k", "value": 2}, idempotency_key=key, expect=422),
        lambda: file.send("/tags", {"group": "FOCUS", "code": "FOCUS"}, idempotency_key=key, expect=422),
        lambda: other.send("/attributes", ATTRIBUTE, idempotency_key=key, expect=422),
        lambda: file.seen_by(wang).send("/attributes", ATTRIBUTE, idempotency_key=key, expect=422),
    ]
    for attempt in attempts:
        problem = attempt().json()
        assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:idempotency-key-reuse", "I22")
    assert (file.version, other.version) == (5, 4)
