"""Every bad token is answered alike: 401, a problem, a challenge of fixed words; and nothing of it is written down."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.identity.conftest import Bank
from tests.identity.issuer import AUDIENCE, NAME, SigningKey, base64url, claims
from tests.scenarios.client import assert_problem

Forge = Callable[[Bank], str]
CANARY: Final = "canary-7f3a91"
_NOW: Final = int(time.time())
_DEEP: Final = b"[" * 4000 + b"]" * 4000
_EVIL: Final = SigningKey.new("evil")
_EVIL_RSA: Final = SigningKey.new("evil", "RS256")


def hmac_with(secret: Callable[[Bank], bytes], algorithm: str = "HS256", kid: str = "RS256-1") -> Forge:
    """A token signed with what everybody knows, as if it were a secret that both sides share."""

    def forge(bank: Bank) -> str:
        header = json.dumps({"typ": "at+jwt", "alg": algorithm, "kid": kid}).encode()
        signed = f"{base64url(header)}.{base64url(json.dumps(claims()).encode())}"
        return f"{signed}.{base64url(hmac.new(secret(bank), signed.encode(), hashlib.sha256).digest())}"

    return forge


def unsigned(algorithm: str, signature: str = "") -> Forge:
    header = base64url(json.dumps({"typ": "at+jwt", "alg": algorithm, "kid": "EdDSA-1"}).encode())
    return lambda _: f"{header}.{base64url(json.dumps(claims()).encode())}.{signature}"


def with_claims(**changed: Any) -> Forge:
    """Well signed, but its claims are not good."""
    return lambda bank: bank.ed.token(claims(**changed))


def with_payload(payload: bytes) -> Forge:
    return lambda bank: bank.ed.token(payload)


def with_header(**changed: Any) -> Forge:
    return lambda bank: bank.ed.token(claims(), **changed)


def with_raw_header(header: bytes) -> Forge:
    return lambda bank: bank.ed.raw(header, json.dumps(claims()).encode())


def by_stranger(key: SigningKey = _EVIL, **header: Any) -> Forge:
    """Signed by somebody else's key, whose header says where that key is to be found."""
    return lambda _: key.token(claims(), **header)


def reworked(change: Callable[[str], str]) -> Forge:
    return lambda bank: change(bank.ed.token())


def payload_with(text: str) -> bytes:
    """Good claims and more, as text: what no dict can hold."""
    return json.dumps(claims())[:-1].encode() + text.encode() + b"}"


def _swapped_payload(token: str) -> str:
    header, _, signature = token.split(".")
    return ".".join([header, base64url(json.dumps(claims(roles=["administrator"])).encode()), signature])


BAD: Final[dict[str, Forge]] = {
    # Not signed, or not by whom it says
    "alg none": unsigned("none"),
    "alg none with a signature": unsigned("none", "AAAA"),
    "alg None": unsigned("None"),
    "alg empty": unsigned("", "AAAA"),
    "alg nOnE": unsigned("nOnE", "AAAA"),
    "HS256 with the RSA public key": hmac_with(lambda bank: bank.rsa.public_pem()),
    "HS256 with the Ed25519 public key": hmac_with(lambda bank: bank.ed.public_pem(), kid="EdDSA-1"),
    "HS256 with the key set": hmac_with(lambda bank: bank.issuer.document or b""),
    "HS512": hmac_with(lambda _: b"secret", "HS512"),
    "HMAC under the name RS256": hmac_with(lambda bank: bank.rsa.public_pem(), "RS256"),
    "alg RS512": with_header(alg="RS512"),
    "alg ES256K": with_header(alg="ES256K"),
    "alg a list": with_header(alg=["EdDSA"]),
    "no alg": with_header(alg=None),
    "a key of another algorithm": lambda bank: bank.rsa.token(claims(), kid="EdDSA-1"),
    "another algorithm of the same kind": lambda bank: bank.pss.token(claims(), kid="RS256-1"),
    "another algorithm than the key's own": lambda bank: SigningKey("PS256-1", "RS256", bank.pss.private).token(),
    "the name of another key": lambda bank: bank.ec.token(claims(), kid="EdDSA-1", alg="EdDSA"),
    "a stranger's key under a known name": by_stranger(kid="EdDSA-1"),
    "a stranger's key of its own": by_stranger(jwk=_EVIL.jwk()),
    "a stranger's key in the header": by_stranger(kid="EdDSA-1", jwk=_EVIL.jwk()),
    "a stranger's key behind jku": by_stranger(kid="EdDSA-1", jku="http://127.0.0.1:9/jwks"),
    "a stranger's key behind x5u": by_stranger(_EVIL_RSA, kid="RS256-1", x5u="http://127.0.0.1:9/chain.pem"),
    "a stranger's certificate": by_stranger(_EVIL_RSA, kid="RS256-1", x5c=["MIIB"]),
    "a header that stands nearer": by_stranger(kid="EdDSA-1", jku="file:///etc/passwd"),
    "one of two keys of one name": lambda bank: bank.twins[0].token(),
    "the other of them": lambda bank: bank.twins[1].token(),
    "no kid where there are many keys": with_header(kid=None),
    "unknown kid": with_header(kid=CANARY),
    "kid a path": with_header(kid="../../../../dev/null"),
    "kid SQL": with_header(kid="x' UNION SELECT 'key' --"),
    "kid a command": with_header(kid="x|whoami"),
    "kid a list": with_header(kid=["EdDSA-1"]),
    "kid a number": with_header(kid=1),
    "kid empty": with_header(kid=""),
    "kid with NUL": with_header(kid="EdDSA-1\x00"),
    "kid very long": with_header(kid="k" * 5000),
    # Not an access token
    "typ JWT": with_header(typ="JWT"),
    "typ ID token": with_header(typ="id+jwt"),
    "no typ": with_header(typ=None),
    "typ a list": with_header(typ=["at+jwt"]),
    "crit": with_header(crit=["exp"], exp=_NOW),
    "crit empty": with_header(crit=[]),
    "crit unknown": with_header(crit=["urn:x"], **{"urn:x": 1}),
    "b64": with_header(b64=False, crit=["b64"]),
    "b64 alone": with_header(b64=True),
    # Claims
    "wrong iss": with_claims(iss="https://issuer.example/realms/other"),
    "iss with more": with_claims(iss=NAME + "/"),
    "iss with less": with_claims(iss=NAME[:-1]),
    "iss a list": with_claims(iss=[NAME]),
    "iss an object": with_claims(iss={NAME: 1}),
    "no iss": with_claims(iss=None),
    "wrong aud": with_claims(aud="https://other.example"),
    "aud with less": with_claims(aud=AUDIENCE[:-1]),
    "aud a list of others": with_claims(aud=["https://other.example", "account"]),
    "aud a mixed list": with_claims(aud=[AUDIENCE, 7]),
    "aud empty": with_claims(aud=[]),
    "aud an object": with_claims(aud={AUDIENCE: True}),
    "no aud": with_claims(aud=None),
    "expired": with_claims(exp=_NOW - 60),
    "expired long ago": with_claims(exp=0),
    "no exp": with_claims(exp=None),
    "exp text": with_claims(exp=str(_NOW + 3600)),
    "exp true": with_claims(exp=True),
    "exp negative": with_claims(exp=-1),
    "exp huge": with_claims(exp=10**30),
    "exp with many digits": with_payload(payload_with(', "exp": ' + "9" * 5000)),
    "exp infinite": with_payload(payload_with(', "x": 1, "exp2": Infinity')),
    "exp beyond floats": with_payload(json.dumps(claims(exp=None))[:-1].encode() + b', "exp": 1e999}'),
    "exp NaN": with_payload(json.dumps(claims(exp=None))[:-1].encode() + b', "exp": NaN}'),
    "exp a list": with_claims(exp=[_NOW + 3600]),
    "no iat": with_claims(iat=None),
    "future iat": with_claims(iat=_NOW + 86_400),
    "iat text": with_claims(iat=str(_NOW)),
    "future nbf": with_claims(nbf=_NOW + 86_400),
    "nbf text": with_claims(nbf=str(_NOW)),
    "no sub": with_claims(sub=None),
    "sub empty": with_claims(sub=""),
    "sub blank": with_claims(sub="  "),
    "sub with a blank around": with_claims(sub=" u-118"),
    "sub a number": with_claims(sub=118),
    "sub a list": with_claims(sub=["u-118"]),
    "sub too long": with_claims(sub="u" * 129),
    "sub with NUL": with_claims(sub="u-118\x00"),
    "sub with a line break": with_claims(sub="u-118\r\nX-Injected: yes"),
    "sub with an unseen sign": with_claims(sub="u-118\u200b"),
    "sub written from right to left": with_claims(sub="\u202e811-u"),
    "sub in wide signs": with_claims(sub="\uff55-118"),
    "sub in two pieces": with_claims(sub="jose\u0301"),
    "sub half a sign": with_payload(payload_with("").replace(b"u-118", b"u-118\\ud800")),
    "roles text": with_claims(roles="administrator"),
    "roles an object": with_claims(roles={"administrator": True}),
    "roles numbers": with_claims(roles=[1]),
    "too many roles": with_claims(roles=[f"r{number}" for number in range(300)]),
    "kind SYSTEM": with_claims(kind="SYSTEM"),
    "kind a list": with_claims(kind=["HUMAN"]),
    "name a list": with_claims(name=["Li"]),
    "scope a number": with_claims(scope=7),
    "scope with a line break": with_claims(scope="customer:view\nX-Injected: yes"),
    # Not JSON as everybody reads it
    "claims twice": with_payload(payload_with(', "sub": "u-1"')),
    "claims twice, spelt differently": with_payload(payload_with(', "s\\u0075b": "u-1"')),
    "header twice": with_raw_header(b'{"typ":"at+jwt","alg":"EdDSA","kid":"EdDSA-1","kid":"x"}'),
    "claims a list": with_payload(b"[]"),
    "claims null": with_payload(b"null"),
    "claims no JSON": with_payload(f"sub={CANARY}".encode()),
    "claims empty": with_payload(b" "),
    "claims not UTF-8": with_payload(b'{"sub": "\xff"}'),
    "claims UTF-16": with_payload(json.dumps(claims()).encode("utf-16")),
    "claims with a mark before": with_payload(b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
    "claims deep": with_payload(_DEEP),
    "header deep": with_raw_header(_DEEP),
    "header no JSON": with_raw_header(b"EdDSA"),
    "header a list": with_raw_header(b'["EdDSA"]'),
    "header not UTF-8": with_raw_header(b'{"alg": "\xff"}'),
    # Not three segments
    "truncated": reworked(lambda token: token[:-20]),
    "without its signature": reworked(lambda token: token.rpartition(".")[0]),
    "with an empty signature": reworked(lambda token: token.rpartition(".")[0] + "."),
    "with a fourth segment": reworked(lambda token: token + ".AAAA"),
    "encrypted": reworked(lambda token: token + ".AAAA.AAAA"),
    "with padding": reworked(lambda token: token + "=="),
    "with padding inside": reworked(lambda token: token.replace(".", "=.", 1)),
    "with plain base64": reworked(lambda token: token.replace("-", "+").replace("_", "/") + "+/"),
    "with unused bits": reworked(lambda token: token[:-1] + chr(ord(token[-1]) + 1)),
    "with other claims": reworked(_swapped_payload),
    "with a blank inside": reworked(lambda token: token.replace(".", ". ", 1)),
    "huge": lambda bank: bank.ed.token(claims(note="x" * 20_000)),
    "a word": lambda _: CANARY,
    "dots": lambda _: "..",
    "two tokens": reworked(lambda token: f"{token} {token}"),
}


@pytest.mark.parametrize("forge", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused_and_leaves_no_trace(bank: Bank, forge: Forge) -> None:
    token = forge(bank)
    written = bank.service.log.stat().st_size
    answer = bank.service.http.get("/v1/customers", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401, answer.text
    assert_problem(answer)
    assert answer.json()["type"] == "urn:dossier:problem:unauthorized"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "X-Injected" not in answer.headers
    told = answer.text + str(answer.headers) + bank.service.log.read_text()[written:]
    for part in [CANARY, *token.split(".")]:
        assert len(part) < 12 or part not in told


@pytest.mark.parametrize("algorithm", ["ed", "ec", "rsa", "pss"])
def test_a_good_token_of_each_algorithm_comes_in(bank: Bank, algorithm: str) -> None:
    key: SigningKey = getattr(bank, algorithm)
    assert bank.status(key.token(claims())) == 200


@pytest.mark.parametrize(
    "forge",
    [
        with_claims(aud=["account", AUDIENCE]),
        with_claims(exp=_NOW + 86_400.5),
        lambda bank: bank.ed.token(claims(exp=int(time.time()) - 2)),
        lambda bank: bank.ed.token(claims(nbf=int(time.time()) + 5)),
        with_claims(sub="张三"),
        with_claims(sub="org/unit user@bank.example"),
        with_header(typ="application/at+jwt"),
        with_header(typ="AT+JWT"),
        with_header(jku="http://127.0.0.1:9/jwks", x5t="AAAA"),
    ],
    ids=["one audience of two", "a fraction", "just over", "nearly", "Chinese", "signs", "long typ", "typ", "jku"],
)
def test_what_is_unusual_but_right_comes_in(bank: Bank, forge: Forge) -> None:
    assert bank.status(forge(bank)) == 200
