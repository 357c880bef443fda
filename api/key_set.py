"""The public keys of an issuer of tokens, as a JWK set (RFC 7517) tells them, and which of them may verify what.

What must stay true: a key verifies by the algorithms of its own kind and no others, whatever a token says of itself;
of a set only public keys for signatures are taken, each under a name that is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.strict_json import NotStrictJson, strict_object

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

ALGORITHMS: Final = frozenset(["EdDSA", "ES256", "PS256", "RS256"])
LONGEST_SET_BYTES: Final = 256 * 1024
MOST_KEYS: Final = 100

_LEAST_RSA_BITS: Final = 2048
_MOST_RSA_BITS: Final = 8192
_MOST_EXPONENT_BITS: Final = 32
_OF_RSA: Final = frozenset(["PS256", "RS256"])
_FIRST_BY_KIND: Final = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
"""By kind and curve, an algorithm by which PyJWT reads such a key."""


class UnusableSet(Exception):
    """What an issuer gave out is no set of keys, or none of them is of any use."""


class KeyUnknown(Exception):
    """The set has no key of that name."""


class KeyUnfit(Exception):
    """The key does not verify by that algorithm."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key and the algorithms that it may verify by. `kid` None: the set did not name it."""

    kid: str | None
    key: PublicKey
    algorithms: frozenset[str]


@dataclass(frozen=True)
class KeySet:
    """Keys by name. Two sets of the same keys under the same names are equal."""

    keys: Mapping[str | None, IssuerKey]

    @classmethod
    def of(cls, keys: Iterable[IssuerKey]) -> KeySet:
        """A name that two different keys have is nobody's. Raises UnusableSet when nothing is left."""
        named: dict[str | None, IssuerKey] = {}
        ambiguous = set()
        for key in keys:
            if named.setdefault(key.kid, key) != key:
                ambiguous.add(key.kid)
        chosen = {kid: key for kid, key in named.items() if kid not in ambiguous}
        if not chosen:
            raise UnusableSet("it has no key that could be used")
        return cls(chosen)

    def key_for(self, kid: str | None, algorithm: str) -> PublicKey:
        """The key that a token names; one that names none means the only one there is.

        Raises KeyUnknown or KeyUnfit.
        """
        found = next(iter(self.keys.values())) if kid is None and len(self.keys) == 1 else self.keys.get(kid)
        if found is None or (kid is None and len(self.keys) > 1):
            raise KeyUnknown
        if algorithm not in found.algorithms:
            raise KeyUnfit
        return found.key


NO_KEYS: Final = KeySet({})


def read_key_set(document: bytes) -> KeySet:
    """The usable keys of a JWK set; those for other uses and of other kinds are passed over. Raises UnusableSet."""
    if len(document) > LONGEST_SET_BYTES:
        raise UnusableSet(f"it is longer than {LONGEST_SET_BYTES} bytes")
    try:
        content = strict_object(document)
    except NotStrictJson as error:
        raise UnusableSet(f"it is no JSON object: {error}") from error
    listed = content.get("keys")
    if not isinstance(listed, list):
        raise UnusableSet('it has no list "keys"')
    if len(listed) > MOST_KEYS:
        raise UnusableSet(f"it has more than {MOST_KEYS} keys")
    return KeySet.of(key for key in map(_read_key, listed) if key is not None)


def key_of(public_key: PublicKey, kid: str | None = None) -> IssuerKey:
    """A key with all algorithms of its kind. Raises UnusableSet for one of another kind, too weak or too slow."""
    match public_key:
        case Ed25519PublicKey():
            return IssuerKey(kid, public_key, frozenset(["EdDSA"]))
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return IssuerKey(kid, public_key, frozenset(["ES256"]))
        case RSAPublicKey() if _is_sound(public_key):
            return IssuerKey(kid, public_key, _OF_RSA)
    raise UnusableSet("a key of that kind cannot be used")


def _is_sound(key: RSAPublicKey) -> bool:
    exponent = key.public_numbers().e
    return (
        _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS
        and exponent.bit_length() <= _MOST_EXPONENT_BITS
        and exponent > 2  # noqa: PLR2004 - 2 is no exponent, 1 would be no signature
    )


def _read_key(content: Any) -> IssuerKey | None:
    """None for a key that is for something else, or cannot be used."""
    if not isinstance(content, dict) or not _is_for_verifying(content):
        return None
    kid, algorithm = content.get("kid"), content.get("alg")
    first = _FIRST_BY_KIND.get((content.get("kty", ""), content.get("crv"))) if _are_texts(content) else None
    if first is None or not (kid is None or (isinstance(kid, str) and kid)):
        return None
    try:
        key = key_of(jwt.PyJWK(content, algorithm=first).key, kid)
    except (jwt.PyJWTError, UnusableSet, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    algorithms = key.algorithms if algorithm is None else key.algorithms & {algorithm}
    return IssuerKey(kid, key.key, algorithms) if algorithms else None


def _are_texts(content: Mapping[str, Any]) -> bool:
    return all(isinstance(content.get(name, ""), str) for name in ("kty", "crv", "alg"))


def _is_for_verifying(content: Mapping[str, Any]) -> bool:
    """Whether it says so, or says nothing. A private key in a set that everybody can read is nobody's any more."""
    operations = content.get("key_ops", ["verify"])
    return (
        "d" not in content
        and content.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )
