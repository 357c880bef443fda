"""The clock is moved, or an entry claims a time of its own: what was known at a time that is past stays what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.attacks.world import EARLY, SIZE, World
from tests.ledger.writing import write_path
from tests.make import Stream

DAY: Final = timedelta(days=1)


def record(world: World, recorded_at: datetime) -> None:
    """An event of a new customer, as a database with that time would have it recorded."""
    stream = Stream()
    stream.attribute("n", 1, recorded_at=recorded_at)
    with write_path(world.database) as path:
        path.keys.ensure([stream.customer_id])
        path.ledger.save(*stream.events)


def position_at(world: World, instant: datetime) -> int:
    """How much of the log was known then."""
    ((position,),) = world.rows(
        f"SELECT coalesce(max(idx) + 1, 0) FROM ledger.log WHERE known_at <= '{instant.isoformat()}'"
    )
    return int(position)


@pytest.mark.parametrize("moved", [DAY, -DAY, -2000 * DAY], ids=["a day on", "a day back", "years back"])
def test_a_moved_clock_moves_nothing_that_was_known(founded: World, world: World, moved: timedelta) -> None:
    instants = [known_at for (known_at,) in world.rows("SELECT known_at FROM ledger.log ORDER BY idx")]
    before = {instant: position_at(world, instant) for instant in (*instants, instants[0] - DAY)}
    with world.signing() as signing:
        for recorded_at in (datetime.now(UTC) + moved, datetime.now(UTC)):
            record(world, recorded_at)
            signing.seal()
            assert signing.sign().size > SIZE
    assert {instant: position_at(world, instant) for instant in before} == before
    known = [known_at for (known_at,) in world.rows("SELECT known_at FROM ledger.log ORDER BY idx")]
    assert known == sorted(known)
    assert (world.verifier(), world.signer(), world.scrubber()) == ({}, None, None)
    assert world.auditor(founded.kept(EARLY)) is None
    assert world.pack(founded.kept(EARLY)) == {}


def test_a_time_that_goes_back_within_a_stream_is_told(world: World) -> None:
    """The service's own recorder never lets it."""
    stream = Stream()
    stream.attribute("n", 1, recorded_at=datetime.now(UTC))
    stream.attribute("n", 2, recorded_at=datetime.now(UTC) - DAY)
    with write_path(world.database) as path:
        path.keys.ensure([stream.customer_id])
        path.ledger.save(*stream.events)
    with world.signing() as signing:
        signing.seal()
    assert world.verifier() == {"recorded_at": [f"log index {SIZE + 1} (stream {stream.customer_id} version 2)"]}


def test_a_place_cannot_be_known_earlier_than_it_was_sealed(world: World) -> None:
    world.attack(f"UPDATE ledger.log SET known_at = known_at - interval '1 day' WHERE idx = {SIZE - 1}")
    assert list(world.verifier()) == ["known_at"]
