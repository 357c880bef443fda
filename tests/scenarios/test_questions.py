"""Places that are not there, and questions that make no sense: refused, and never answered with something else."""

from __future__ import annotations

from uuid import uuid4

import orjson
import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.refused import ATTRIBUTE, assert_refused


def test_an_unknown_customer_is_unknown_in_every_way(li_na: Api) -> None:
    nobody = li_na.file(str(uuid4()))
    for kind in ("", "?valid_at=2026-01-01", "/history", "/blame", "/diff?from=2026-01-01&to=2026-01-02"):
        problem = li_na.request("GET", nobody.path + kind, expect=404).json()
        assert problem["type"] == "urn:dossier:problem:customer-unknown", kind
    li_na.request("GET", f"{nobody.path}/versions/1", expect=404)
    problem = nobody.send("/attributes", ATTRIBUTE, if_match='"1.0"', expect=404).json()
    assert problem["type"] == "urn:dossier:problem:customer-unknown"


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/customers/17", 422, "invalid-parameter"),
        ("GET", "/v1/customers/%00", 422, "invalid-parameter"),
        ("POST", "{file}/contacts/17/details", 422, "invalid-parameter"),
        ("GET", "{file}/", 404, "not-found"),
        ("GET", "/v1/customers/", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("GET", "{file}/versions/0", 422, "invalid-parameter"),
        ("GET", "{file}/versions/latest", 422, "invalid-parameter"),
        ("GET", "{file}/versions/99999999999999999999", 422, "invalid-parameter"),
        ("GET", "{file}/versions/99", 404, "event-unknown"),
        ("GET", "{file}?known_at=2999-01-01", 422, "invalid-parameter"),
        ("GET", "{file}?known_at=now", 422, "invalid-parameter"),
        ("GET", "{file}?known_at=2026-02-30", 422, "invalid-parameter"),
        ("GET", "{file}?known_at=1767225600", 422, "invalid-parameter"),
        ("GET", "{file}?valid_at=", 422, "invalid-parameter"),
        ("GET", "{file}?valid_at=2026-01-01T00:00:00", 422, "invalid-parameter"),
        ("GET", "{file}?valid_at=99999-01-01", 422, "invalid-parameter"),
        ("GET", "{file}?at_position=99999999", 404, "position-unknown"),
        ("GET", "{file}?at_position=0", 422, "invalid-parameter"),
        ("GET", "{file}?at_position=-1", 422, "invalid-parameter"),
        ("GET", "{file}?at_position=1.5", 422, "invalid-parameter"),
        ("GET", "{file}?at_position=99999999999999999999", 422, "invalid-parameter"),
        ("GET", "{file}?at_position=5&known_at=2026-01-01", 422, "invalid-parameter"),
        ("GET", "{file}?fields=tier", 422, "invalid-parameter"),
        ("GET", "{file}?fields=/teir", 422, "invalid-parameter"),
        ("GET", "{file}?fields=", 422, "invalid-parameter"),
        ("GET", "{file}?after={id}:x", 422, "invalid-parameter"),
        ("GET", "{file}?valid_at=2026-01-01&after={id}:99", 404, "event-unknown"),
        ("GET", "{file}?konwn_at=2026-01-01", 422, "invalid-parameter"),
        ("GET", "{file}?valid_at=2026-01-01&valid_at=2026-01-02", 422, "invalid-parameter"),
        ("GET", "{file}/history?order=up", 422, "invalid-parameter"),
        ("GET", "{file}/history?path=tier", 422, "invalid-parameter"),
        ("GET", "{file}/history?path=/attributes/a/b", 422, "invalid-parameter"),
        ("GET", "{file}/history?path=/", 422, "invalid-parameter"),
        ("GET", "{file}/history?actor=%00", 422, "invalid-parameter"),
        ("GET", "{file}/history?since=later", 422, "invalid-parameter"),
        ("GET", "{file}/history?from_position=x", 422, "invalid-parameter"),
        ("GET", "{file}/blame?path=/nothing", 422, "invalid-parameter"),
        ("POST", "{file}/attributes?dry_run=maybe", 422, "invalid-parameter"),
        ("POST", "{file}/attributes?dryrun=true", 422, "invalid-parameter"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    untouched: File, method: str, path: str, status: int, slug: str
) -> None:
    asked = path.format(file=untouched.path, id=untouched.customer_id)
    headers = {"If-Match": untouched.etag, "Idempotency-Key": str(uuid4())}
    how = {"content": orjson.dumps(ATTRIBUTE), "headers": headers} if method == "POST" else {}
    answer = untouched.api.request(method, asked, expect=status, **how)
    assert_refused(untouched, answer, slug, None, None)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_there_is_refused_and_the_others_are_named(untouched: File, method: str) -> None:
    for path, allowed in (
        ("/v1/customers", "GET, HEAD, POST"),
        (untouched.path, "GET, HEAD"),
        (f"{untouched.path}/tags", "POST"),
    ):
        answer = untouched.api.request(method, path, expect=405)
        assert answer.headers["Allow"] == allowed
        assert answer.json()["type"] == "urn:dossier:problem:method-not-allowed"
    assert untouched.api.request("HEAD", f"{untouched.path}/tags").status_code == 405


def test_a_problem_is_not_kept_by_caches(untouched: File) -> None:
    answer = untouched.api.get(untouched.path, known_at="2020-01-01", expect=404)
    assert answer.headers["Cache-Control"] == "no-store"
