"""Whose tokens the service believes, by its settings: of one issuer elsewhere, or, for development, of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from api.claims import Expected
from api.issuer import IssuerKeys
from api.key_set import KeySet, UnusableSet, key_of
from api.staff_directory import StaffDirectory
from api.tokens import TokenVerifier
from settings import Settings

_OF_DEVELOPMENT: Final = frozenset(["at+jwt", "jwt", ""])


def verifier_of(settings: Settings, staff: StaffDirectory) -> TokenVerifier:
    """The verifier of the settings' tokens. Raises ValueError when they do not say whose, or name an unusable key."""
    if settings.issuer_obstacle is not None:
        raise ValueError(settings.issuer_obstacle)
    return TokenVerifier(_keys(settings), _expected(settings), staff)


def _keys(settings: Settings) -> IssuerKeys:
    if settings.jwks_file is not None:
        return IssuerKeys.in_file(settings.jwks_file)
    if settings.jwks_url is not None:
        return IssuerKeys.at_address(
            settings.jwks_url,
            every_seconds=settings.jwks_refresh_seconds,
            again_seconds=settings.jwks_again_seconds,
            max_age_seconds=settings.jwks_max_age_seconds,
        )
    return IssuerKeys(None, _local(settings.jwt_key_file))


def _expected(settings: Settings) -> Expected:
    types = frozenset(kind.lower() for kind in settings.jwt_types.split())
    name, _, value = (settings.jwt_service_claim or "").partition("=")
    return Expected(
        settings.jwt_issuer,
        settings.jwt_audience,
        types | _OF_DEVELOPMENT if settings.development else types,
        settings.jwt_leeway_seconds,
        settings.jwt_roles_claim,
        settings.jwt_scope_claim,
        (name, value) if name else None,
    )


def _local(path: Path) -> KeySet:
    """Of a private key only the public half is kept."""
    pem = path.read_bytes()
    try:
        if b"PRIVATE KEY" in pem:
            public_key = serialization.load_pem_private_key(pem, password=None).public_key()
        else:
            public_key = serialization.load_pem_public_key(pem)
        return KeySet.of([key_of(public_key)])  # type: ignore[arg-type] # other kinds are refused there
    except (ValueError, TypeError, UnsupportedAlgorithm, UnusableSet) as error:
        raise ValueError(f"{path} holds no key that verifies tokens") from error
