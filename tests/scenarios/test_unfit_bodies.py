"""Text and JSON that cannot be kept, or not be read: refused, with nothing written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.refused import assert_refused


def _attribute(value: bytes) -> bytes:
    return b'{"key":"k","value":' + value + b"}"


def _nested(depth: int, content: bytes = b"") -> bytes:
    return _attribute(b"[" * depth + content + b"]" * depth)


_UNFIT: dict[str, tuple[bytes, int, str, str | None]] = {
    "NUL in a value": (_attribute(b'"a\\u0000"'), 422, "invalid-body", "/value"),
    "NUL within a value": (_attribute(b'{"a":["\\u0000"]}'), 422, "invalid-body", "/value"),
    "NUL in a member's name": (_attribute(b'{"a\\u0000":1}'), 422, "invalid-body", "/value"),
    "NUL in a key": (b'{"key":"\\u0000","value":1}', 422, "invalid-body", "/key"),
    "NUL in a reason": (b'{"key":"k","value":1,"reason":{"text":"\\u0000x"}}', 422, "invalid-body", "/reason/text"),
    "surrogate in a value": (_attribute(b'"\\ud800"'), 422, "invalid-body", "/value"),
    "surrogate within a value": (_attribute(b'{"a":["\\udfff"]}'), 422, "invalid-body", "/value/a/0"),
    "surrogate in a member's name": (_attribute(b'{"\\ud800":"\\ud800"}'), 422, "invalid-body", "/value/\\ud800"),
    "surrogate in a key": (b'{"key":"\\udbff","value":1}', 422, "invalid-body", "/key"),
    "surrogate deep below": (
        _attribute(b"[" * 900 + b'"\\ud800"' + b"]" * 900),
        422,
        "invalid-body",
        "/value" + "/0" * 900,
    ),
    "many surrogates": (_nested(900, b'"\\ud800",' * 100_000 + b"0"), 422, "invalid-body", None),
    "infinite": (_attribute(b"1e400"), 422, "invalid-body", "/value"),
    "over 64 bits": (_attribute(str(2**70).encode()), 422, "invalid-body", "/value"),
    "five thousand digits": (_attribute(b"7" * 5000), 400, "malformed-json", None),
    "not a number": (_attribute(b"NaN"), 422, "invalid-body", "/value"),
    "too deep": (_nested(40), 422, "invalid-body", "/value"),
    "much too deep": (_nested(10_000), 400, "malformed-json", None),
    "deep and never closed": (b'{"a":' * 10_000, 400, "malformed-json", None),
    "no JSON": (b"key=k", 400, "malformed-json", None),
    "half of it": (b'{"key":"k","val', 400, "malformed-json", None),
    "not UTF-8": (_attribute(b'"\xff\xfe"'), 400, "malformed-json", None),
    "another encoding": ('{"key":"k","value":"中"}'.encode("utf-16"), 400, "malformed-json", None),
    "nothing": (b"", 422, "invalid-body", "/key"),
    "null": (b"null", 422, "invalid-body", ""),
    "a list": (b"[]", 422, "invalid-body", ""),
    "a text": (b'"k"', 422, "invalid-body", ""),
    "a long key": (orjson.dumps({"key": "k" * 401, "value": 1}), 422, "invalid-body", "/key"),
    "a megabyte": (_attribute(b'"' + b"x" * 1024 * 1024 + b'"'), 413, "body-too-large", None),
    "ten megabytes": (_attribute(b'"' + b"x" * 10 * 1024 * 1024 + b'"'), 413, "body-too-large", None),
    "many mistakes": (orjson.dumps({f"field {number}": 1 for number in range(20_000)}), 422, "invalid-body", "/key"),
}


@pytest.mark.parametrize("case", _UNFIT.values(), ids=_UNFIT.keys())
def test_a_body_that_cannot_be_kept_is_refused(untouched: File, case: tuple[bytes, int, str, str | None]) -> None:
    body, status, slug, pointer = case
    answer = untouched.api.post(f"{untouched.path}/attributes", body, expect=status, if_match=untouched.etag)
    assert_refused(untouched, answer, slug, pointer, None)
    assert len(answer.content) < 250_000


def test_what_json_can_say_within_the_limits_comes_back_as_it_went_in(li_na: Api) -> None:
    file = li_na.register()
    values: list[Any] = [None, True, 0, -(2**63), 2**64 - 1, 5e-324, 1e300, "", '\u2028\\"中\U0001f600', [], {}, [[{}]]]
    file.record("/attributes", key="all", value=values)
    assert file.profile()["attributes"] == {"all": values}
    assert file.profile(at_position=file.position)["attributes"] == {"all": values}
    shown = orjson.dumps(file.profile()["attributes"]["all"])
    assert shown == orjson.dumps(values)
