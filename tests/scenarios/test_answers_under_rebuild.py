"""No answer is ever wrong or mixed, whoever writes, dies, is rebuilt or started again while it is given.

Writers write round after round; readers ask everything, at pinned and unpinned moments, without a pause; meanwhile the
follower is killed, read models are rebuilt, the service is started again. In the end every answer is held against
the acknowledged writes in the order of the log, and the checker looks at all that is stored.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.checker import check
from tests.crashes.service import Service, kill, until
from tests.scenarios.client import PHONE, WELL_FOUNDED
from tests.scenarios.readers import READERS, Desk, Told, changes_of
from tests.scenarios.service import PATIENCE_SECONDS
from tests.scenarios.truth import Truth, Written, round_of

_FILES = 6
_WRITERS = 2
_THINK_SECONDS = 0.02
_LONG_ROUNDS = 8

Record = Callable[[str, object], None]
Trouble = Callable[[Service], Awaitable[None]]


async def _kill_the_follower(service: Service) -> None:
    dead = service.pieces("cli.follow")
    for process_id in dead:
        kill(process_id)
    await service.whole(*dead)


async def _kill_a_worker(service: Service) -> None:
    dead = service.pieces("cli.worker")[:1]
    for process_id in dead:
        kill(process_id)
    await service.whole(*dead)


async def _rebuild(service: Service) -> None:
    process = await _rebuilding(service)
    said, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b""), said
    assert b" of customer " not in said, said


async def _rebuild_while_the_follower_is_killed(service: Service) -> None:
    await asyncio.gather(_rebuild(service), _kill_the_follower(service))


async def _restart(service: Service) -> None:
    await _end_with(service, signal.SIGTERM)


async def _crash(service: Service) -> None:
    await _end_with(service, signal.SIGKILL)


async def _restart_while_rebuilding(service: Service) -> None:
    await asyncio.gather(_rebuild(service), _restart(service))


async def _kill_a_rebuild(service: Service) -> None:
    process = await _rebuilding(service)
    await asyncio.sleep(random.uniform(0.5, 2))  # noqa: S311 - no secret
    if process.returncode is None:
        process.kill()
    await process.communicate()
    await until(lambda: not _rebuilds_at_work(str(service.database_url)))  # until the server has noticed


def _rebuilds_at_work(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = 'dossier_rebuild' AND datname = current_database()"
        )
        return found.fetchone() is not None


_SHORT: Sequence[Trouble] = (_kill_the_follower, _rebuild_while_the_follower_is_killed, _restart)
_LONG: Sequence[Trouble] = (*_SHORT, _rebuild, _kill_a_worker, _crash, _restart_while_rebuilding, _kill_a_rebuild)


async def _rebuilding(service: Service) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "cli.main", "rebuild", "--data", str(service.data)]
    command += ["--database-url", str(service.database_url)]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=dict(os.environ))


async def _end_with(service: Service, number: signal.Signals) -> None:
    """End the parent; what keeps it up starts it again."""
    before = service.process.pid
    service.process.send_signal(number)
    await until(lambda: service.process.pid != before)
    await service.whole(before)


class Scenario:
    """Writers and readers at one service, and the troubles that it is given meanwhile."""

    def __init__(self, service: Service, desk: Desk) -> None:
        self._service = service
        self._desk = desk
        self._on = True
        self.asked: Counter[str] = Counter()

    async def run(self, troubles: Sequence[Trouble], pause_seconds: float) -> None:
        for _ in range(_FILES):
            await self._open_file()
        files = list(self._desk.files.values())
        async with asyncio.TaskGroup() as tasks:
            for number in range(_WRITERS):
                tasks.create_task(self._write(files[number::_WRITERS]))
            for reader in READERS:
                tasks.create_task(self._read(reader))
            try:
                for trouble in troubles:
                    await asyncio.sleep(pause_seconds)
                    await trouble(self._service)
                await asyncio.sleep(pause_seconds)
            finally:
                self._on = False

    async def _open_file(self) -> None:
        body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"name": "Lin", "points": [PHONE]}}
        answer = await self._desk.send("POST", "/v1/customers", {"Idempotency-Key": str(uuid4())}, json=body)
        content = answer.json()
        told = Told(content["customer_id"], answer.headers["ETag"], content["events"][-1]["recorded_at"])
        told.written += [Written(event["version"]) for event in content["events"]]
        self._desk.files[told.customer] = told

    async def _write(self, files: Sequence[Told]) -> None:
        for number in count(1):
            for told in files:
                if not self._on:
                    return
                await self._write_round(told, number)
                await asyncio.sleep(_THINK_SECONDS)

    async def _write_round(self, told: Told, number: int) -> None:
        """Write a round; it is sent again under its key until it is acknowledged."""
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": told.etag}
        body = {**WELL_FOUNDED, "changes": changes_of(number)}
        answer = await self._desk.send("POST", f"/v1/customers/{told.customer}/changes", headers, json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        events = answer.json()["events"]
        assert [event["version"] for event in events] == [told.version + each for each in range(1, len(events) + 1)]
        told.etag, told.recorded_at = answer.headers["ETag"], events[-1]["recorded_at"]
        told.written += [
            Written(event["version"], slot, value)
            for event, (slot, value) in zip(events, round_of(number), strict=True)
        ]

    async def _read(self, reader: Callable[[Desk], Awaitable[None]]) -> None:
        while self._on:
            await reader(self._desk)
            self.asked[reader.__name__] += 1
            await asyncio.sleep(0)  # who found nothing to ask yet must not keep the others from it


@asynccontextmanager
async def _a_desk(service: Service, chance: random.Random) -> AsyncIterator[Desk]:
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_SECONDS) as http:
        yield Desk(http, service.signer.token("u-118", ["editor"]), chance)


def _run(folder: Path, database: str, troubles: Sequence[Trouble], pause_seconds: float, record: Record) -> None:
    chance = random.Random(len(troubles))  # noqa: S311 - no secret

    async def scenario() -> None:
        async with Service.start(folder / "data", workers=2, database_url=database) as service:
            async with _a_desk(service, chance) as desk:
                running = Scenario(service, desk)
                await running.run(troubles, pause_seconds)
            await asyncio.to_thread(check, database, service.kek)
            truth = Truth(database, {told.customer: told.written for told in desk.files.values()})
            for claim in desk.claims:
                claim.assert_true(truth)
            assert running.asked.keys() == {reader.__name__ for reader in READERS}
            record("events", truth.end)
            record("answers", dict(running.asked))
            record("claims", len(desk.claims))
            record("asked again because of", dict(desk.unanswered))

    asyncio.run(scenario())


def test_no_answer_is_wrong_or_mixed_whatever_happens_meanwhile(
    tmp_path: Path, database: str, record_property: Record
) -> None:
    _run(tmp_path, database, _SHORT, 0.3, record_property)


# --- the long form --------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_answer_is_wrong_or_mixed_in_one_trouble_after_the_other(
    tmp_path: Path, database: str, record_property: Record
) -> None:
    troubles = [*_LONG, *random.Random(_LONG_ROUNDS).choices(_LONG, k=_LONG_ROUNDS)]  # noqa: S311 - no secret
    _run(tmp_path, database, troubles, 1.0, record_property)
