"""People who ask the workers of a service at the same time, as careful clients do.

Whoever gets no answer, or is told to come back, asks again with the same key. Whoever was told that something is
recorded looks at the file at once, at another worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import httpx

from tests.concurrency.asking import PEOPLE, Answered, Look, Request, Shown
from tests.concurrency.lanes import Lanes
from tests.scenarios.client import Signer, assert_documented, assert_problem
from tests.scenarios.service import PATIENCE_SECONDS

_PAUSE_SECONDS = 0.05


class Crowd:
    """`ask` is for code outside the event loop of `runner`, in which the lanes were opened."""

    def __init__(self, runner: asyncio.Runner, lanes: Lanes, signer: Signer) -> None:
        self._runner = runner
        self._lanes = lanes
        self._tokens = {
            person.id: signer.token(person.id, person.roles, kind=person.kind.value) for person in PEOPLE.values()
        }

    @property
    def workers(self) -> int:
        return self._lanes.workers

    def ask(self, requests: Sequence[Request], looks: Sequence[Look] = ()) -> tuple[list[Answered], list[Shown]]:
        """All answers, once the last one has come."""
        return self._runner.run(self._ask(requests, looks))

    async def _ask(self, requests: Sequence[Request], looks: Sequence[Look]) -> tuple[list[Answered], list[Shown]]:
        async with asyncio.TaskGroup() as tasks:
            writing = [tasks.create_task(self._write(request)) for request in requests]
            reading = [tasks.create_task(self._read(look.worker, look.customer_id)) for look in looks]
        return [task.result() for task in writing], [task.result() for task in reading]

    async def _write(self, request: Request) -> Answered:
        clock = asyncio.get_running_loop().time
        asked_at, tries, answer = clock(), 0, None
        while answer is None:
            assert clock() < asked_at + PATIENCE_SECONDS, f"nobody served {request}"
            await asyncio.sleep(_PAUSE_SECONDS * min(tries, 1))
            tries += 1
            answer = await self._write_once(request)
        told_at = clock()
        if not answer.is_success:
            assert_problem(answer)
        elif not request.dry_run:
            assert_documented(answer)
            shown = await self._read(request.worker + 1, UUID(answer.json()["customer_id"]))
            return Answered(request, answer, asked_at, told_at, tries, shown)
        return Answered(request, answer, asked_at, told_at, tries)

    async def _write_once(self, request: Request) -> httpx.Response | None:
        """The answer; None when there is none, or none yet."""
        headers = {"Authorization": f"Bearer {self._tokens[request.person.id]}", "Idempotency-Key": request.key}
        if request.seen is not None:
            headers["If-Match"] = request.seen
        path = f"{request.path}?dry_run=true" if request.dry_run else request.path
        try:
            answer = await self._send(request.worker, "POST", path, headers=headers, content=request.content)
        except httpx.TransportError:
            return None
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    async def _read(self, worker: int, customer_id: UUID) -> Shown:
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        headers = {"Authorization": f"Bearer {self._tokens['u-118']}"}
        answer = await self._send(worker, "GET", f"/v1/customers/{customer_id}", headers=headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        assert_documented(answer)
        return Shown(customer_id, answer.headers["ETag"], answer.json(), asked_at, clock())

    async def _send(self, worker: int, method: str, path: str, **how: object) -> httpx.Response:
        return await self._lanes.send(worker % self.workers, method, path, **how)
