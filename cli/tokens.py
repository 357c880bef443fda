"""Signs bearer tokens with the local development key: Ed25519, one PEM file, 0600.

The service verifies with the public half of the same file. A deployment with an identity provider of its own has no
use for this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.errors import CliError
from cli.service_files import write_private
from settings import Settings

DEFAULT_TTL = timedelta(hours=12)


@dataclass(frozen=True)
class Claims:
    """Who a token speaks for. `on_behalf_of` is the person that a delegate or a program acts for.

    `scopes` narrow what the roles permit, unless there are none.
    """

    actor: str
    roles: Sequence[str] = ()
    name: str | None = None
    kind: str = "HUMAN"
    on_behalf_of: str | None = None
    scopes: Sequence[str] = ()


def ensure_signing_key(path: Path) -> None:
    """Make the key unless there is one. Raises OSError when the folder cannot be written."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(path, pem)


def sign_token(settings: Settings, claims: Claims, ttl: timedelta = DEFAULT_TTL) -> str:
    """Return a token that is good from now for `ttl`. Raises CliError when there is no usable key."""
    key = _read_key(settings.jwt_key_file)
    now = datetime.now(UTC)
    content: dict[str, Any] = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "exp": now + ttl,
        "sub": claims.actor,
        "kind": claims.kind,
        "roles": list(claims.roles),
    }
    if claims.name:
        content["name"] = claims.name
    if claims.on_behalf_of:
        content["on_behalf_of"] = claims.on_behalf_of
    if claims.scopes:
        content["scope"] = " ".join(claims.scopes)
    return jwt.encode(content, key, algorithm="EdDSA", headers={"typ": "at+jwt"})


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise CliError(f"there is no signing key at {path}; `dossier serve --development` makes one") from error
    except OSError as error:
        raise CliError(f"the signing key cannot be read: {error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CliError(f"{path} holds no private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CliError(f"{path} holds a key of another kind than Ed25519")
    return key
