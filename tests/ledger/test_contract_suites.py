"""The eventsourcing library's own suites, run against our recorders and factory on a real database.

All that `eventsourcing.tests.persistence` offers runs, as it is: AggregateRecorder, ApplicationRecorder (with its
subscriptions and both concurrent tests), NonInterleaving, TrackingRecorder, ProcessRecorder and InfrastructureFactory
with the mapper that our factory inherits. Left out is TranscoderTestCase: nothing of ours passes a transcoder.

The suites want each append's positions as its answer. So they run on the recorder that seals inside the append, and
those of the ApplicationRecorder also on the service's own recorder beside a sealer at work. NonInterleaving asks for
more than our log promises (an append's events next to each other), which only the former gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard
from unittest import TestCase

import pytest
from eventsourcing.persistence import (
    InfrastructureFactory,
    InfrastructureFactoryError,
    NotSupportedError,
    StoredEvent,
)
from eventsourcing.tests import persistence as suites
from eventsourcing.utils import Environment, get_topic

from ledger.factory import LedgerFactory
from ledger.recorder import LedgerRecorder
from ledger.sealer import Sealer, SealingRecorder
from ledger.tracking import LedgerProcessRecorder, LedgerTrackingRecorder
from tests.ledger.sealing import running, wait_until


def _tests_of(suite: type[Any]) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test")]


def _is_suite(each: object) -> TypeGuard[type[TestCase]]:
    if not isinstance(each, type) or not issubclass(each, TestCase) or each.__module__ != suites.__name__:
        return False
    return each is not suites.TranscoderTestCase and bool(_tests_of(each))


class OnDatabase:
    """A factory on a fresh database, for suites that are unittest classes. Its login may do everything."""

    factory: LedgerFactory
    recorder_class: type[LedgerRecorder] = SealingRecorder

    @pytest.fixture(autouse=True)
    def _on_database(self, database: str) -> Iterator[None]:
        env = {"LEDGER_URL": database, "LEDGER_ROLE": "", "APPLICATION_RECORDER_TOPIC": get_topic(self.recorder_class)}
        self.factory = LedgerFactory(env)
        yield
        self.factory.close()


class TestAggregateRecorder(OnDatabase, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.aggregate_recorder()


class TestApplicationRecorder(OnDatabase, suites.ApplicationRecorderTestCase[LedgerRecorder]):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class AwaitingRecorder(LedgerRecorder):
    """The service's recorder; what it appends has its places in the log when it returns."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        super().insert_events(stored_events, **kwargs)
        keys = {
            "streams": [event.originator_id for event in stored_events],
            "versions": [event.originator_version for event in stored_events],
        }
        positions: list[int] = []

        def are_sealed() -> bool:
            positions[:] = [position for (position,) in self._rows("select_positions", keys)]
            return len(positions) == len(stored_events)

        wait_until(are_sealed)
        return positions


class TestApplicationRecorderBesideASealer(TestApplicationRecorder):
    recorder_class = AwaitingRecorder

    @pytest.fixture(autouse=True)
    def _beside_a_sealer(self, database: str) -> Iterator[None]:
        with running(Sealer(database)):
            yield


class TestNonInterleaving(OnDatabase, suites.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()


class TestTrackingRecorder(OnDatabase, suites.TrackingRecorderTestCase):
    def create_recorder(self) -> LedgerTrackingRecorder:
        return self.factory.tracking_recorder()


class TestProcessRecorder(OnDatabase, suites.ProcessRecorderTestCase):
    def create_recorder(self) -> LedgerProcessRecorder:
        return self.factory.process_recorder()


class OtherTrackingRecorder(LedgerTrackingRecorder):
    """A subclass that the suite asks for by class and by topic."""


class TestInfrastructureFactory(suites.InfrastructureFactoryTestCase[LedgerFactory]):
    @pytest.fixture(autouse=True)
    def _on_database(self, database: str) -> None:
        env = {"PERSISTENCE_MODULE": "ledger.factory", "LEDGER_URL": database, "LEDGER_ROLE": ""}
        self.env = Environment("Ledger", env)

    def expected_factory_class(self) -> type[LedgerFactory]:
        return LedgerFactory

    def expected_aggregate_recorder_class(self) -> type[LedgerRecorder]:
        return LedgerRecorder

    def expected_application_recorder_class(self) -> type[LedgerRecorder]:
        return LedgerRecorder

    def expected_tracking_recorder_class(self) -> type[LedgerTrackingRecorder]:
        return LedgerTrackingRecorder

    def tracking_recorder_subclass(self) -> type[LedgerTrackingRecorder]:
        return OtherTrackingRecorder

    def expected_process_recorder_class(self) -> type[LedgerProcessRecorder]:
        return LedgerProcessRecorder


@pytest.mark.parametrize("suite", [each for each in vars(suites).values() if _is_suite(each)])
def test_every_suite_of_the_library_runs_whole(suite: type[TestCase]) -> None:
    runs = [each for each in globals().values() if isinstance(each, type) and issubclass(each, suite)]
    assert runs
    for test in _tests_of(suite):
        assert all(getattr(each, test) is getattr(suite, test) for each in runs)
    for optional in [name for name in dir(suite) if name.startswith("optional_test")]:
        assert all(hasattr(each, optional.removeprefix("optional_")) for each in runs)


def test_a_factory_without_url_is_refused() -> None:
    with pytest.raises(InfrastructureFactoryError, match="LEDGER_URL"):
        InfrastructureFactory.construct({"PERSISTENCE_MODULE": "ledger.factory"})


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_a_pool_without_connections_is_refused(size: str) -> None:
    with pytest.raises(InfrastructureFactoryError, match="LEDGER_POOL_SIZE"):
        LedgerFactory({"LEDGER_URL": "dbname=x", "LEDGER_POOL_SIZE": size})


def test_a_recorder_topic_that_names_something_else_is_refused(database: str) -> None:
    topic = get_topic(LedgerTrackingRecorder)
    with (
        LedgerFactory({"LEDGER_URL": database, "APPLICATION_RECORDER_TOPIC": topic}) as factory,
        pytest.raises(InfrastructureFactoryError, match="APPLICATION_RECORDER_TOPIC"),
    ):
        factory.application_recorder()


def test_there_are_no_snapshots(database: str) -> None:
    with LedgerFactory({"LEDGER_URL": database}) as factory, pytest.raises(NotSupportedError, match="snapshots"):
        factory.aggregate_recorder(purpose="snapshots")
