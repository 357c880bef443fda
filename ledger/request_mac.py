"""Tells a retried request from another one under the same idempotency key, without keeping its body.

The code is keyed with a key derived from the customer's data key, so it says nothing once that key is destroyed.
"""

from __future__ import annotations

import hmac
from typing import Final

_INFO: Final = b"dossier/v1 idempotency"


def of(data_key: bytes, digest: bytes) -> bytes:
    """The code of a request with that SHA-256 `digest`, 32 bytes."""
    return hmac.digest(hmac.digest(data_key, _INFO, "sha256"), digest, "sha256")


def equal(left: bytes | None, right: bytes) -> bool:
    return left is not None and hmac.compare_digest(left, right)
