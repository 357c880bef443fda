"""Whatever happens to a ledger in whatever order: verification is clean if and only if nobody attacked it.

And an auditor's old checkpoint fits if and only if nobody rewrote what is below it; so does the signer's memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Final, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from psycopg.conninfo import make_conninfo

from ledger.checkpoint import Checkpoint
from ledger.epochs import LOG_STREAM
from ledger.ring import KekRing
from tests.attacks.living import Living
from tests.attacks.rewriting import reseal
from tests.damages import disarm
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer


class Blow(NamedTuple):
    """What is done to the place {idx}. `rewrites`: the log up to there is another one; `is_whole`: and fits itself."""

    sql: str
    rewrites: bool = False
    is_whole: bool = False


PLACE: Final = "(stream, version) = (SELECT stream, version FROM ledger.log WHERE idx = {idx})"
STREAM: Final = "(SELECT stream FROM ledger.log WHERE idx = {idx})"
BLOWS: Final = {
    "edit an entry": Blow(f"UPDATE ledger.event SET entry = entry || ' ' WHERE {PLACE}"),
    "delete an event": Blow(f"DELETE FROM ledger.event WHERE {PLACE}"),
    "relabel an event": Blow(f"UPDATE ledger.event SET type = 'customer.archived' WHERE {PLACE}"),
    "edit a part": Blow(f"UPDATE ledger.payload SET ct = ct || 'x' WHERE part = 0 AND {PLACE}"),
    "delete a part": Blow(f"DELETE FROM ledger.payload WHERE part = 0 AND {PLACE}"),
    "edit a leaf": Blow("UPDATE ledger.log SET hash = sha256('x') WHERE idx = {idx}", rewrites=True),
    "delete a place": Blow("DELETE FROM ledger.log WHERE idx = {idx}", rewrites=True),
    "swap two places": Blow(
        "WITH taken AS (DELETE FROM ledger.log WHERE idx IN ({idx}, {idx} + 1)"
        " AND (SELECT max(idx) FROM ledger.log) > {idx} RETURNING *)"
        " INSERT INTO ledger.log SELECT 2 * {idx} + 1 - idx, stream, version, hash, known_at FROM taken ORDER BY idx",
        rewrites=True,
    ),
    "know a place earlier": Blow(
        "UPDATE ledger.log SET known_at = known_at - interval '1 microsecond' WHERE idx = {idx}"
    ),
    "edit a root": Blow(
        "UPDATE ledger.checkpoint SET root = sha256('x')"
        " WHERE made_at = (SELECT min(made_at) FROM ledger.checkpoint WHERE size > {idx})"
    ),
    "edit a note": Blow(
        "UPDATE ledger.signature SET note = note || 'x'"
        " WHERE size = (SELECT min(size) FROM ledger.signature WHERE size > {idx})"
    ),
    "edit a wrapped key": Blow(
        "UPDATE keys.subject_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)"
        f" WHERE subject = {STREAM}"
    ),
    "rewrite everything": Blow(
        f"UPDATE ledger.event SET entry = entry || ' ' WHERE stream <> '{LOG_STREAM}' AND {PLACE}",
        rewrites=True,
        is_whole=True,
    ),
}

unharmed = precondition(lambda machine: machine.blow is None)
any_number = st.integers(0, 1000)


class Histories(RuleBasedStateMachine):
    """`world` gives databases and folders."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.living = self.world.begun()
        self.customers = [self.living.register()]
        self.people: list[tuple[UUID, UUID]] = []
        self.holds: list[tuple[UUID, UUID]] = []
        self.kept: list[Checkpoint] = []
        self.restores = 0
        self.blow: Blow | None = None
        self.idx = 0

    def _customer(self, number: int) -> UUID:
        return self.customers[number % len(self.customers)]

    @unharmed
    @precondition(lambda machine: len(machine.customers) < 3)
    @rule()
    def register(self) -> None:
        self.customers.append(self.living.register())

    @unharmed
    @rule(number=any_number)
    def append(self, number: int) -> None:
        self.living.append(self._customer(number))

    @unharmed
    @rule(number=any_number)
    def roll_back(self, number: int) -> None:
        self.living.roll_back(self._customer(number))

    @unharmed
    @rule()
    def seal(self) -> None:
        self.living.seal()

    @unharmed
    @rule()
    def sign(self) -> None:
        """And let an auditor take the note home."""
        self.kept.append(self.living.sign())

    @unharmed
    @rule(number=any_number)
    def meet(self, number: int) -> None:
        customer = self._customer(number)
        self.people.append((customer, self.living.add_person(customer)))

    @unharmed
    @precondition(lambda machine: machine.people)
    @rule(number=any_number)
    def erase(self, number: int) -> None:
        customer, person = self.people.pop(number % len(self.people))
        self.living.erase(customer, person, is_held=any(held == customer for held, _ in self.holds))

    @unharmed
    @rule(number=any_number)
    def hold(self, number: int) -> None:
        customer = self._customer(number)
        self.holds.append((customer, self.living.hold(customer)))

    @unharmed
    @precondition(lambda machine: machine.holds)
    @rule(number=any_number)
    def lift(self, number: int) -> None:
        self.living.lift(*self.holds.pop(number % len(self.holds)))

    @unharmed
    @rule()
    def rotate(self) -> None:
        self.living.rotate()

    @unharmed
    @precondition(lambda machine: machine.restores == 0 and machine.kept)
    @rule()
    def restore(self) -> None:
        self.restores += 1
        self.living = self.world.heir(self.living)

    @unharmed
    @precondition(lambda machine: machine.kept)
    @rule(name=st.sampled_from(sorted(BLOWS)), number=any_number)
    def attack(self, name: str, number: int) -> None:
        self.idx = number % self.living.size
        with psycopg.connect(self.living.database) as boss:
            disarm(boss)
            if boss.execute(BLOWS[name].sql.format(idx=self.idx).encode()).rowcount > 0:
                self.blow = BLOWS[name]
                if self.blow.is_whole:
                    reseal(boss)

    @rule()
    def look(self) -> None:
        """Nothing happens; there is always something that can."""

    @invariant()
    def verification_is_clean_if_and_only_if_nobody_attacked(self) -> None:
        findings = self.living.found()
        assert (findings == []) == (self.blow is None or self.blow.is_whole), findings

    @invariant()
    def old_checkpoints_fit_if_and_only_if_nobody_rewrote_what_is_below_them(self) -> None:
        was_rewritten = self.blow is not None and self.blow.rewrites
        for checkpoint in self.kept:
            assert self.living.goes_on_from(checkpoint) != (was_rewritten and self.idx < checkpoint.size)

    @invariant()
    def the_signer_signs_on_unless_what_it_remembers_was_rewritten(self) -> None:
        remembered = self.living.signing.memory.recall()
        if self.blow is None:
            assert self.living.signs_on()
        elif self.blow.is_whole and remembered is not None and self.idx < remembered.size:
            assert not self.living.signs_on()

    def teardown(self) -> None:
        self.world.end()


class World:
    """Where ledgers live and have heirs, one example after the other."""

    def __init__(self, server: TestServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._open = ExitStack()

    def begun(self) -> Living:
        folder = self._new_folder()
        kek = folder / "kek"
        kek.touch(0o600)
        kek.write_text(KEK_TEXT, encoding="ascii")
        self._ring = KekRing.from_file(kek)
        return self._lives(Living(self._open.enter_context(self._server.database()), folder, self._ring))

    def heir(self, living: Living) -> Living:
        name = f"heir_{uuid4().hex}"
        self._server.create_database(name, "template0")
        self._open.callback(self._server.drop_database, name)
        return self._lives(living.restored(make_conninfo(self._server.conninfo, dbname=name), self._new_folder()))

    def end(self) -> None:
        self._open.close()

    def _lives(self, living: Living) -> Living:
        self._open.callback(living.close)
        return living

    def _new_folder(self) -> Path:
        folder = self._folder / uuid4().hex
        folder.mkdir()
        return folder


@pytest.fixture
def world(server: TestServer, tmp_path: Path) -> Iterator[World]:
    world = World(server, tmp_path)
    yield world
    world.end()


def histories_in(world: World) -> type[Histories]:
    return type("HistoriesHere", (Histories,), {"world": world})


def run(world: World, examples: int, steps: int) -> None:
    how = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(histories_in(world), settings=how)


def test_verification_is_clean_if_and_only_if_nobody_attacked(world: World) -> None:
    run(world, examples=10, steps=20)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_and_so_it_is_in_many_more_histories(world: World) -> None:
    run(world, examples=300, steps=50)


@pytest.mark.parametrize("is_heir", [False, True], ids=["", "restored"])
@pytest.mark.parametrize("name", BLOWS)
def test_each_blow_counts(world: World, name: str, is_heir: bool) -> None:
    """So that the machine can fail: every blow changes something, and somebody notices."""
    machine = histories_in(world)()
    machine.append(1)
    machine.sign()
    machine.append(2)
    if is_heir:
        machine.restore()
    machine.sign()
    machine.attack(name, 3)
    assert machine.blow is not None
    machine.verification_is_clean_if_and_only_if_nobody_attacked()
    machine.old_checkpoints_fit_if_and_only_if_nobody_rewrote_what_is_below_them()
    machine.the_signer_signs_on_unless_what_it_remembers_was_rewritten()
