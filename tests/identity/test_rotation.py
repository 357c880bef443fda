"""The issuer's keys change, its address fails or lies: who may come in follows, and nothing else does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.claims import Expected
from api.errors import Problem
from api.issuer import IssuerKeys
from api.key_set import NO_KEYS, UnusableSet, read_key_set
from api.tokens import TokenVerifier
from tests.identity.conftest import Bank
from tests.identity.issuer import AUDIENCE, NAME, Issuer, SigningKey, claims
from tests.scenarios.service import wait_until

NEVER = 3600.0


def test_a_new_key_counts_as_soon_as_a_token_names_it(rotating: Bank) -> None:
    new = SigningKey.new("EdDSA-2")
    assert rotating.status(new.token()) == 401
    rotating.issuer.offer(*rotating.keys, new)
    wait_until(lambda: rotating.status(new.token()) == 200)
    assert rotating.status(rotating.ed.token()) == 200


def test_tokens_of_a_key_that_was_taken_away_are_forgotten(rotating: Bank) -> None:
    remembered = rotating.ed.token()
    assert rotating.status(remembered) == 200
    rotating.issuer.offer(rotating.ec)
    wait_until(lambda: rotating.status(remembered) == 401)
    assert rotating.status(rotating.ec.token()) == 200


def test_a_key_that_gives_its_name_to_another_is_forgotten(rotating: Bank) -> None:
    remembered, successor = rotating.ed.token(), SigningKey.new("EdDSA-1")
    assert rotating.status(remembered) == 200
    rotating.issuer.offer(successor)
    wait_until(lambda: rotating.status(successor.token()) == 200)
    assert rotating.status(remembered) == 401


@pytest.mark.parametrize("document", [None, b"", b"{}", b'{"keys": []}', b"<html>", b"[" * 9000, b" " * 300_000])
def test_the_last_good_set_counts_while_the_address_gives_out_none(rotating: Bank, document: bytes | None) -> None:
    rotating.issuer.document = document
    asked = rotating.issuer.asked
    wait_until(lambda: rotating.issuer.asked > asked + 1)
    assert rotating.status(rotating.ec.token(claims(sub="u-9"))) == 200


def test_a_redirection_is_not_followed(rotating: Bank) -> None:
    rotating.issuer.location = rotating.issuer.url.replace("/jwks", "/elsewhere")
    asked = rotating.issuer.asked
    wait_until(lambda: rotating.issuer.asked > asked + 1)
    assert set(rotating.issuer.paths) == {"/jwks"}
    assert rotating.status(rotating.ec.token(claims(sub="u-10"))) == 200


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with Issuer.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@asynccontextmanager
async def keys_of(issuer: Issuer, **changed: float) -> AsyncIterator[IssuerKeys]:
    seconds = {"every_seconds": NEVER, "again_seconds": NEVER, "max_age_seconds": NEVER, **changed}
    keys = IssuerKeys.at_address(issuer.url, **seconds)
    async with keys.kept():
        yield keys


def test_a_crowd_of_unknown_keys_is_one_question_and_then_none(issuer: Issuer) -> None:
    async def crowd() -> tuple[list[bool], list[bool]]:
        issuer.offer(SigningKey.new("a"))
        async with keys_of(issuer, again_seconds=0.001) as keys:
            await asyncio.sleep(0.002)
            together = await asyncio.gather(*(keys.look_again() for _ in range(500)))
        asked_by_the_crowd = issuer.asked
        async with keys_of(issuer) as keys:
            later = [await keys.look_again() for _ in range(50)]
        assert (asked_by_the_crowd, issuer.asked) == (2, 3)
        return together, later

    together, later = asyncio.run(crowd())
    assert all(together)
    assert not any(later)


def test_a_set_that_is_too_old_counts_no_more(issuer: Issuer) -> None:
    async def age() -> None:
        key = SigningKey.new("a")
        issuer.offer(key)
        async with keys_of(issuer, every_seconds=0.01, again_seconds=0.01, max_age_seconds=0.3) as keys:
            verifier = TokenVerifier(keys, Expected(NAME, AUDIENCE, frozenset(["at+jwt"])))
            assert verifier.caller(key.token()).actor.id == "u-118"
            changed = asyncio.Event()
            keys.when_changed(changed.set)
            issuer.document = None
            await changed.wait()
            with pytest.raises(Problem) as refused:
                verifier.caller(key.token())
            assert (refused.value.slug, refused.value.status) == ("issuer-unavailable", 503)
            changed.clear()
            issuer.offer(key)
            await changed.wait()
            assert verifier.caller(key.token()).actor.id == "u-118"

    asyncio.run(age())


def test_an_issuer_that_is_away_at_the_start_is_asked_again(issuer: Issuer) -> None:
    async def start() -> None:
        async with keys_of(issuer, again_seconds=0.001) as keys:
            assert keys.current == NO_KEYS
            issuer.offer(SigningKey.new("a"))
            await asyncio.sleep(0.002)
            assert await keys.look_again()
            assert list(keys.current.keys) == ["a"]

    asyncio.run(start())


def test_a_stranger_in_the_issuer_s_place_is_not_believed(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        issuer.offer(SigningKey.new("a"))
        async with keys_of(issuer) as keys:
            assert keys.current == NO_KEYS

    monkeypatch.delenv("SSL_CERT_FILE")
    asyncio.run(ask())
    assert issuer.asked == 0


def test_a_file_is_read_again_when_it_was_replaced(tmp_path: Path, issuer: Issuer) -> None:
    path = tmp_path / "jwks.json"

    async def replace() -> None:
        issuer.offer(SigningKey.new("a"))
        path.write_bytes(issuer.document or b"")
        keys = IssuerKeys.in_file(path)
        async with keys.kept():
            assert list(keys.current.keys) == ["a"]
            issuer.offer(SigningKey.new("b"))
            path.write_bytes(issuer.document or b"")
            while list(keys.current.keys) != ["b"]:
                await asyncio.sleep(0.02)
                await keys.look_again()

    asyncio.run(replace())


KEY = SigningKey.new("k")
RSA = SigningKey.new("r", "RS256")


@pytest.mark.parametrize(
    "jwk",
    [
        KEY.jwk(use="enc"),
        KEY.jwk(key_ops=["encrypt"]),
        KEY.jwk(key_ops="verify"),
        KEY.jwk(alg="HS256"),
        KEY.jwk(alg="RS256"),
        KEY.jwk(d="AAAA"),
        KEY.jwk(kid=""),
        KEY.jwk(kid=7),
        KEY.jwk(crv="Ed448"),
        KEY.jwk(crv="X25519"),
        KEY.jwk(crv=["Ed25519"]),
        KEY.jwk(x="AAAA"),
        KEY.jwk(x=7),
        KEY.jwk(kty="oct", k="AAAA"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"},
        RSA.jwk(n="AQAB"),
        RSA.jwk(e="AQ"),
        RSA.jwk(e="Ag"),
        {},
        [],
        None,
        7,
    ],
)
def test_of_a_set_only_sound_public_keys_for_signatures_are_taken(jwk: Any) -> None:
    good = SigningKey.new("good", "ES256").jwk()
    assert list(read_key_set(_set(jwk, good)).keys) == ["good"]
    with pytest.raises(UnusableSet):
        read_key_set(_set(jwk))


def test_a_name_that_two_keys_have_is_nobody_s_but_a_key_may_stand_twice() -> None:
    other = SigningKey.new("k")
    with pytest.raises(UnusableSet):
        read_key_set(_set(KEY.jwk(), other.jwk()))
    assert list(read_key_set(_set(KEY.jwk(), RSA.jwk(), KEY.jwk())).keys) == ["k", "r"]


def test_a_key_without_a_name_is_used_when_it_is_the_only_one() -> None:
    nameless = KEY.jwk()
    del nameless["kid"]
    assert read_key_set(_set(nameless)).key_for(None, "EdDSA") == KEY.private.public_key()
    assert read_key_set(_set(KEY.jwk())).key_for(None, "EdDSA") == KEY.private.public_key()


def test_an_rsa_key_of_no_algorithm_verifies_by_both_of_its_kind() -> None:
    plain = RSA.jwk()
    del plain["alg"]
    assert read_key_set(_set(plain)).keys["r"].algorithms == {"RS256", "PS256"}
    assert read_key_set(_set(RSA.jwk())).keys["r"].algorithms == {"RS256"}


def _set(*jwks: Any) -> bytes:
    return json.dumps({"keys": jwks}).encode()
