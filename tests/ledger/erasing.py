"""An eraser on a test's database, erasures for it to carry out, and a process in which it can be killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from uuid import UUID, uuid4

from db.pool import sync_pool
from domain.decisions.contacts import AddContact, ChangeContactDetails
from domain.decisions.privacy import ApproveErasure, RequestErasure
from domain.events import Actor
from domain.events.privacy import LegalBasis, PersonalDataErased
from ledger.eraser import Eraser
from ledger.kek import KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.submissions import Receipt
from tests.ledger.writing import KEK, Path, order

OFFICER = Actor(id="u-501", roles=("privacy",))
SECOND = Actor(id="u-502", roles=("privacy",))
CANARY = "Zhang Xiaoming 93b1"


@contextmanager
def eraser_on(conninfo: str, kek: KeyEncryptionKey = KEK) -> Iterator[Eraser]:
    with sync_pool(conninfo, "dossier_eraser", min_size=1, max_size=2, autocommit=True) as pool:
        yield Eraser(pool, KeyStore(pool, kek))


def add_person(path: Path, customer_id: UUID, contact_id: UUID | None = None) -> UUID:
    """A contact person with secrets in two events; the id."""
    contact_id = contact_id or uuid4()
    added = AddContact(contact_id=contact_id, name=CANARY, title=CANARY)
    path.accept(order(customer_id, added, ChangeContactDetails(contact_id=contact_id, changed={"title": CANARY + "!"})))
    return contact_id


def erase(path: Path, customer_id: UUID, subject: UUID, key: str | None = None) -> Receipt:
    """Ask for it and approve it; the receipt of the approval, whose last event is the erasure."""
    request_id = uuid4()
    ask = RequestErasure(request_id=request_id, subject=subject, legal_basis=LegalBasis.GDPR_17_1_B)
    path.accept(order(customer_id, ask, actor=OFFICER))
    receipt = path.accept(order(customer_id, ApproveErasure(request_id=request_id), actor=SECOND, key=key))
    assert isinstance(receipt.events[-1].payload, PersonalDataErased)
    return receipt


if __name__ == "__main__":
    with eraser_on(sys.argv[1]) as eraser:
        eraser.run(Event())
