"""A ledger that lives: what happens to one in years, each in a few lines, and what its guards say of it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

from db.pool import connect
from db.restoring import restoring, unmark
from domain.decisions.contacts import AddContact
from domain.decisions.privacy import ApproveErasure, LiftLegalHold, PlaceLegalHold, RequestErasure
from domain.events.privacy import LegalBasis
from ledger.backup import Folders, back_up
from ledger.checkpoint import Checkpoint
from ledger.findings import Finding
from ledger.log_errors import LogRefused
from ledger.log_key import log_key_from
from ledger.notes import SigningKey
from ledger.origin import begin_origin, key_of_new_origin
from ledger.replay import RESTORER, erase_again
from ledger.restore import Target, begin_history, check_sources, put_back, read_sources, seal_all, signed_in
from ledger.ring import KekRing
from ledger.rotation import retire, rotate, rotating
from ledger.snapshot_keys import SnapshotKeys
from ledger.verify import extent_of, one_moment, verify_evidence
from ledger.verify_against import against_findings
from projections.fill import fill
from tests.ledger.erasing import OFFICER, SECOND, eraser_on
from tests.ledger.sealing import append
from tests.ledger.signing import KEY, Signing
from tests.ledger.writing import attribute, order, registration, write_path


class Living:
    """A database, and outside of it the signer's memory, its key, and the key file."""

    def __init__(self, database: str, folder: Path, ring: KekRing, key: SigningKey = KEY) -> None:
        self.database = database
        self.folder = folder
        self._ring = ring
        self._open = ExitStack()
        self.signing = self._open.enter_context(closing(Signing(database, folder, key)))
        self._path = self._open.enter_context(write_path(database, kek=ring))
        self._eraser = self._open.enter_context(eraser_on(database, ring))

    def close(self) -> None:
        self._open.close()

    # --- what happens -------------------------------------------------------------------------------------------------

    def register(self) -> UUID:
        return self._path.accept(registration()).customer_id

    def append(self, customer: UUID) -> None:
        """Record something new: what a file says already is no event."""
        self._path.accept(attribute(customer, "n", str(uuid4())))

    def roll_back(self, customer: UUID) -> None:
        """Everything of an event but its commit."""
        with connect(self.database, "dossier_app") as connection:
            append(connection, customer, 10_000)
            connection.rollback()

    def seal(self) -> None:
        self.signing.seal()

    def sign(self) -> Checkpoint:
        """The newest note's checkpoint."""
        self.seal()
        return self.signing.sign()

    def add_person(self, customer: UUID) -> UUID:
        person = uuid4()
        self._path.accept(order(customer, AddContact(contact_id=person, name="Zhang Xiaoming")))
        return person

    def erase(self, customer: UUID, person: UUID, *, is_held: bool) -> None:
        """As two officers have it done; under a hold it waits for the end of that."""
        request = uuid4()
        ask = RequestErasure(request_id=request, subject=person, legal_basis=LegalBasis.GDPR_17_1_B)
        self._path.accept(order(customer, ask, actor=OFFICER))
        self._path.accept(order(customer, ApproveErasure(request_id=request, after_hold=is_held), actor=SECOND))
        self._eraser.carry_out()

    def hold(self, customer: UUID) -> UUID:
        hold = uuid4()
        self._path.accept(order(customer, PlaceLegalHold(hold_id=hold, reference="case 17"), actor=OFFICER))
        return hold

    def lift(self, customer: UUID, hold: UUID) -> None:
        self._path.accept(order(customer, LiftLegalHold(hold_id=hold), actor=SECOND))
        self._eraser.carry_out()

    def rotate(self) -> None:
        with rotating(self.database) as rotation:
            rotate(rotation, self._ring)
            retire(rotation, self._ring)

    def restored(self, empty: str, folder: Path) -> Self:
        """Back it up, and let it go on in an empty database, under another name."""
        archives = Folders(folder / "ledger", folder / "keys", folder / "erasures")
        back_up(self.database, archives)
        sources = read_sources(folder / "ledger", folder / "keys")
        check_sources(sources)
        before, key_file = signed_in(sources), folder / "log"
        with restoring(empty) as connection:
            target = Target(empty, connection)
            put_back(target, None, sources)
            epoch = begin_history(
                target, RESTORER.id, before.note, lambda name: key_of_new_origin(key_file, None, before, name).name
            )
            seal_all(target)
            fill(empty, self._ring, lambda _: None)
            erase_again(empty, self._ring)
            heir = type(self)(empty, folder, self._ring, log_key_from(key_file))
            begin_origin(connection, heir.signing.key, heir.signing.memory, epoch.after)
            unmark(connection)
        return heir

    # --- what the guards say ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        ((size,),) = self.signing.rows("SELECT coalesce(max(idx) + 1, 0) FROM ledger.log")
        return int(size)

    def found(self) -> list[Finding]:
        with one_moment(self.database) as connection:
            return list(verify_evidence(connection, SnapshotKeys(connection, self._ring)))

    def goes_on_from(self, kept: Checkpoint) -> bool:
        with one_moment(self.database) as connection:
            return not list(against_findings(connection, kept, extent_of(connection).positions))

    def signs_on(self) -> bool:
        try:
            self.signing.compare()
        except LogRefused:
            return False
        return True
