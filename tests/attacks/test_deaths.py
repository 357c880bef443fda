"""Two sealers, two signers, kill -9 at any moment: the log is the one that a single undisturbed pair makes.

What else is killed: a signer after each of its steps (tests/ledger/test_signer_running.py), sealers that lose memory,
connection or commit (tests/ledger/test_frontier.py), an eraser after each of its steps (tests/ledger/test_eraser.py),
and every process of the service under load (tests/crashes/).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from db.pool import connect
from ledger.checkpoint import opened
from ledger.codec import entry_hash
from ledger.merkle import Frontier
from ledger.sealer import Sealer
from tests.attacks.working import kill, working
from tests.ledger.sealing import append, check_log, log_of, seal_all, wait_until
from tests.ledger.signing import KEY, Signing

EVENTS: Final = 300
"""One batch that completes a node."""
WAITS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'dossier_sealer' AND wait_event_type = 'Lock'"
)
AT_WORK: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dossier_sealer'"
)
SLOW_COMMIT: Final = """
CREATE FUNCTION public.wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON ledger.checkpoint DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.wait_at_commit();
"""
STEPS: Final = {
    "before places are given": "LOCK TABLE ledger.log IN SHARE MODE",
    "before nodes are written": "LOCK TABLE ledger.node IN SHARE MODE",
    "before the root is written": "LOCK TABLE ledger.checkpoint IN SHARE MODE",
    "while it commits": "SELECT pg_advisory_xact_lock(4711)",
    "after the commit": None,
}


@pytest.fixture
def boss(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as boss:
        yield boss


def asked(connection: Connection[Any], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def recorded(database: str, events: int) -> list[tuple[UUID, bytes]]:
    """Record events one after the other; their streams and leaf hashes in the order in which they are to be sealed."""
    streams = [uuid4() for _ in range(events)]
    with connect(database, "dossier_app") as app:
        for stream in streams:
            append(app, stream, 1)
    return [(stream, entry_hash(f"{stream}/1".encode())) for stream in streams]


def sealed(database: str) -> list[tuple[UUID, bytes]]:
    return [(stream, digest) for _, stream, _, digest, _ in log_of(database)]


@pytest.mark.parametrize("step", STEPS)
def test_a_sealer_that_is_killed_at_a_step_leaves_the_log_of_one_that_lived(
    database: str, tmp_path: Path, boss: Connection[Any], step: str
) -> None:
    boss.execute(SLOW_COMMIT)
    expected = recorded(database, 1)
    with ExitStack() as stack:
        sealer = stack.enter_context(working("sealer", database, tmp_path))
        wait_until(lambda: len(sealed(database)) == 1)
        held = STEPS[step]
        blocker = stack.enter_context(psycopg.connect(database))
        if held is not None:
            blocker.execute(held.encode())
        expected += recorded(database, EVENTS)
        wait_until(_is_there(boss, database, held))
        kill(sealer)
        blocker.rollback()
    wait_until(lambda: asked(boss, AT_WORK) == 0)
    other = Sealer(database)
    seal_all(other)
    other.close()
    assert sealed(database) == expected
    check_log(database)


def _is_there(boss: Connection[Any], database: str, held: str | None) -> Callable[[], bool]:
    if held is None:
        return lambda: len(sealed(database)) == 1 + EVENTS
    return lambda: asked(boss, WAITS) == 1


def test_pairs_of_sealers_and_signers_that_are_killed_make_the_log_and_the_notes_of_one_pair(
    database: str, tmp_path: Path
) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    expected: list[tuple[UUID, bytes]] = []
    with ExitStack() as stack:
        kinds = ["sealer", "sealer", "signer", "signer"]
        alive = [stack.enter_context(working(kind, database, tmp_path)) for kind in kinds]
        for number in (0, 2, 1, 3):
            before = len(sealed(database))
            while len(sealed(database)) < before + 40:
                expected += recorded(database, chance.randint(1, 60))
            kill(alive[number])
            alive[number] = stack.enter_context(working(kinds[number], database, tmp_path))
            expected += recorded(database, chance.randint(1, 60))
        wait_until(lambda: len(sealed(database)) == len(expected))
    log = Signing(database, tmp_path)
    log.seal()
    log.sign()
    assert sealed(database) == expected
    check_log(database)
    check_notes(log, [digest for _, digest in expected])
    log.close()


def check_notes(log: Signing, leaves: list[bytes]) -> None:
    """Each note is of the one history, and the last one is of all of it and remembered."""
    notes = log.notes()
    assert log.path.read_text(encoding="utf-8") == notes[-1]
    checkpoints = [opened(note.encode(), [KEY.verifier]) for note in notes]
    assert checkpoints[-1].size == len(leaves)
    assert len({checkpoint.size for checkpoint in checkpoints}) == len(checkpoints) > 1
    tree = Frontier()
    for checkpoint in checkpoints:
        tree.extend(leaves[tree.size : checkpoint.size])
        assert checkpoint.root == tree.root
