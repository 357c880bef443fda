"""What a bearer token says (RFC 7519, in the shape of RFC 9068), taken apart and checked. Pure: keys and clock come in.

What must stay true: nothing of a token leaves this module in a message; whatever stands in it, it ends in claims that
hold or in Unfit. Times of the token are compared with a small leeway, everything else exactly.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from api.key_set import ALGORITHMS
from api.strict_json import NotStrictJson, strict_object
from domain.events import Actor
from domain.events.envelope import ActorKind
from domain.slots import segments_of

LONGEST_TOKEN: Final = 16 * 1024
"""In characters. A token of some hundred groups has about ten thousand."""

_SEGMENTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_SCOPES: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*|")
_MOST_SECONDS: Final = 2**53
_MOST_ROLES: Final = 200
_LONGEST_KID: Final = 1000
_CLIENTS: Final = ("client_id", "azp", "appid")
"""Where issuers name the program that asked for the token: RFC 9068, OpenID Connect, and one of their own."""


class Unfit(Exception):
    """The token is not accepted. The text says what it lacks and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What tokens must be, by the settings.

    `types` are the values of the header `typ` in lower case, "" for none; `roles_claim` and `scope_claim` are JSON
    Pointers into the claims; `service_claim` is a claim and the value by which the issuer marks the tokens of programs.
    """

    issuer: str
    audience: str
    types: frozenset[str]
    leeway_seconds: float = 30.0
    roles_claim: str = "/roles"
    scope_claim: str = "/scope"
    service_claim: tuple[str, str] | None = None


class Header(NamedTuple):
    """How a token says that it is signed."""

    algorithm: str
    kid: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """Who a token speaks for, by its issuer's word alone. `scopes` None: it names none, so none narrows."""

    actor: Actor
    scopes: frozenset[str] | None
    expires_at: float
    """Seconds since 1970, the leeway included."""


def header_of(token: str, expected: Expected) -> Header:
    """How the token is signed, before anything of it is believed. Raises Unfit."""
    match = _SEGMENTS.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if match is None:
        raise Unfit("it is no signed token")
    header = _object(_decoded(match[1]), "header")
    # Whoever does not understand what is marked as critical must refuse, and we know no extension.
    if "crit" in header or "b64" in header:
        raise Unfit("its header asks for an extension")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Unfit("it is not signed by an algorithm that is taken")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KID):
        raise Unfit("its header names no key")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in expected.types:
        raise Unfit("it is no access token")
    return Header(algorithm, kid)


def claims_of(payload: bytes, expected: Expected, now: float) -> Claims:
    """Who a token speaks for whose signature has been verified. Raises Unfit."""
    claims = _object(payload, "claims")
    if not (isinstance(issuer := claims.get("iss"), str) and issuer == expected.issuer):
        raise Unfit("another has issued it")
    _require_audience(claims.get("aud"), expected.audience)
    leeway = expected.leeway_seconds
    expires_at = _instant(claims, "exp") + leeway
    if now >= expires_at:
        raise Unfit("it has expired")
    if _instant(claims, "iat") > now + leeway:
        raise Unfit("it was issued in the future")
    if "nbf" in claims and _instant(claims, "nbf") > now + leeway:
        raise Unfit("it is not valid yet")
    return Claims(_actor(claims, expected), _scopes(_at(claims, expected.scope_claim)), expires_at)


def _require_audience(audience: Any, expected: str) -> None:
    """RFC 9068, section 4: the resource server is named, alone or among others."""
    named = [audience] if isinstance(audience, str) else audience
    if not (isinstance(named, list) and all(isinstance(name, str) for name in named) and expected in named):
        raise Unfit("it is for another audience")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate: a JSON number, which the text of one is not. Raises Unfit."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_SECONDS:
        raise Unfit(f"its claim {name} is no time")
    return float(value)


def _actor(claims: Mapping[str, Any], expected: Expected) -> Actor:
    roles = _at(claims, expected.roles_claim)
    try:
        actor = Actor(
            id=_subject(claims.get("sub")),
            kind=_kind(claims, expected),
            name_at_time=claims.get("name"),
            roles=() if roles is None else roles,
            on_behalf_of=claims.get("on_behalf_of"),
        )
    except ValidationError as error:
        raise Unfit("its claims do not describe an actor") from error
    if len(actor.roles) > _MOST_ROLES:
        raise Unfit(f"it has more than {_MOST_ROLES} roles")
    return actor


def _subject(subject: Any) -> str:
    """The id of a person or program, which must not look like another's.

    Blanks around it, signs that nobody sees, and other ways to write the same are refused.
    """
    if not isinstance(subject, str) or not subject.isprintable() or subject != subject.strip():
        raise Unfit("its claim sub is no id")
    if not subject.isascii() and unicodedata.normalize("NFKC", subject) != subject:
        raise Unfit("its claim sub is no id")
    return subject


def _kind(claims: Mapping[str, Any], expected: Expected) -> ActorKind:
    """A program's token is of no person, by whichever sign: programs approve nothing."""
    stated = claims.get("kind", ActorKind.HUMAN)
    if stated not in (ActorKind.HUMAN, ActorKind.SERVICE):
        raise Unfit("its claim kind is neither HUMAN nor SERVICE")
    subject = claims.get("sub")
    is_own_client = any(claims.get(name) == subject for name in _CLIENTS)
    marked = expected.service_claim
    is_marked = marked is not None and claims.get(marked[0]) == marked[1]
    return ActorKind.SERVICE if is_own_client or is_marked else ActorKind(stated)


def _scopes(stated: Any) -> frozenset[str] | None:
    """RFC 8693: a text of words apart by blanks."""
    if stated is None:
        return None
    if not isinstance(stated, str) or not _SCOPES.fullmatch(stated):
        raise Unfit("its claim scope is no list of words")
    return frozenset(stated.split())


def _at(claims: Mapping[str, Any], pointer: str) -> Any:
    """What stands at a JSON Pointer; None where nothing does."""
    found: Any = claims
    for segment in segments_of(pointer):
        found = found.get(segment) if isinstance(found, dict) else None
    return found


def _object(document: bytes, what: str) -> dict[str, Any]:
    try:
        return strict_object(document)
    except NotStrictJson as error:
        raise Unfit(f"of its {what}: {error}") from error


def _decoded(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except Base64Error as error:
        raise Unfit("it is no signed token") from error
