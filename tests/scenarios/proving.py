"""What an outsider believes who has nothing but the log's key."""

from __future__ import annotations

import base64
from typing import Any

from ledger.pack import verify


def proves(key: str, receipt: dict[str, Any]) -> bool:
    """Whether an outsider believes a receipt, with nothing but the log's key."""
    proof = verify.inclusion_in(receipt["proof"].encode())
    log = verify.checkpoint_in(proof.checkpoint)
    verify.signer_of(log, [verify.log_key(key)])
    leaf = base64.b64decode(receipt["entry_hash"])
    return proof.number + 1 == receipt["position"] and verify.is_included(
        leaf, proof.number, log.size, proof.hashes, log.root
    )
