"""Who is killed, and how: one function per kind of victim, each returning once the blow has fallen.

It returns whose end is to be waited for. All of PostgreSQL's processes die with one of them: the server ends the others
itself and recovers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from tests.crashes.service import Service, held_still, kill
from tests.processes import children_of, title_of

_LONGEST_LOOK_SECONDS: Final = 3.0
_COMMIT_SECONDS: Final = 0.003
_STILL_SECONDS: Final = 1.5
_FROST_SECONDS: Final = 12.0

Blow = Callable[[Service, random.Random], Awaitable[list[int]]]
"""Strikes once, and returns the processes that die of it."""


async def worker(service: Service, chance: random.Random) -> list[int]:
    return _killed(service.pieces("cli.worker"), chance)


async def follower(service: Service, chance: random.Random) -> list[int]:
    return _killed(service.pieces("cli.follow"), chance)


async def parent(service: Service, _chance: random.Random) -> list[int]:
    """The whole tree follows it, for nobody reads its children's pipes any more."""
    dead = [service.process.pid, *children_of(service.process.pid)]
    kill(service.process.pid)
    await asyncio.to_thread(service.process.wait)
    return dead


async def postmaster(service: Service, chance: random.Random) -> list[int]:
    return _killed(service.pieces("postgres"), chance)


async def backend(service: Service, chance: random.Random) -> list[int]:
    """Any process of the server, those that write its log and its checkpoints included."""
    backends = list(service.backends())
    _killed(backends, chance)
    return backends


async def commit(service: Service, chance: random.Random) -> list[int]:
    """A backend while it commits: before, within or just after the moment from which the commit is durable."""
    backends = list(service.backends())
    if not await asyncio.to_thread(_kill_when_committing, backends, backends, chance):
        _killed(list(service.backends()), chance)
    return backends


async def sender(service: Service, chance: random.Random) -> list[int]:
    """A worker while something is committed, perhaps for one of its clients, who are not told any more."""
    workers = service.pieces("cli.worker")[:1]
    if workers and not await asyncio.to_thread(_kill_when_committing, list(service.backends()), workers, chance):
        _killed(workers, chance)
    return workers


async def stillness(service: Service, chance: random.Random) -> list[int]:
    """Not dead, but it might as well be, for a moment: whoever waits for it waits."""
    with held_still(*service.pieces("cli.worker")[:1]):
        await asyncio.sleep(chance.uniform(0.1, _STILL_SECONDS))
    return []


async def frost(service: Service, chance: random.Random) -> list[int]:
    """The database server freezes, now and then longer than anybody waits, and thaws with all that was on its way."""
    with held_still(*service.pieces("postgres"), *service.backends()):
        await asyncio.sleep(_FROST_SECONDS if chance.random() < 0.1 else chance.uniform(0.1, _STILL_SECONDS))
    return []


KINDS: Final[dict[str, Blow]] = {
    "worker": worker,
    "follower": follower,
    "parent": parent,
    "commit": commit,
    "sender": sender,
    "postmaster": postmaster,
    "backend": backend,
    "stillness": stillness,
    "frost": frost,
}


def _killed(process_ids: list[int], chance: random.Random) -> list[int]:
    """One of them; none when another blow has just taken them all."""
    chosen = chance.sample(process_ids, min(1, len(process_ids)))
    for process_id in chosen:
        kill(process_id)
    return chosen


def _kill_when_committing(backends: list[int], victims: list[int], chance: random.Random) -> bool:
    """Kill the backend first seen committing, or the one victim, a moment later; False if none is seen for a while."""
    delay_seconds = chance.uniform(0, _COMMIT_SECONDS)
    deadline = time.monotonic() + _LONGEST_LOOK_SECONDS
    while time.monotonic() < deadline:
        for process_id in backends:
            if " COMMIT" in title_of(process_id):
                time.sleep(delay_seconds)
                kill(process_id if process_id in victims else victims[0])
                return True
    return False
