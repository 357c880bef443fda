"""Landmarks say between which positions an instant lies; what they say is never taken for granted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from projections.basis import known_by
from projections.landmarks import Landmarks
from projections.past import Asked, files_at
from tests.make import RECORDING_STARTS, Stream
from tests.projections.files import registered
from tests.projections.world import World

EVENTS = 300
BEGIN = RECORDING_STARTS + timedelta(hours=1)
INSTANTS = [BEGIN + timedelta(minutes=minute) for minute in (-1, 0, 1, 2, 50, 51, 99, 150, 151, 200, 999)]


@pytest.fixture
def stream(world: World) -> Stream:
    """An event a minute, but for every third, which comes with the one before it."""
    stream = registered()
    for number in range(1, EVENTS):
        stream.attribute("a", number, recorded_at=BEGIN + timedelta(minutes=number - number % 3 // 2))
    world.project(*stream.events)
    return stream


def positions(world: World, stream: Stream, landmarks: Landmarks) -> list[int]:
    """What the instants stand for, asked with those landmarks, each twice: the first may set some."""

    async def ask(connection: AsyncConnection[Any]) -> list[int]:
        asked = [Asked(stream.customer_id, instant, None, instant, 1) for instant in INSTANTS]
        for one in asked:
            await files_at(connection, [one], landmarks)
        found = await files_at(connection, asked, landmarks)
        return [found[one][0].position for one in asked]

    return world.read(ask)


def truth(world: World) -> list[int]:
    async def ask(connection: AsyncConnection[Any]) -> list[int]:
        return [(await known_by(connection, instant)).position for instant in INSTANTS]

    return world.read(ask)


@pytest.mark.parametrize("most", [1, 7, 64, 1000])
def test_with_landmarks_an_instant_stands_for_the_same_position(world: World, stream: Stream, most: int) -> None:
    landmarks = Landmarks(most)
    expected = truth(world)
    assert positions(world, stream, landmarks) == expected
    for instant, position in zip(INSTANTS, expected, strict=True):
        low, high = landmarks.around(instant)
        assert low <= position <= (EVENTS if high is None else high)
    assert 1 <= len(landmarks) <= most


def test_landmarks_lead_close_to_the_position(world: World, stream: Stream) -> None:
    landmarks = Landmarks(100)
    positions(world, stream, landmarks)
    spans = [(EVENTS if high is None else high) - low for low, high in map(landmarks.around, INSTANTS)]
    assert max(spans) < 4, "every fourth of 300 positions is a landmark"


def test_landmarks_of_another_log_do_not_mislead(world: World, stream: Stream) -> None:
    for shift in (timedelta(minutes=-40), timedelta(minutes=40), timedelta(days=4000), timedelta(days=-4000)):
        landmarks = Landmarks(instants=[BEGIN + shift + timedelta(minutes=n) for n in range(EVENTS)])
        assert positions(world, stream, landmarks) == truth(world)


def test_landmarks_follow_the_log(world: World, stream: Stream) -> None:
    landmarks = Landmarks()
    positions(world, stream, landmarks)
    assert len(landmarks) == EVENTS
    last = stream.events[-1].envelope.recorded_at
    for number in range(100):
        stream.attribute("b", number, recorded_at=last + timedelta(minutes=number))
    world.project(*stream.events[EVENTS:])
    assert positions(world, stream, landmarks) == truth(world)
    assert len(landmarks) == EVENTS + 100


def test_landmarks_are_set_once_however_many_ask(world: World, stream: Stream) -> None:
    del stream
    landmarks = Landmarks()

    async def ask(connection: AsyncConnection[Any]) -> None:
        await asyncio.gather(*(landmarks.keep_up(connection, EVENTS) for _ in range(3)))

    world.read(ask)
    assert len(landmarks) == EVENTS


def test_of_a_longer_log_landmarks_are_set_little_by_little(world: World, stream: Stream) -> None:
    del stream
    landmarks = Landmarks(at_once=100)
    reached = []

    async def ask(connection: AsyncConnection[Any]) -> None:
        for _ in range(5):
            await landmarks.keep_up(connection, EVENTS)
            reached.append(len(landmarks))

    world.read(ask)
    assert reached == [100, 200, 300, 300, 300]
