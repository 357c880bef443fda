"""Why no evidence pack, or no receipt, is made of what was asked for.

EvidenceRefused (a LedgerError)
├── NothingSigned                 no signed checkpoint covers any event of the customer
├── VersionUnknown                a version that is to be disclosed is not there; carries version
├── CheckpointAhead               the earlier checkpoint covers more than is signed
└── HistoryForked                 the earlier checkpoint is genuine, and the log does not begin with it
NotSealedYet (a LedgerError)      no signed checkpoint covers an event yet, so that there is no receipt
"""

from __future__ import annotations

from ledger.errors import LedgerError


class EvidenceRefused(LedgerError):
    """No pack can be made of what was asked for."""


class NothingSigned(EvidenceRefused):
    """No checkpoint covers the customer's first event yet: there is nothing to prove it against."""


class VersionUnknown(EvidenceRefused):
    """A version that is to be disclosed is not in the log, as far as it is signed."""

    def __init__(self, version: int, last: int) -> None:
        super().__init__(f"version {version} is not in the signed log, which ends with version {last} of the customer")
        self.version = version


class NotSealedYet(LedgerError):
    """No signed checkpoint covers the event yet; it will, when sealer and signer have got there."""


class CheckpointAhead(EvidenceRefused):
    """The earlier checkpoint covers more than the newest one that is signed here."""


class HistoryForked(EvidenceRefused):
    """The earlier checkpoint is genuine and the log does not begin with it: the history was changed."""
