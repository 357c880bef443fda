"""Requests that mean harm: none is a fault, all that can be answered are problems, and nothing of them comes back.

Sent as bytes over sockets, or with what the document says about every operation. What slow clients do is in
tests/overload, what bodies may not hold in test_unfit_bodies.py.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.overload.load import Answer, Target
from tests.scenarios.client import PROBLEM, Api, File
from tests.scenarios.service import Service

_SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_MACHINE_ROOM = re.compile(
    r"Traceback|psycopg|SELECT (?!pg_sleep)|syntax error|postgres|/site-packages/|\.py\b|root:x:|asyncio|uvicorn"
)
_TEXTS = (
    "'; DROP TABLE ledger.event; --",
    "1 OR 1=1) UNION SELECT pg_sleep(10)/*\\",
    "../../../../etc/passwd%s%n$1{0}${jndi:ldap://x/}{{7*7}}<script>alert(1)</script>",
    "a\x00b",
    "a\r\nX-Injected: yes",
    "\U0001f600\u202e\ufeff" + "é" * 1500,
    "9" * 400,
)


def assert_harmless(status: int, headers: Any, body: bytes) -> None:
    """An answer that is no fault, tells nothing of the machine room, and is a problem unless all went well."""
    text = body.decode(errors="replace")
    assert status < 500, text
    assert {name: headers.get(name) for name in _SECURITY} == _SECURITY
    assert "x-injected" not in headers
    assert headers.get("cache-control"), headers
    if status >= 400:
        assert headers["content-type"] == PROBLEM, text
        assert json.loads(text)["status"] == status
        assert not _MACHINE_ROOM.search(re.sub(r'"instance":"[^"]*"', "", text)), text


def assert_all_harmless(answers: list[Answer]) -> None:
    for answer in answers:
        assert_harmless(answer.status, answer.headers, answer.body)


@pytest.fixture(scope="module")
def everyone(service: Service) -> Api:
    """Somebody who may do everything, so that requests get as far as they can."""
    return service.as_("u-666", "administrator", "importer", "auditor", "privacy", "tier:approve", "editor", "service")


@pytest.fixture(scope="module")
def target(service: Service, everyone: Api) -> Target:
    return Target(str(service.http.base_url), everyone.token)


def exchanged(target: Target, sent: bytes, *, whole: bool = True) -> list[Answer]:
    """Everything that is answered to some bytes; not `whole`: after which we say that no more will come."""

    async def exchange() -> list[Answer]:
        answers: list[Answer] = []
        async with target.connection() as connection:
            await connection.send(sent)
            if not whole:
                connection.writer.write_eof()
            try:
                answers.append(await connection.answer())
                if whole and answers[0].headers.get("connection") != "close":
                    await connection.send(_LAST)
                while True:
                    answers.append(await connection.answer())
            except (asyncio.IncompleteReadError, ConnectionError):
                return [answer for answer in answers if answer.headers.get("x-request-id") != _LAST_ID]

    return asyncio.run(exchange())


def head(target: Target, method: str, path: str, *lines: bytes) -> bytes:
    """The head of a request without its end: what it says of its body, and worse, comes in `lines`."""
    usual = (f"{method} {path} HTTP/1.1".encode(), b"Host: service", f"Authorization: Bearer {target.token}".encode())
    return b"\r\n".join([*usual, *lines, b"", b""])


_LAST_ID = "the-last-one"
_LAST = f"GET /healthz HTTP/1.1\r\nHost: service\r\nConnection: close\r\nX-Request-Id: {_LAST_ID}\r\n\r\n".encode()


# --- every part of every request ------------------------------------------------------------------------------------


def _operations(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in service.http.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _spoiled(value: Any, text: str) -> Any:
    """The same JSON with every text replaced."""
    match value:
        case str():
            return text
        case list():
            return [_spoiled(item, text) for item in value]
        case dict():
            return {name: _spoiled(item, text) for name, item in value.items()}
        case _:
            return value


def _usual(parameter: dict[str, Any], file: File) -> str:
    if parameter["name"] == "customer_id":
        return file.customer_id
    return {"Idempotency-Key": str(uuid4()), "If-Match": "*", "version": "1", "position": "1"}.get(
        parameter["name"], str(uuid4())
    )


def _send(api: Api, method: str, path: str, stated: list[tuple[dict[str, Any], str]], body: Any) -> httpx.Response:
    query = {parameter["name"]: text for parameter, text in stated if parameter["in"] == "query"}
    headers = {parameter["name"]: text.encode() for parameter, text in stated if parameter["in"] == "header"}
    for parameter, text in stated:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(text, safe=""))
    content = None if body is None else orjson.dumps(body)
    url = f"{path}?{urlencode(query)}" if query else path
    authorization = {b"Authorization": f"Bearer {api.token}".encode()}
    sent = {**authorization, **{name.encode(): value for name, value in headers.items()}}
    return api.http.request(method, url, headers=sent, content=content)


@pytest.mark.parametrize("text", _TEXTS, ids=lambda text: repr(text[:20]))
def test_no_parameter_of_any_operation_does_harm(service: Service, everyone: Api, untouched: File, text: str) -> None:
    for method, path, operation in _operations(service):
        parameters = operation.get("parameters", [])
        needed = [parameter for parameter in parameters if parameter["required"]]
        example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        for spoiled in parameters:
            if spoiled["in"] == "header" and not text.isprintable():
                continue  # no client sends it, and no server reads it as a header: see below
            stated = [(each, _usual(each, untouched)) for each in needed if each is not spoiled]
            answer = _send(everyone, method, path, [*stated, (spoiled, text)], example)
            assert_harmless(answer.status_code, answer.headers, answer.content)
        if example is not None:
            stated = [(each, _usual(each, untouched)) for each in needed]
            answer = _send(everyone, method, path, stated, _spoiled(example, text))
            assert_harmless(answer.status_code, answer.headers, answer.content)


# --- places of pages -------------------------------------------------------------------------------------------------


def _page(api: Api, path: str, **query: Any) -> tuple[list[str], str]:
    page = api.get(path, **query).json()
    return [item["customer_id"] for item in page["items"]], page["next_page_token"]


def test_a_page_token_is_good_for_its_own_question_alone(everyone: Api, service: Service) -> None:
    owner = f"u-{uuid4()}"
    files = [everyone.register(owner=owner) for _ in range(3)]
    everyone.get(
        "/v1/customers", after=files[-1].send("/attributes", {"key": "k", "value": 1}).headers["Dossier-Token"]
    )
    first, token = _page(everyone, "/v1/customers", owner=owner, limit=1)
    for other in ({"owner": "u-1"}, {}, {"owner": owner, "name": "Acme"}, {"owner": owner, "tier": "POTENTIAL"}):
        everyone.get("/v1/customers", expect=422, limit=1, page_token=token, **other)
    everyone.get("/v1/history", expect=422, limit=1, page_token=token)
    everyone.get(f"{files[0].path}/history", expect=422, limit=1, page_token=token)
    # It is no permission: whoever goes on with it sees what they may see themselves, from the same place on.
    other_person = service.as_("u-667", "viewer")
    second, _ = _page(other_person, "/v1/customers", owner=owner, limit=1, page_token=token)
    assert first != second
    service.anonymous.request("GET", "/v1/customers", params={"owner": owner, "page_token": token}, expect=401)


def test_a_page_token_that_was_tampered_with_is_refused_or_leads_nowhere_else(everyone: Api) -> None:
    owner = f"u-{uuid4()}"
    last = [everyone.register(owner=owner) for _ in range(3)][-1]
    everyone.get("/v1/customers", after=last.send("/attributes", {"key": "k", "value": 1}).headers["Dossier-Token"])
    _, token = _page(everyone, "/v1/customers", owner=owner, limit=1)
    tampered = [token[:place] + "A" + token[place + 1 :] for place in range(0, len(token), 3)]
    tampered += [token[:-4], token + "AAAA", "", "=", "AAAA", "\x00", token * 50, "W10=", "W251bGxd", "bnVsbA=="]
    for changed in tampered:
        query = urlencode({"owner": owner, "limit": 1, "page_token": changed})
        answer = everyone.http.get(f"/v1/customers?{query}", headers={"Authorization": f"Bearer {everyone.token}"})
        assert_harmless(answer.status_code, answer.headers, answer.content)
        assert answer.status_code in {200, 404, 409, 422}


# --- paths and methods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers/%00",
        "/v1/customers/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/customers/..%252f..%252fetc",
        "/v1/customers/../../etc/passwd",
        "/v1/../v1/customers/./x",
        "//v1/customers/x",
        "/v1//customers",
        "/v1/customers/%c0%ae%c0%ae/",
        "/%ff%fe",
        "/v1/customers%",
        "/v1/customers/%zz",
        "/v1/customers;jsessionid=1",
        "/v1/customers/x%0d%0aX-Injected:%20yes",
        "/v1/customers?name=%0d%0aX-Injected:%20yes&limit=1",
        "/v1/customers?name=%ff%fe",
        "/v1/customers?name=%",
        "/v1/customers?limit=1&limit=2",
        "/v1/customers?%00=1",
        "/v1/customers?" + "&" * 5000,
        "/log/tile/../../keys/log",
        "/log/tile/%2e%2e/%2e%2e/keys/log",
        "/log/tile/0/000?x",
        "/log/tile/entries/%00",
        "/v1/idempotency/%2e%2e%2f",
        "http://elsewhere.example/v1/customers/x",
        "*",
    ],
)
def test_no_path_leads_astray(target: Target, path: str) -> None:
    answers = exchanged(target, head(target, "GET", path))
    assert len(answers) == 1
    assert_all_harmless(answers)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X"])
def test_no_other_method_is_taken(target: Target, untouched: File, method: str) -> None:
    (answer,) = exchanged(target, head(target, method, untouched.path))
    assert answer.status in {400, 405}
    if answer.status == 405:
        assert answer.headers["allow"] == "GET, HEAD"
    assert_all_harmless([answer])


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_not_overridden(target: Target, untouched: File, name: str) -> None:
    (answer,) = exchanged(target, head(target, "GET", untouched.path, f"{name}: POST".encode()))
    assert answer.status == 200
    (answer,) = exchanged(target, head(target, "POST", untouched.path, f"{name}: GET".encode(), b"Content-Length: 0"))
    assert answer.status == 405
    (answer,) = exchanged(target, head(target, "GET", f"{untouched.path}?_method=POST"))
    assert answer.status == 422


@pytest.mark.parametrize(
    "name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded"]
)
def test_no_header_says_what_is_asked_or_by_whom(target: Target, name: str) -> None:
    (answer,) = exchanged(target, f"GET /v1/customers HTTP/1.1\r\nHost: x\r\n{name}: /healthz\r\n\r\n".encode())
    assert answer.status == 401
    assert_all_harmless([answer])


# --- heads that break their form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"X-Request-Id: a\rX-Injected: yes",
        b"X-Request-Id: a\nX-Injected: yes",
        b"X-Request-Id: a\x00b",
        b"X-Request-Id: a\r\n X-Injected: yes",
        b"X-Request-Id : a",
        b" X-Request-Id: a",
        b"X Request Id: a",
        b"X-Request-Id",
        b": a",
        b"\xff\xfe: a",
        b"X-Request-Id: " + b"\xff" * 100,
        b"tracestate: a=1\x0b,b=2\r\ntraceparent: 00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01",
        b"Host: other",
        b"Authorization: Bearer x",
        b"Cookie: " + b"a=b; " * 1000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_no_header_comes_back_as_another(target: Target, line: bytes) -> None:
    answers = exchanged(target, head(target, "GET", "/v1/customers?limit=1", line))
    assert len(answers) == 1
    assert_all_harmless(answers)
    assert b"X-Injected" not in answers[0].body


# --- bodies that hide a request --------------------------------------------------------------------------------------

_HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: service\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Transfer-Encoding: identity, chunked, identity",),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: \x0bchunked",),
        (b"Transfer-Encoding : chunked",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 5 5",),
        (b"Content-Length: 99999999999999999999999",),
        (b"Content-Length: 18446744073709551616",),
        (b"Content-Length:",),
    ],
    ids=lambda lines: repr(b" ".join(lines))[:60],
)
def test_a_body_of_two_lengths_hides_no_request(target: Target, untouched: File, lines: tuple[bytes, ...]) -> None:
    sent = head(target, "POST", f"{untouched.path}/attributes", *lines) + b"0\r\n\r\n" + _HIDDEN
    answers = exchanged(target, sent, whole=False)
    assert answers
    assert_all_harmless(answers)
    assert [answer.status for answer in answers if answer.status < 400] == []
    assert answers[-1].status in {400, 413}


@pytest.mark.parametrize(
    "body",
    [
        b"-1\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"ffffffffffffffff\r\na",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"\r\n1\r\na\r\n0\r\n\r\n",
        b"1;\x00=\r\na\r\n0\r\n\r\n",
    ],
    ids=repr,
)
def test_a_body_in_bad_chunks_hides_no_request(target: Target, untouched: File, body: bytes) -> None:
    start = head(target, "POST", f"{untouched.path}/attributes", b"Transfer-Encoding: chunked")
    answers = exchanged(target, start + body + _HIDDEN, whole=False)
    assert_all_harmless(answers)
    assert [answer.status for answer in answers if answer.status < 400] == []


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, identity", "x"])
def test_nothing_is_unpacked(everyone: Api, untouched: File, encoding: str) -> None:
    answer = everyone.post(
        f"{untouched.path}/attributes", b"\x1f\x8b" + b"\x00" * 100, expect=415, content_encoding=encoding, if_match="*"
    )
    assert_harmless(answer.status_code, answer.headers, answer.content)


# --- bodies ----------------------------------------------------------------------------------------------------------

_BODIES = {
    "deep lists": b'{"key":"k","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge exponent": b'{"key":"k","value":1e99999999999}',
    "a huge fraction": b'{"key":"k","value":0.' + b"1" * 100_000 + b"}",
    "a huge number": b'{"key":"k","value":' + b"9" * 100_000 + b"}",
    "a huge text": b'{"key":"' + b"k" * 1_000_000 + b'","value":1}',
    "many members": orjson.dumps({"key": "k", "value": {f"m{number}": number for number in range(50_000)}}),
    "no numbers": b'{"key":"k","value":[NaN,Infinity,-Infinity,-0,01,1.,.5,0x10]}',
    "not UTF-8": b'{"key":"\xc3\x28\xa0\xa1\xf0\x28\x8c\x28","value":1}',
    "UTF-7": b'{"key":"+ADw-script+AD4-","value":1}garbage',
    "a mark before": b'\xef\xbb\xbf{"key":"k","value":1}',
    "two documents": b'{"key":"k","value":1}{"key":"k","value":2}',
    "comments": b'{"key":"k",/* x */"value":1} // y',
    "hidden members": b'{"key":"k","value":1,"__proto__":{"x":1},"constructor":1,"__class__":"x"}',
    "forged": b'{"key":"k","value":1,"actor":{"id":"u-1"},"recorded_at":"2020-01-01","position":1,"version":1}',
    "nothing but blanks": b" " * 1_000_000,
}


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES.keys())
def test_no_body_does_harm_wherever_it_is_sent(everyone: Api, untouched: File, body: bytes) -> None:
    for path in (f"{untouched.path}/attributes", "/v1/customers", f"{untouched.path}/changes", "/v1/portfolio/query",
                 "/v1/portfolio/diff", "/v1/evidence"):  # fmt: skip
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": untouched.etag}
        answer = everyone.request("POST", path, content=body, headers=headers)
        assert_harmless(answer.status_code, answer.headers, answer.content)


def test_of_a_member_that_stands_there_twice_the_last_counts_everywhere(everyone: Api) -> None:
    file = everyone.register()
    file.send("/attributes", b'{"key":"first","key":"last","value":1,"value":{"a":1,"a":2}}')
    assert file.profile()["attributes"] == {"last": {"a": 2}}
    assert file.history(order="desc", limit=1)[0]["data"] == {"key": "last", "value": {"a": 2}}


def test_every_kind_of_answer_has_the_headers_of_security(target: Target, everyone: Api, untouched: File) -> None:
    etag = f"If-None-Match: {untouched.etag}".encode()
    known = exchanged(target, head(target, "GET", untouched.path, etag))
    assert [answer.status for answer in known] == [304]
    heads = [
        head(target, "GET", "/healthz"),
        head(target, "GET", "/openapi.json"),
        head(target, "GET", "/nowhere"),
        head(target, "GET", "/" + "x" * 9000),
        head(target, "GET", "/", b"X: " + b"y" * 40_000),
        b"GARBAGE\r\n\r\n",
    ]
    found = [answer for sent in heads for answer in exchanged(target, sent)]
    assert [answer.status for answer in found] == [200, 200, 404, 414, 431, 400]
    for answer in (*known, *found):
        assert {name: answer.headers.get(name) for name in _SECURITY} == _SECURITY
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
    assert everyone.http.get("/readyz").status_code == 200
