"""Who is asking: bearer tokens (JWT, EdDSA), checked against one public key; the actor comes from nowhere else.

A verified token is remembered until it expires, so that a busy client costs one signature check.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from api.errors import Problem
from domain.events import Actor
from domain.events.envelope import ActorKind

ALGORITHM: Final = "EdDSA"
_REMEMBERED: Final = 10_000


class TokenVerifier:
    """Turns a token into its actor. Claims: sub, kind, name, roles, on_behalf_of; exp, iat, iss, aud required."""

    def __init__(self, public_key: Ed25519PublicKey, *, issuer: str, audience: str) -> None:
        self._public_key = public_key
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, tuple[float, Actor]] = OrderedDict()

    def actor(self, token: str) -> Actor:
        """The acting person or service. Raises Problem 401."""
        remembered = self._verified.get(token)
        if remembered is not None and time.time() < remembered[0]:
            return remembered[1]
        claims = self._claims(token)
        actor = _actor(claims)
        self._verified[token] = (claims["exp"], actor)
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return actor

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._public_key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.InvalidTokenError as error:
            raise unauthorized(str(error)) from error


def unauthorized(detail: str) -> Problem:
    return Problem("unauthorized", 401, "A valid bearer token is needed", detail)


def _actor(claims: dict[str, Any]) -> Actor:
    try:
        return Actor(
            id=claims["sub"],
            kind=claims.get("kind", ActorKind.HUMAN),
            name_at_time=claims.get("name"),
            roles=claims.get("roles", ()),
            on_behalf_of=claims.get("on_behalf_of"),
        )
    except ValidationError as error:
        raise unauthorized("the token's claims do not describe an actor") from error
