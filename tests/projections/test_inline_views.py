"""read.profile and read.identifier as the writer's transaction writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from domain.events.classification import TierReassignmentRequested
from domain.events.identity import IdentifierRecorded, IdentifierRevoked
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from domain.file import CustomerFile
from ledger.errors import AppendConflict
from ledger.statements import FileChange, Statement
from projections.errors import FoldOutdated, StateMalformed
from projections.identifiers import IdentifierView
from projections.profile import CurrentRow, ProfileView, current
from tests.make import RECORDING_STARTS, Stream
from tests.projections.long_files import a_long_stream
from tests.projections.world import World

REGISTERED = CustomerRegistered(customer_kind=CustomerKind.ORGANISATION)
BIC = ("BIC", "DEUTDEFF")


def a_customer_with(*identifiers: tuple[str, str]) -> Stream:
    stream = Stream()
    stream.add(REGISTERED)
    for scheme, value in identifiers:
        stream.add(IdentifierRecorded(scheme=scheme, value=value))
    return stream


def the_file(stream: Stream) -> CustomerFile:
    return CustomerFile.folded(stream.customer_id, stream.events).copy()


def save(world: World, *changes: FileChange) -> None:
    statements = [*IdentifierView().statements(changes), *ProfileView().statements(changes)]
    world.record([], inline=statements)


def rows(world: World, statement: Statement) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.conninfo, options="-c timezone=UTC") as connection:
        return connection.execute(statement.sql.encode(), statement.params).fetchall()


def now_of(world: World, customer_id: UUID) -> tuple[CurrentRow, datetime] | None:
    async def ask(connection: AsyncConnection[Any]) -> tuple[CurrentRow, datetime] | None:
        return (await current(connection, [customer_id])).get(customer_id)

    return world.read(ask)


def test_a_saved_file_is_loaded_as_it_was(world: World) -> None:
    stream = a_customer_with(BIC)
    request = TierReassignmentRequested(
        request_id=uuid7(),
        scheme="VALUE",
        from_code=None,
        to_code="HIGH_VALUE",
        takes_effect=RECORDING_STARTS,
        expires_at=RECORDING_STARTS + timedelta(days=30),
    )
    stream.add(request)
    stream.attribute("a", None, effective_to=RECORDING_STARTS + timedelta(days=400))
    save(world, FileChange(frozenset(), the_file(stream)))
    view = ProfileView()
    nobody = uuid7()
    row, none = sorted(rows(world, view.load([stream.customer_id, nobody])), key=lambda row: row[0] == nobody)
    assert (row[0], none[0], none[1]) == (stream.customer_id, nobody, None)
    assert view.decode(row) == the_file(stream)
    assert row[-1] == none[-1] > row[4], "the clock is one for all, and later than what is stored"


def test_a_loaded_file_knows_when_it_must_be_folded_forward(world: World) -> None:
    stream = a_customer_with()
    ends = RECORDING_STARTS + timedelta(days=400)
    stream.attribute("a", 1, effective_to=ends)
    save(world, FileChange(frozenset(), the_file(stream)))
    view = ProfileView()
    (row,) = rows(world, view.load([stream.customer_id]))
    loaded = view.decode(row)
    assert loaded is not None
    assert loaded.next_boundary() == ends
    for moment in (ends - timedelta(seconds=1), ends):
        folded = CustomerFile.folded(stream.customer_id, stream.events, moment).copy()
        draft = loaded.copy()
        draft.advance(moment)
        assert draft == folded


def test_a_long_file_stays_in_its_row_whenever_it_is_saved(world: World) -> None:
    stream = a_long_stream()
    for number in range(3):
        stream.attribute("number", number)
        save(world, FileChange(frozenset(), the_file(stream)))
    found = now_of(world, stream.customer_id)
    assert found is not None
    assert found[0].file(stream.customer_id) == the_file(stream)
    with psycopg.connect(world.conninfo) as connection:
        sizes = connection.execute(
            "SELECT octet_length(state), pg_relation_size(reltoastrelid) FROM read.profile, pg_class"
            " WHERE pg_class.oid = 'read.profile'::regclass"
        ).fetchall()
    ((length, out_of_line),) = sizes
    assert length < 2000, "as it is, it has 3,500 bytes"
    assert out_of_line == 0


def test_a_long_file_that_was_saved_is_met_again_and_not_taken_apart(world: World) -> None:
    stream = a_long_stream()
    view, file = ProfileView(), the_file(stream)
    world.record([], inline=view.statements([FileChange(frozenset(), file)]))
    (row,) = rows(world, view.load([stream.customer_id]))
    assert view.decode(row) is file
    assert ProfileView().decode(row) == file


def test_a_row_that_says_nothing_that_we_write_is_named(world: World) -> None:
    stream = a_long_stream()
    save(world, FileChange(frozenset(), the_file(stream)))
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("UPDATE read.profile SET state = substr(state, 1, 1000)")
    found = now_of(world, stream.customer_id)
    assert found is not None
    with pytest.raises(StateMalformed):
        found[0].file(stream.customer_id)
    (row,) = rows(world, ProfileView().load([stream.customer_id]))
    with pytest.raises(StateMalformed):
        ProfileView().decode(row)


def test_saving_again_replaces_the_row(world: World) -> None:
    stream = a_customer_with()
    save(world, FileChange(frozenset(), the_file(stream)))
    stream.attribute("a", 1)
    save(world, FileChange(frozenset(), the_file(stream)))
    found = now_of(world, stream.customer_id)
    assert found is not None
    row, now = found
    assert row.file(stream.customer_id) == the_file(stream)
    assert now > row.as_of


def test_nobody_has_no_current_file(world: World) -> None:
    assert now_of(world, uuid7()) is None


def test_a_row_of_another_fold_is_refused_by_readers_and_left_to_the_writer(world: World) -> None:
    stream = a_customer_with()
    save(world, FileChange(frozenset(), the_file(stream)))
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("UPDATE read.profile SET fold_version = 0")
    found = now_of(world, stream.customer_id)
    assert found is not None
    with pytest.raises(FoldOutdated) as caught:
        found[0].file(stream.customer_id)
    assert (caught.value.customer_id, caught.value.fold_version) == (stream.customer_id, 0)
    (row,) = rows(world, ProfileView().load([stream.customer_id]))
    assert ProfileView().decode(row) is None


def held(world: World, claims: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
    return sorted(rows(world, IdentifierView().holders(claims)))


def test_who_holds_an_identifier_is_known(world: World) -> None:
    stream = a_customer_with(BIC, ("LEI", "5493001KJTIIGC8Y1R12"))
    save(world, FileChange(frozenset(), the_file(stream)))
    assert held(world, [BIC, ("BIC", "NOBODYXX")]) == [(*BIC, stream.customer_id)]
    with psycopg.connect(world.conninfo) as connection:
        versions = connection.execute("SELECT scheme, version FROM read.identifier ORDER BY 1").fetchall()
    assert versions == [("BIC", 2), ("LEI", 3)]


def test_what_one_customer_gives_up_another_one_takes_in_the_same_batch(world: World) -> None:
    giver, taker = a_customer_with(BIC), a_customer_with(BIC)
    save(world, FileChange(frozenset(), the_file(giver)))
    giver.add(IdentifierRevoked(scheme=BIC[0], value=BIC[1]))
    giver.retract(giver.events[1])
    save(world, FileChange(frozenset(), the_file(taker)), FileChange(frozenset([BIC]), the_file(giver)))
    assert held(world, [BIC]) == [(*BIC, taker.customer_id)]


def test_of_two_customers_that_claim_an_identifier_the_second_breaks_the_primary_key(world: World) -> None:
    save(world, FileChange(frozenset(), the_file(a_customer_with(BIC))))
    with pytest.raises(AppendConflict) as caught:
        save(world, FileChange(frozenset(), the_file(a_customer_with(BIC))))
    assert caught.value.constraint == "identifier_pkey"


def test_claims_are_written_in_the_order_of_their_keys() -> None:
    view = IdentifierView()
    changes = [FileChange(frozenset(), the_file(a_customer_with(("B", "2"), ("A", "9")))) for _ in range(2)]
    (claim,) = view.statements(changes)
    assert claim.params["schemes"] == ["A", "A", "B", "B"]
    assert view.statements([FileChange(frozenset(change.after.claims()), change.after) for change in changes]) == []
