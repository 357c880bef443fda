"""The eventsourcing library's own suites, run against our recorders and factory on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eventsourcing.persistence import InfrastructureFactory, InfrastructureFactoryError, NotSupportedError
from eventsourcing.tests import persistence as suites
from eventsourcing.utils import Environment, get_topic

from ledger.factory import LedgerFactory
from ledger.recorder import LedgerRecorder
from ledger.sealer import SealingRecorder
from ledger.tracking import LedgerProcessRecorder, LedgerTrackingRecorder


class OnDatabase:
    """A factory on a fresh database, for suites that are unittest classes. Its login may do everything."""

    factory: LedgerFactory

    @pytest.fixture(autouse=True)
    def _on_database(self, database: str) -> Iterator[None]:
        env = {"LEDGER_URL": database, "LEDGER_ROLE": "", "APPLICATION_RECORDER_TOPIC": get_topic(SealingRecorder)}
        self.factory = LedgerFactory(env)
        yield
        self.factory.close()


class TestAggregateRecorder(OnDatabase, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.aggregate_recorder()

    @pytest.mark.skip("it measures and asserts nothing")
    def test_performance(self) -> None: ...


class TestApplicationRecorder(OnDatabase, suites.ApplicationRecorderTestCase[LedgerRecorder]):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    @pytest.mark.skip("it measures and asserts nothing")
    def test_performance(self) -> None: ...


class TestNonInterleaving(OnDatabase, suites.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()


class TestTrackingRecorder(OnDatabase, suites.TrackingRecorderTestCase):
    def create_recorder(self) -> LedgerTrackingRecorder:
        return self.factory.tracking_recorder()


class TestProcessRecorder(OnDatabase, suites.ProcessRecorderTestCase):
    def create_recorder(self) -> LedgerProcessRecorder:
        return self.factory.process_recorder()

    @pytest.mark.skip("it measures and asserts nothing")
    def test_performance(self) -> None: ...


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
