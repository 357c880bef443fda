"""A write path on a test's database, orders for it, and the checker that every scenario ends with."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from db.pool import sync_pool
from domain.decisions import Change, Command, NewId, Order
from domain.decisions.classification import RecordAttribute
from domain.decisions.identity import RecordIdentifier
from domain.decisions.lifecycle import FirstContact, Registration
from domain.errors import HistoryNeeded
from domain.events import Actor, Circumstances
from domain.file import CustomerFile
from ledger.application import Ledger
from ledger.kek import FileKek, KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.records import AnyVersion, AtProfileVersion, NewFile, Outcome, Pending, Receipt, Records, Submission
from ledger.statements import FileView
from ledger.writer import Writer
from projections.identifiers import IdentifierView
from projections.profile import ProfileView
from tests.checker import check_stored
from tests.make import ONE_PERSON

EDITOR = Actor(id="u-118", name_at_time="Li Na", roles=("editor",))
IMPORTER = Actor(id="svc-import", roles=("importer",))
KEK_TEXT = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEK = FileKek.from_text(KEK_TEXT)
USCC = ("CN_USCC", "9144030071526726XG")
"""An identifier that passes its scheme's check."""
WELL_FOUNDED: dict[str, Any] = {
    "reason": {"text": "told by the customer"},
    "evidence": [{"note": "letter"}],
    "observed_at": datetime(2026, 1, 1, tzinfo=UTC),
}


@dataclass(frozen=True)
class Path:
    """One process's write path."""

    pool: Pool
    ledger: Ledger
    keys: KeyStore
    records: Records

    def process(self, *submissions: Submission) -> list[Outcome]:
        return self.records.process([Pending(submission) for submission in submissions])

    def accept(self, submission: Submission) -> Receipt:
        """The receipt of one submission, decided on the whole history where that is needed."""
        return receipt_of(self.settle(submission))

    def settle(self, submission: Submission) -> Outcome:
        """The outcome of one submission, decided on the whole history where that is needed."""
        pending = Pending(submission)
        (outcome,) = self.records.process([pending])
        if isinstance(outcome, HistoryNeeded):
            pending.history = self.records.read_history(submission.order.customer_id)
            (outcome,) = self.records.process([pending])
        return outcome


@contextmanager
def write_path(
    conninfo: str,
    *,
    files: FileView | None = None,
    new_id: NewId = uuid7,
    patience_seconds: float = 5.0,
    kek: KeyEncryptionKey = KEK,
) -> Iterator[Path]:
    """Lend the write path of one process: several of them on one database are several processes."""
    pool = sync_pool(conninfo, "dossier_app", min_size=1, max_size=3, autocommit=True)
    with pool:
        keys = KeyStore(pool, kek)
        ledger = Ledger(pool, keys)
        records = Records(
            ledger,
            pool,
            keys,
            files=files or ProfileView(),
            holders=IdentifierView(),
            new_id=new_id,
            policy=lambda: ONE_PERSON,
            patience_seconds=patience_seconds,
        )
        yield Path(pool, ledger, keys, records)


# --- orders ---------------------------------------------------------------------------------------------------------


def order(
    customer_id: UUID,
    *commands: Command,
    key: str | None = None,
    actor: Actor = EDITOR,
    seen: int | None = None,
    body: str | None = None,
    dry_run: bool = False,
    **stated: Any,
) -> Submission:
    """Commands on a file. `seen` is the profile version in If-Match, `stated` what is special about them."""
    circumstances = Circumstances(**(WELL_FOUNDED | stated))
    identified = [command.with_ids(uuid7) for command in commands]
    return Submission(
        Order(customer_id, tuple(Change(command, circumstances) for command in identified), actor, idempotency_key=key),
        AnyVersion() if seen is None else AtProfileVersion(seen),
        _digest(repr(commands) if body is None else body),
        frozenset(claim for command in identified for claim in command.identifiers()),
        dry_run,
    )


def attribute(customer_id: UUID, name: str, value: Any, /, **how: Any) -> Submission:
    return order(customer_id, RecordAttribute(key=name, value=value), **how)


def registration(
    name: str = "Acme",
    *identifiers: tuple[str, str],
    customer_id: UUID | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Submission:
    """A new file with a name, a contact with one point, an owner, and the identifiers."""
    opening = Registration.model_validate(
        {
            "customer_kind": "ORGANISATION",
            "name": name,
            "contact": FirstContact.model_validate(
                {"name": "Zhang San", "points": [{"kind": "MOBILE", "value": "+8613800138000"}]}
            ),
            "owner": "u-118",
            "identifiers": [RecordIdentifier(scheme=scheme, value=value) for scheme, value in identifiers],
        }
    )
    changes = tuple(
        Change(command.with_ids(uuid7), Circumstances(**WELL_FOUNDED), place)
        for place, command in opening.commands(initial_load=False)
    )
    named = frozenset(claim for change in changes for claim in change.command.identifiers())
    new = Order(customer_id or uuid7(), changes, EDITOR, idempotency_key=key)
    return Submission(new, NewFile(), _digest(name), named, dry_run)


def _digest(body: str) -> bytes:
    return hashlib.sha256(body.encode()).digest()


def receipt_of(outcome: Outcome) -> Receipt:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def receipts_of(outcomes: Iterable[Outcome]) -> list[Receipt]:
    return [receipt_of(outcome) for outcome in outcomes]


# --- a running writer -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def writing(records: Records, **limits: int) -> AsyncIterator[Writer]:
    writer = Writer(records, **limits)
    writer.start()
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.stop)
        assert not writer.alive


async def all_answers(writer: Writer, submissions: Sequence[Submission]) -> list[Receipt | BaseException]:
    return await asyncio.gather(*map(writer.submit, submissions), return_exceptions=True)


@contextmanager
def nothing_can_be_saved(database: str) -> Iterator[psycopg.Connection[Any]]:
    """While it lasts: another transaction holds the table of events, and saving waits for it."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE ledger.event IN ACCESS EXCLUSIVE MODE")
        yield connection


async def until_saving(database: str, number: int = 1) -> None:
    """Wait until that many connections wait for a lock."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'ledger.event'::regclass"
        while await (await connection.execute(waiting)).fetchone() != (number,):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)


# --- what is stored -------------------------------------------------------------------------------------------------


def rows(database: str, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(database) as connection:
        return connection.execute(query, parameters).fetchall()


def count(database: str, table: str) -> int:
    return int(rows(database, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a literal of a test


def wait_until(database: str, instant: datetime | None) -> None:
    """Wait until the database's clock has passed it."""
    rows(database, "SELECT pg_sleep(extract(epoch FROM %s::timestamptz - clock_timestamp()) + 0.01)", instant)


# --- the checker ----------------------------------------------------------------------------------------------------


def assert_consistent(conninfo: str) -> dict[UUID, CustomerFile]:
    """Everything that must hold of the stored rows, whatever happened; the files folded from their streams."""
    return check_stored(conninfo, KEK)
