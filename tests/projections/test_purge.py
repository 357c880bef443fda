"""Purging: once the read models have passed an erasure they say of the customer what a rebuild would, and no more."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.decisions.contacts import AddContact, ChangeContactDetails
from domain.decisions.privacy import ApproveErasure, RequestErasure
from domain.decisions.quality import CorrectFact
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import LegalBasis
from ledger.snapshot_keys import SnapshotKeys
from ledger.verify import one_moment
from projections.comparison import FOLLOWED, compare, hold_tables
from projections.errors import ProjectionFailed
from projections.rebuild import Watch, check, rebuild
from tests.domain.private_histories import LI_LEI, OFFICER, SECOND, histories
from tests.domain.story import CLERK, Story, opened, uid
from tests.ledger.writing import KEK
from tests.make import Stream
from tests.projections.world import World, a_world
from tests.server import TestServer

TABLES = ("facts", "events", "changes")
WITH_VALUES = ["facts", "events"]
CUSTOMER = uid(1)


def told_about(world: World, secret: str) -> list[str]:
    """The tables that follow the log in which a text stands."""
    with psycopg.connect(world.conninfo) as connection:
        return [
            table
            for table in TABLES
            if connection.execute(
                f"SELECT count(*) FROM read.{table} AS row WHERE row::text LIKE %s",  # noqa: S608 - a name of ours
                [f"%{secret}%"],
            ).fetchone()
            != (0,)
        ]


def differences(world: World) -> list[object]:
    with one_moment(world.conninfo) as moment:
        hold_tables(moment)
        compared = compare(moment, SnapshotKeys(moment, KEK), FOLLOWED)
        return [difference for each in compared for difference in each.differences]


def with_a_secret_contact() -> Story:
    story = opened(customer_kind=CustomerKind.INDIVIDUAL)
    added = story.do(AddContact(contact_id=uid(20), name="Secret name", title="Secret title"))
    story.do(ChangeContactDetails(contact_id=uid(20), changed={"title": "Secret second title"}))
    wrong = added[0].envelope.event_id
    story.do(CorrectFact(corrects=wrong, replacement={"name": "Secret correction"}))
    return story


def erase(story: Story, subject: UUID) -> None:
    story.do(RequestErasure(request_id=uid(500), subject=subject, legal_basis=LegalBasis.PIPL_47), by=OFFICER)
    story.do(ApproveErasure(request_id=uid(500)), by=SECOND)


@pytest.mark.parametrize("subject", [uid(20), CUSTOMER])
def test_what_was_erased_is_gone_when_the_erasure_is_passed(world: World, subject: UUID) -> None:
    story = with_a_secret_contact()
    world.project(*story.events)
    assert told_about(world, "Secret") == WITH_VALUES
    before = len(story.events)
    erase(story, subject)
    world.project(*story.events[before:])
    assert told_about(world, "Secret") == []
    assert differences(world) == []
    if subject != CUSTOMER:
        assert told_about(world, "Li Lei") == WITH_VALUES
        assert told_about(world, "erased") == WITH_VALUES


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_it_does_not_matter_how_the_log_is_cut(world: World, batch: int) -> None:
    story = with_a_secret_contact()
    erase(story, uid(20))
    story.do(ChangeContactDetails(contact_id=LI_LEI, changed={"title": "later"}), by=CLERK)
    world.project(*story.events, batch=batch)
    assert told_about(world, "Secret") == []
    assert differences(world) == []


def test_what_others_have_stays_where_it_is(world: World) -> None:
    other = Stream()
    other.attribute("a", 1)
    story = with_a_secret_contact()
    before = len(story.events)
    erase(story, uid(20))
    world.project(*story.events[:before], *other.events)
    with psycopg.connect(world.conninfo, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE kept AS SELECT ctid AS place FROM read.events WHERE customer_id = %s", [other.customer_id]
        )
        world.project(*story.events[before:])
        found = connection.execute(
            "SELECT count(*), count(event.ctid) FROM kept LEFT JOIN read.events AS event ON event.ctid = place"
        ).fetchone()
    assert found == (len(other.events), len(other.events))


def test_a_rebuild_makes_the_same_rows(world: World) -> None:
    story = with_a_secret_contact()
    world.project(*story.events)
    before = len(story.events)
    erase(story, uid(20))
    world.project(*story.events[before:])
    summary = rebuild(world.conninfo, KEK, Watch(lambda _: None), TABLES)
    assert summary.differences == 0
    assert all(each.live == each.shadow for each in summary.checksums)
    assert told_about(world, "Secret") == []


def test_a_check_does_not_mistake_what_is_not_purged_yet_for_damage(world: World) -> None:
    story = with_a_secret_contact()
    world.project(*story.events)
    before = len(story.events)
    erase(story, uid(20))
    world.record(story.events[before:])
    assert check(world.conninfo, KEK, Watch(lambda _: None), TABLES).differences == 0
    world.seal()
    assert check(world.conninfo, KEK, Watch(lambda _: None), TABLES).differences == 0
    assert rebuild(world.conninfo, KEK, Watch(lambda _: None), TABLES).differences == 0
    assert differences(world) == []
    with world.runner() as runner:
        runner.catch_up()
    assert told_about(world, "Secret") == []
    assert differences(world) == []


def test_a_purge_that_fails_leaves_everything_as_it_was(world: World) -> None:
    story = with_a_secret_contact()
    world.project(*story.events)
    before = len(story.events)
    erase(story, uid(20))
    world.record(story.events[before:])
    world.seal()
    with psycopg.connect(world.conninfo, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE read.events ADD CHECK (version <> {before + 1}) NOT VALID")
    with world.runner() as runner, pytest.raises(ProjectionFailed):
        runner.catch_up()
    assert told_about(world, "Secret") == WITH_VALUES


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=histories(), batch=st.integers(1, 8))
def test_drawn_histories_leave_the_rows_of_a_rebuild(server: TestServer, story: Story, batch: int) -> None:
    with server.database() as database, a_world(database) as world:
        world.project(*story.events, batch=batch)
        assert differences(world) == []
        if story.whole().is_erased:
            assert told_about(world, "Secret") == []
