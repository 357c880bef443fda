"""Who is asking: bearer tokens, verified by the issuer's public keys; the caller comes from nowhere else.

A verified token is remembered until it expires, with what its roles and scopes allow, so that a busy client costs one
signature check, and after it a look into a table. What must stay true: nothing is remembered longer than what it was
concluded from. When the issuer's keys change, everything is forgotten; when something is recorded of a member of
staff, all that has to do with them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

import jwt

from api.callers import Caller, Concluded, caller_of
from api.claims import Claims, Expected, Unfit, claims_of, header_of
from api.errors import Problem
from api.issuer import IssuerKeys
from api.key_set import ALGORITHMS, KeyUnfit, KeyUnknown
from api.staff_directory import StaffDirectory

_REMEMBERED: Final = 10_000
_SIGNATURES: Final = jwt.PyJWS(sorted(ALGORITHMS))


class Unauthorized(Problem):
    """401. `challenge` is what the header WWW-Authenticate says: fixed words, nothing of the request (RFC 6750)."""

    def __init__(self, detail: str, challenge: str = "Bearer") -> None:
        super().__init__("unauthorized", 401, "A valid bearer token is needed", detail)
        self.headers = {"WWW-Authenticate": challenge}


class SignedByUnknownKey(Unauthorized):
    """The token names a key that the issuer's set has not: the set may have moved on."""


class TokenVerifier:
    """Turns a token into its caller."""

    def __init__(self, keys: IssuerKeys, expected: Expected, staff: StaffDirectory | None = None) -> None:
        """`staff` None: whatever tokens say of roles is so."""
        self.keys = keys
        self._expected = expected
        self._staff = staff
        self._verified: OrderedDict[str, Concluded] = OrderedDict()
        keys.when_changed(self._verified.clear)
        if staff is not None:
            staff.when_changed(self._forget)

    def caller(self, token: str) -> Caller:
        """The acting person or service.

        Raises Unauthorized, Problem 403 for who may not come in, 503 while the issuer's keys or the staff are unknown.
        """
        remembered = self._verified.get(token)
        if remembered is not None and time.time() < remembered.until:
            return remembered.caller
        concluded = caller_of(self._claims(token), self._staff)
        self._verified[token] = concluded
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return concluded.caller

    def _forget(self, subjects: frozenset[str]) -> None:
        """Forget the callers who are these members of staff, or act for them."""
        for token, ((actor, *_), _) in list(self._verified.items()):
            if actor.id in subjects or actor.on_behalf_of in subjects:
                del self._verified[token]

    def _claims(self, token: str) -> Claims:
        try:
            header = header_of(token, self._expected)
            if not self.keys.current.keys:
                raise Problem("issuer-unavailable", 503, "Tokens cannot be verified", "come back in a moment")
            key = self.keys.current.key_for(header.kid, header.algorithm)
            payload = _SIGNATURES.decode_complete(token, key, [header.algorithm])["payload"]
            return claims_of(payload, self._expected, time.time())
        except Unfit as error:
            raise _invalid(str(error)) from error
        except KeyUnknown as error:
            raise SignedByUnknownKey("its key is not known", _INVALID) from error
        except KeyUnfit as error:
            raise _invalid("its key does not verify by that algorithm") from error
        except jwt.InvalidTokenError as error:
            # Not the library's words, which may quote the token.
            raise _invalid("its signature does not hold") from error


_INVALID: Final = 'Bearer error="invalid_token"'


def _invalid(detail: str) -> Unauthorized:
    return Unauthorized(detail, _INVALID)


def unauthorized(detail: str) -> Unauthorized:
    """For a request without a token."""
    return Unauthorized(detail)
