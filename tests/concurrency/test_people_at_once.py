"""People and programs who write to the same few files at the same time, through all workers of the service."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from db.pool import sync_pool
from ledger.application import Ledger
from ledger.keys import KeyStore
from tests.concurrency import drawn
from tests.concurrency.asking import Answered, Look, Request
from tests.concurrency.crowd import Crowd
from tests.concurrency.drawn import Again, Edit, Opening, Undo, Verdict, Wish, again, look_of, request_of
from tests.concurrency.judge import Judge, counted
from tests.concurrency.lanes import lanes_to
from tests.concurrency.logs import assert_only_json
from tests.concurrency.world import World
from tests.ledger.conflicts import conflicts_so_far
from tests.scenarios.service import Service

Figures = Callable[[str, object], None]
_Drawn = TypeVar("_Drawn")


def _several(each: st.SearchStrategy[_Drawn]) -> st.SearchStrategy[list[_Drawn]]:
    return st.lists(each, min_size=2, max_size=6)


@dataclass
class Tally:
    """What all programs of a test did."""

    figures: Counter[str] = field(default_factory=Counter)
    customers: set[UUID] = field(default_factory=set)


class PeopleAtOnce(RuleBasedStateMachine):
    """Each step sends some requests at the same time; when all are answered, each answer is held against the record."""

    def __init__(self, crowd: Crowd, ledger: Ledger, tally: Tally) -> None:
        super().__init__()
        self.crowd = crowd
        self.world = World(ledger)
        self.tally = tally

    def teardown(self) -> None:
        self.tally.customers |= set(self.world.customers)

    def ask(self, requests: Sequence[Request], looks: Sequence[Look] = ()) -> list[Answered]:
        before = self.world.heads()
        answers, shown = self.crowd.ask(requests, looks)
        self.world.take_in(answers)
        Judge(self.world, before).judge(answers, shown)
        self.tally.figures.update(counted(answers, shown))
        return answers

    def requests(self, wishes: Sequence[Wish]) -> list[Request]:
        return [request_of(wish, self.world) for wish in wishes]

    @initialize()
    def files(self) -> None:
        opened = self.ask(self.requests([Wish(place, "u-118", place, Opening(None, None)) for place in range(3)]))
        assert all(answer.took_effect for answer in opened)

    @rule(wishes=st.lists(drawn.wishes, min_size=2, max_size=8), looks=st.lists(drawn.looks, max_size=3))
    def anything(self, wishes: list[Wish], looks: list[tuple[int, int]]) -> None:
        self.ask(self.requests(wishes), [look_of(look, self.world) for look in looks])

    @rule(file=drawn.files, workers=_several(drawn.workers))
    def edits_of_one_version(self, file: int, workers: list[int]) -> None:
        """Of those who looked at the same version one wins; the others learn which version came instead."""
        edits = [Edit("/attributes", {"key": "raced", "value": str(uuid4())}) for _ in workers]
        answers = self.ask(
            self.requests([Wish(worker, "u-118", file, edit) for worker, edit in zip(workers, edits, strict=True)])
        )
        statuses = sorted(answer.response.status_code for answer in answers)
        assert statuses in ([200] + [412] * (len(workers) - 1), [409] * len(workers))  # 409: an archived file
        (won, *_), lost = sorted(answers, key=lambda answer: answer.response.status_code), answers
        if won.accepted:
            assert {each.response.headers["ETag"] for each in lost} == {won.response.headers["ETag"]}

    @rule(wish=drawn.wishes, copies=_several(drawn.agains))
    def one_key_at_several_workers(self, wish: Wish, copies: list[Again]) -> None:
        request = request_of(wish, self.world)
        self.ask([request, *(again(request, copy) for copy in copies)])

    @rule(number=st.integers(0, 30), copies=_several(drawn.agains))
    def an_earlier_key_again(self, number: int, copies: list[Again]) -> None:
        request = self.world.answers[-1 - number % len(self.world.answers)].request
        self.ask([again(request, copy) for copy in copies])

    @rule(
        identifier=drawn.identifiers,
        claimants=_several(st.tuples(drawn.workers, drawn.files, st.booleans())),
    )
    def one_identifier_for_several(self, identifier: int, claimants: list[tuple[int, int, bool]]) -> None:
        wishes = [
            Wish(worker, "u-401", file, Opening(identifier, None))
            if opens
            else Wish(worker, "u-401", file, Edit("/identifiers", identifier=identifier), seen=None)
            for worker, file, opens in claimants
        ]
        self.ask(self.requests(wishes))

    @rule(
        file=drawn.files,
        verdicts=_several(st.tuples(drawn.workers, st.sampled_from(["u-401", "u-402"]), drawn.verdicts)),
        worker=drawn.workers,
        reassigned=st.sampled_from([None, "ORDINARY", "POTENTIAL"]),
    )
    def one_tier_request_for_several(
        self, file: int, verdicts: list[tuple[int, str, Verdict]], worker: int, reassigned: str | None
    ) -> None:
        """It is decided once, unless the tier moves away under it."""
        self.ask(self.requests([Wish(worker, "u-401", file, Edit("/tier-requests", {"to_code": "HIGH_VALUE"}))]))
        wishes = [Wish(at, person, file, verdict, seen=None) for at, person, verdict in verdicts]
        if reassigned is not None:
            wishes.append(Wish(worker, "u-401", file, Edit("/tier", {"to_code": reassigned}), seen=None))
        decided = Counter(
            answer.request.ids["request_id"]
            for answer in self.ask(self.requests(wishes))[: len(verdicts)]
            if answer.accepted
        )
        assert set(decided.values()) <= {1}

    @rule(file=drawn.files, fact=st.integers(0, 4), undoings=_several(st.tuples(drawn.workers, drawn.undoings)))
    def one_fact_undone_by_several(self, file: int, fact: int, undoings: list[tuple[int, str]]) -> None:
        """It is corrected or retracted once."""
        wishes = [
            Wish(worker, "u-401", file, Undo(route, fact, place % 3), seen=None)
            for place, (worker, route) in enumerate(undoings)
        ]
        assert sum(answer.accepted for answer in self.ask(self.requests(wishes))) <= 1


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(900)  # far more than it takes: hypothesis may have to shrink a failure
def test_whatever_people_ask_at_once_is_answered_truly(service: Service) -> None:
    with _crowd(service) as crowd:
        _play(service, crowd, programs=6, steps=10)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_whatever_people_ask_of_two_services_is_answered_truly(
    service: Service, tmp_path: Path, record_property: Figures
) -> None:
    keys = service.data / "keys"
    shared = {"DOSSIER_KEK_FILE": str(keys / "kek"), "DOSSIER_JWT_KEY_FILE": str(keys / "jwt.pem")}
    with (
        Service.start(tmp_path / "second", service.conninfo, DOSSIER_WORKERS="2", **shared) as second,
        _crowd(service, second) as crowd,
    ):
        for name, figure in sorted(_play(service, crowd, programs=120, steps=25).items()):
            record_property(name, figure)
    assert_only_json(second)


def _play(service: Service, crowd: Crowd, *, programs: int, steps: int) -> Counter[str]:
    """Run that many programs; figures of all of them."""
    tally, already, rollbacks = Tally(), _streams(service), conflicts_so_far(service.conninfo).rollbacks
    with sync_pool(service.conninfo, "dossier_app", min_size=1, max_size=2, autocommit=True) as pool:
        ledger = Ledger(pool, KeyStore(pool, service.kek))
        run_state_machine_as_test(
            cast("type[PeopleAtOnce]", partial(PeopleAtOnce, crowd, ledger, tally)),
            settings=settings(
                max_examples=programs,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert _streams(service) - already == tally.customers
    tally.figures["rollbacks"] = conflicts_so_far(service.conninfo).rollbacks - rollbacks
    return tally.figures


def _streams(service: Service) -> set[UUID]:
    """Of all files, those that nobody acknowledged included."""
    with psycopg.connect(service.conninfo) as connection:
        of_customers = "SELECT DISTINCT stream FROM ledger.event WHERE starts_with(type, 'customer.')"
        return {stream for (stream,) in connection.execute(of_customers)}


@contextmanager
def _crowd(*services: Service) -> Iterator[Crowd]:
    """People who reach each worker of the services."""
    with asyncio.Runner() as runner, ExitStack() as stack:
        lanes = lanes_to(*services)
        opened = runner.run(lanes.__aenter__())
        stack.callback(lambda: runner.run(lanes.__aexit__(None, None, None)))
        yield Crowd(runner, opened, services[0].signer)
