"""The eraser: what an erasure takes, what it leaves, and that a death after any step costs nothing but time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from db.pool import connect, sync_pool
from domain.decisions.contacts import AddContact, ChangeContactDetails
from domain.decisions.lifecycle import Registration
from domain.errors import SubjectErased as Refused
from domain.events.privacy import RECORDS_SUBJECT, ErasedContent
from ledger.eraser import Eraser
from ledger.errors import SubjectErased
from ledger.keys import KeyStore
from ledger.plain import to_json
from ledger.records import NewFile, Submission
from ledger.verify import SnapshotKeys, one_moment, verify_evidence
from tests.ledger.erasing import CANARY, add_person, erase, eraser_on
from tests.ledger.writing import (
    KEK,
    USCC,
    Path,
    assert_consistent,
    attribute,
    order,
    registration,
    rows,
    write_path,
)

PARTS = "SELECT version, part FROM ledger.payload WHERE stream = %s ORDER BY version, part"
STATE = "SELECT state, erased_by FROM keys.subject_key WHERE subject = %s"


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def customer(path: Path) -> UUID:
    return path.accept(registration("Acme", USCC)).customer_id


@pytest.fixture
def eraser(database: str) -> Iterator[Eraser]:
    with eraser_on(database) as eraser:
        yield eraser


def individual(path: Path) -> UUID:
    """The file of a person, who is also its contact."""
    opening = Registration.model_validate(
        {"customer_kind": "INDIVIDUAL", "name": CANARY, "contact": {"points": [{"kind": "OTHER", "value": CANARY}]}}
    )
    changes = opening.commands(initial_load=False)
    submission = order(uuid4(), *(command for _, command in changes))
    return path.accept(Submission(submission.order, NewFile(), submission.digest)).customer_id


def findings(database: str) -> list[str]:
    with one_moment(database) as connection:
        return [f"{each.check}: {each.detail}" for each in verify_evidence(connection, SnapshotKeys(connection, KEK))]


# --- what is taken, and what is left --------------------------------------------------------------------------------


def test_a_person_is_erased_and_the_file_goes_on(path: Path, customer: UUID, eraser: Eraser, database: str) -> None:
    person = add_person(path, customer)
    before = rows(database, PARTS, customer)
    receipt = erase(path, customer, person)
    assert CANARY not in str(rows(database, "SELECT state FROM read.profile"))
    assert eraser.carry_out() == 1
    assert eraser.carry_out() == 0
    event_id = receipt.events[-1].envelope.event_id
    assert rows(database, STATE, person) == [("destroyed", event_id)]
    gone = set(before) - set(rows(database, PARTS, customer))
    assert len(gone) == 2
    assert {part for _, part in gone} == {1}
    assert CANARY.encode() not in _texts(path, customer)
    assert CANARY not in str(path.ledger.history(customer, gt=1))
    path.accept(attribute(customer, "still", "alive"))
    assert isinstance(path.settle(order(customer, _details(person))), Refused)
    assert_consistent(database)
    assert findings(database) == []


def test_who_was_erased_from_one_file_is_not_added_to_another_under_a_key_that_is_still_remembered(
    path: Path, customer: UUID, eraser: Eraser, database: str
) -> None:
    person = add_person(path, customer)
    other = path.accept(registration("Another")).customer_id
    erase(path, customer, person)
    assert eraser.carry_out() == 1
    added = AddContact(contact_id=person, name=CANARY)
    assert isinstance(path.settle(order(other, added)), SubjectErased)
    assert_consistent(database)
    assert findings(database) == []


def test_a_customer_is_erased_with_everybody_in_its_file(path: Path, eraser: Eraser, database: str) -> None:
    customer = individual(path)
    person = add_person(path, customer)
    erase(path, customer, customer)
    assert eraser.carry_out() == 1
    kept = [version for version, _ in rows(database, PARTS, customer)]
    history = path.ledger.history(customer)
    outliving = [event.envelope.version for event in history if event.payload.outlives_erasure]
    assert kept == outliving
    assert all(isinstance(event.payload, ErasedContent) == (event.envelope.version not in kept) for event in history)
    states = rows(database, "SELECT subject, state FROM keys.subject_key ORDER BY state")
    assert (RECORDS_SUBJECT, "active") in states
    assert {subject for subject, state in states if state == "destroyed"} >= {customer, person}
    assert isinstance(path.settle(attribute(customer, "a", 1)), Refused)
    assert_consistent(database)
    assert findings(database) == []


def test_identifiers_of_an_erased_customer_are_free_again(path: Path, database: str) -> None:
    opening = Registration.model_validate(
        {
            "customer_kind": "INDIVIDUAL",
            "name": CANARY,
            "contact": {"points": [{"kind": "OTHER", "value": "x"}]},
            "identifiers": [{"scheme": USCC[0], "value": USCC[1]}],
        }
    )
    commands = [command for _, command in opening.commands(initial_load=False)]
    submission = order(uuid4(), *commands)
    customer = path.accept(Submission(submission.order, NewFile(), submission.digest, frozenset({USCC}))).customer_id
    erase(path, customer, customer)
    assert rows(database, "SELECT * FROM read.identifier") == []
    path.accept(registration("Another", USCC))
    assert_consistent(database)


def test_what_another_file_needs_is_kept_there_until_it_is_erased_there_too(
    path: Path, customer: UUID, eraser: Eraser, database: str
) -> None:
    other = path.accept(registration("Beta")).customer_id
    person = add_person(path, customer)
    add_person(path, other, person)
    erase(path, customer, person)
    eraser.carry_out()
    assert rows(database, "SELECT keys_kept FROM ledger.erasure") == [([person],)]
    assert rows(database, STATE, person) == [("active", None)]
    assert CANARY.encode() not in _texts(path, customer)
    assert CANARY.encode() in _texts(path, other)
    receipt = erase(path, other, person)
    eraser.carry_out()
    assert rows(database, STATE, person) == [("destroyed", receipt.events[-1].envelope.event_id)]
    assert CANARY.encode() not in _texts(path, other)
    assert findings(database) == []


def test_another_customers_key_is_not_destroyed_through_a_contact_with_its_id(
    path: Path, customer: UUID, eraser: Eraser, database: str
) -> None:
    victim = path.accept(registration("Victim")).customer_id
    add_person(path, customer, victim)
    erase(path, customer, victim)
    eraser.carry_out()
    assert rows(database, STATE, victim) == [("active", None)]
    path.accept(attribute(victim, "a", 1))
    assert_consistent(database)


def test_a_writer_with_a_key_in_its_cache_is_refused(path: Path, customer: UUID, eraser: Eraser, database: str) -> None:
    person = add_person(path, customer)
    with write_path(database) as other:
        other.accept(order(customer, _details(person, "CEO")))  # its key is in that process's cache now
        erase(path, customer, person)
        assert isinstance(other.settle(order(customer, _details(person, "CTO"))), Refused)
        eraser.carry_out()
        assert isinstance(other.settle(order(customer, _details(person, "CTO"))), Refused)
        assert CANARY.encode() not in _texts(other, customer)


def test_a_retry_of_the_approval_is_answered_as_before_while_the_customer_has_a_key(
    path: Path, customer: UUID, eraser: Eraser
) -> None:
    person = add_person(path, customer)
    receipt = erase(path, customer, person, key="k-1")
    eraser.carry_out()
    (change,) = path.ledger.history(customer, gt=receipt.version - 2, lte=receipt.version - 1)
    assert change.envelope.idempotency_key == "k-1"


def test_a_part_is_the_streams_own_whether_its_entry_says_so_or_not(database: str) -> None:
    stream, delete = uuid4(), "SELECT ledger.erase_part(%s, %s, %s::smallint)"
    own = f'{{"parts":[{{"subject":"{stream}"}},{{"subject":"{uuid4()}"}}]}}'
    erasure = f'{{"erases":"{stream}","type":"customer.personal-data-erased"}}'
    entries = [(1, "customer.told", own), (2, "customer.told", '{"parts":[{}]}')]
    with connect(database, "dossier_app") as app:
        for version, name, entry in [*entries, (3, "customer.personal-data-erased", erasure)]:
            app.execute("INSERT INTO ledger.event VALUES (%s, %s, %s, %s)", [stream, version, name, entry.encode()])
        for version, part in ((1, 0), (2, 0), (2, 1)):
            app.execute("INSERT INTO ledger.payload VALUES (%s, %s, %s, '\\x00')", [stream, version, part])
    with connect(database, "dossier_eraser", autocommit=True) as eraser:
        assert eraser.execute(delete, [stream, 1, 0]).fetchone() == (True,)
        assert eraser.execute(delete, [stream, 2, 0]).fetchone() == (True,)
        assert _refusal(eraser, delete, stream, 2, 1) == "DS002"


def test_only_the_eraser_may_delete_and_only_what_an_event_erases(path: Path, customer: UUID, database: str) -> None:
    person = add_person(path, customer)
    last = rows(database, "SELECT max(version) FROM ledger.event WHERE stream = %s", customer)[0][0]
    delete = "SELECT ledger.erase_part(%s, %s, %s::smallint)"
    with connect(database, "dossier_app") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(delete, [customer, last, 1])
    with connect(database, "dossier_eraser", autocommit=True) as connection:
        assert _refusal(connection, delete, customer, last, 1) == "DS002"
        erase(path, customer, person)
        assert connection.execute(delete, [customer, last, 1]).fetchone() == (True,)
        assert connection.execute(delete, [customer, last, 1]).fetchone() == (False,)
        assert _refusal(connection, delete, customer, last, 0) == "DS002"
        assert _refusal(connection, delete, customer, last + 3, 0) == "DS002"
    with psycopg.connect(database, autocommit=True) as owner:
        assert _refusal(owner, "DELETE FROM ledger.payload WHERE stream = %s", customer) == "DS001"
        owner.execute("SET dossier.erasing = 'on'")
        assert _refusal(owner, "DELETE FROM ledger.payload WHERE stream = %s", customer) == "DS002"


def test_an_erasure_that_the_service_did_not_write_erases_nothing(
    path: Path, customer: UUID, eraser: Eraser, database: str
) -> None:
    person = add_person(path, customer)
    receipt = erase(path, customer, person)
    with psycopg.connect(database) as owner:
        owner.execute("ALTER TABLE ledger.payload DISABLE TRIGGER USER")
        spoil = "UPDATE ledger.payload SET ct = ct || 'x' WHERE stream = %s AND version = %s"
        owner.execute(spoil, [customer, receipt.version])
        owner.execute("ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_change")
    assert eraser.carry_out() == 0
    assert rows(database, STATE, person) == [("active", None)]


# --- dying ----------------------------------------------------------------------------------------------------------

# What another transaction holds, so that the eraser waits before the step, and what is done of it by then.
STEPS = {
    "before the key": ("SELECT FROM keys.subject_key WHERE subject = %(person)s FOR UPDATE", ("active", 2, 0)),
    "before the ciphertexts": (
        "SELECT FROM ledger.payload WHERE stream = %(customer)s FOR UPDATE",
        ("destroyed", 2, 0),
    ),
    "before it is written down": ("LOCK TABLE ledger.erasure IN SHARE MODE", ("destroyed", 0, 0)),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_eraser_finishes(
    path: Path, customer: UUID, eraser: Eraser, database: str, step: str
) -> None:
    person = add_person(path, customer)
    erase(path, customer, person)
    hold, done = STEPS[step]
    with psycopg.connect(database) as connection, eraser_process(database) as process:
        connection.execute(hold.encode(), {"person": person, "customer": customer})
        process.start()
        _until(lambda: _waits(database))
        process.kill()
        assert _done(database, customer, person) == done
    _until(lambda: not _waits(database))
    assert CANARY.encode() not in _texts(path, customer)
    eraser.carry_out()  # nothing, if the server had gone on with what it was told before the kill
    assert _done(database, customer, person) == ("destroyed", 0, 1)
    assert_consistent(database)
    assert findings(database) == []


class _Process:
    def __init__(self, database: str) -> None:
        self._command = [sys.executable, "-m", "tests.ledger.erasing", database]
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._child = subprocess.Popen(self._command)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()


@contextmanager
def eraser_process(database: str) -> Iterator[_Process]:
    process = _Process(database)
    try:
        yield process
    finally:
        process.kill()


def _waits(database: str) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'dossier_eraser'"
    )
    return bool(rows(database, query)[0][0])


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _done(database: str, customer: UUID, person: UUID) -> tuple[str, int, int]:
    """The state of the key, how many of the person's parts are left, and whether it is written down."""
    (state, _) = rows(database, STATE, person)[0]
    parts = "SELECT count(*) FROM ledger.payload WHERE stream = %s AND part = 1 AND version > 6"
    return state, rows(database, parts, customer)[0][0], rows(database, "SELECT count(*) FROM ledger.erasure")[0][0]


def test_a_database_that_is_away_is_told_of_in_a_line_and_asked_again(database: str) -> None:
    stop = Event()
    with sync_pool(database, "dossier_eraser", min_size=1, max_size=1, autocommit=True) as pool:
        eraser = Eraser(pool, KeyStore(pool, KEK))
    with capture_logs() as logs:  # the pool is closed by now: nobody gets a connection
        running = Thread(target=eraser.run, args=(stop,))
        running.start()
        _until(lambda: bool(logs))
        stop.set()
        running.join()
    assert [(log["event"], log["log_level"]) for log in logs] == [("the eraser was interrupted", "warning")]


# --- helpers --------------------------------------------------------------------------------------------------------


def _details(person: UUID, title: str = "CEO") -> ChangeContactDetails:
    return ChangeContactDetails.model_validate({"contact_id": person, "changed": {"title": title}})


def _texts(path: Path, customer: UUID) -> bytes:
    return b"".join(to_json(event.payload) for event in path.ledger.history(customer))


def _refusal(connection: psycopg.Connection[Any], statement: str, *parameters: Any) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode(), parameters)
    return caught.value.sqlstate
