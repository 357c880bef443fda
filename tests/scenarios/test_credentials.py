"""Who may come in: a bearer token that this service's key signed, and nothing else says who acts."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from uuid import uuid4

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.scenarios.client import PHONE, Api
from tests.scenarios.service import Service

_BODY = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"points": [PHONE]}}


def _claims(**changed: Any) -> dict[str, Any]:
    """Good claims but for the changed ones; times are seconds from now, None leaves a claim out."""
    claims = {"iss": "dossier", "aud": "dossier", "iat": 0, "exp": 60, "sub": "u-118", **changed}
    now = int(time.time())
    return {
        name: now + value if name in ("iat", "exp", "nbf") else value
        for name, value in claims.items()
        if value is not None
    }


def _foreign_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def _public_pem(service: Service) -> bytes:
    private = serialization.load_pem_private_key(service.signer.pem, password=None)
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": -60},
        {"exp": None},
        {"iat": 600},
        {"iat": None},
        {"nbf": 600},
        {"aud": "another"},
        {"aud": None},
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\x00b"},
        {"roles": "importer"},
        {"roles": {"importer": True}},
        {"roles": [1]},
        {"kind": "ROBOT"},
        {"name": ["Li"]},
        {"on_behalf_of": ""},
    ],
    ids=repr,
)
def test_a_token_that_does_not_say_what_it_must_is_refused(service: Service, changed: dict[str, Any]) -> None:
    token = jwt.api_jws.encode(orjson.dumps(_claims(**changed)), service.signer.pem, algorithm="EdDSA")
    _assert_refused(service, f"Bearer {token}")


def test_a_token_that_this_key_did_not_sign_is_refused(service: Service) -> None:
    good = service.signer.token("u-118", ["editor"])
    unsigned = jwt.encode(_claims(), "", algorithm="none")
    foreign = jwt.encode(_claims(), _foreign_key(), algorithm="EdDSA")
    symmetric = jwt.api_jws.encode(orjson.dumps(_claims()), hashlib.sha256(_public_pem(service)).digest(), "HS256")
    altered = good[:-8] + ("A" * 8 if not good.endswith("A" * 8) else "B" * 8)
    for token in (unsigned, foreign, symmetric, altered, good + "x", good.rpartition(".")[0], "x", "..", "a.b.c"):
        _assert_refused(service, f"Bearer {token}")


def test_other_ways_to_say_who_one_is_are_refused(service: Service) -> None:
    token = service.signer.token("u-118", ["editor"])
    for header in ("", "Bearer", token, f"Basic {token}", f"Bearer {token} {token}"):
        _assert_refused(service, header)
    assert service.anonymous.request("GET", "/v1/customers", headers={"Authorization": f"bearer {token}"}, expect=200)


def test_nobody_learns_anything_without_a_token(service: Service, li_na: Api) -> None:
    file = li_na.register()
    for path in ("/v1/customers", "/v1/customers/17", file.path, f"{file.path}/history", f"{file.path}/blame?path=x"):
        service.anonymous.request("GET", path, expect=401)
    service.anonymous.post(f"{file.path}/attributes", b"x" * 10, expect=401)
    service.anonymous.post("/v1/customers", _BODY, expect=401)
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert service.http.get(path).status_code == 200


def test_the_actor_comes_from_the_token_never_from_the_body(service: Service) -> None:
    actor = f"u-{uuid4()}"
    answer = service.as_(actor, "editor").post("/v1/customers", {**_BODY, "actor": {"id": "u-1"}}, expect=422)
    assert answer.json()["errors"][0]["pointer"] == "/actor"
    file = service.as_(actor, "editor", name="张三").register()
    held = file.history()[0]["actor"]
    assert (held["id"], held["name_at_time"], held["roles"]) == (actor, "张三", ["editor"])


def _assert_refused(service: Service, authorization: str) -> None:
    headers = {"Authorization": authorization.encode()} if authorization else {}
    answer = service.anonymous.request("GET", "/v1/customers", headers=headers, expect=401)
    assert answer.headers["WWW-Authenticate"] in ("Bearer", 'Bearer error="invalid_token"')
    assert answer.json()["type"] == "urn:dossier:problem:unauthorized"
