"""Sends commands to the service: one entity's strictly in order, different entities' at the same time.

What must stay true: a command is sent again only with the same key, so nothing is ever recorded twice; at most
`_WAITING_PER_CONNECTION` commands per connection are in memory; whatever is refused is told to the report. If we die
here, the same import run again goes on where this one ended.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from cli.client import Answer, Problem, ServiceClient, error_of
from cli.errors import CliError, Unavailable
from cli.importing.commands import Command
from cli.importing.report import Report

_WAITING_PER_CONNECTION = 8
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0
_CHANGE_POINTER = re.compile(r"/changes/(\d+)(?:/|$)")
_NOT_NOW = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Files:
    """What the files are that an import opens."""

    customer_kind: str
    id_scheme: str


@dataclass
class _Attempt:
    """A command on its way, with the entries that the service would not take left out of it."""

    command: Command
    left_out: frozenset[int] = frozenset()

    @property
    def is_empty(self) -> bool:
        return len(self.left_out) == len(self.command.entries)

    def leave_out_mapped(self) -> bool:
        """Leave out what only the map made; False if there is none of it.

        Under this key the command may have gone in without it before: a mapped slot that said the same already.
        """
        mapped = {place for place, entry in enumerate(self.command.entries) if entry.is_mapped} - self.left_out
        self.left_out |= mapped
        return bool(mapped)


class Sender:
    """One import's way to one service."""

    def __init__(self, client: ServiceClient, files: Files, report: Report, *, concurrency: int) -> None:
        self._client = client
        self._files = files
        self._report = report
        self._concurrency = concurrency
        self._customer_ids: dict[str, str] = {}
        self._waiting: dict[str, deque[Command]] = {}
        self._ready: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(concurrency * _WAITING_PER_CONNECTION)

    async def send_all(self, commands: Iterable[Command]) -> None:
        """Send everything. Raises a CliError when there is no point in going on; what was sent stays recorded."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._concurrency):
                    tasks.create_task(self._work())
                await self._hand_out(commands)
        except BaseExceptionGroup as group:
            errors, others = group.split(CliError)
            if errors is None or others is not None:
                raise
            raise _first(errors) from None

    async def _hand_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            await self._room.acquire()
            queue = self._waiting.setdefault(command.entity, deque())
            queue.append(command)
            # An entity is in the ready queue, or with a worker, exactly while it has commands: one worker at a time.
            if len(queue) == 1:
                self._ready.put_nowait(command.entity)
                await asyncio.sleep(0)
        for _ in range(self._concurrency * _WAITING_PER_CONNECTION):
            await self._room.acquire()
        for _ in range(self._concurrency):
            self._ready.put_nowait(None)

    async def _work(self) -> None:
        while (entity := await self._ready.get()) is not None:
            queue = self._waiting[entity]
            await self._send(_Attempt(queue[0]))
            queue.popleft()
            self._room.release()
            if queue:
                self._ready.put_nowait(entity)
            else:
                del self._waiting[entity]

    async def _send(self, attempt: _Attempt) -> None:
        """Send a command until it is accepted, or nothing of it is left."""
        command = attempt.command
        self._report.entities.add(command.entity)
        for number, reason in command.untranslatable:
            self._report.refuse_line(number, reason)
        while not attempt.is_empty:
            customer_id = self._customer_ids.get(command.entity)
            answer = await self._post(attempt, customer_id)
            if answer.is_success:
                self._accept(attempt, answer)
                return
            problem = answer.problem()
            if customer_id is None and await self._has_file(command, problem):
                continue
            if problem.slug == "idempotency-key-reuse":
                if attempt.leave_out_mapped():
                    continue
                self._report.other_content += 1
                return
            self._leave_out(attempt, problem)

    async def _post(self, attempt: _Attempt, customer_id: str | None) -> Answer:
        """Post until somebody answers that the command was or was not carried out. Raises Unavailable, Unauthorized."""
        loop = asyncio.get_running_loop()
        pause, deadline = _FIRST_PAUSE_SECONDS, loop.time() + _PATIENCE_SECONDS
        while True:
            try:
                answer = await self._post_once(attempt, customer_id)
            except Unavailable:
                if loop.time() > deadline:
                    raise
                wanted = 0.0
            else:
                if answer.status not in _NOT_NOW:
                    return answer
                if loop.time() > deadline:
                    raise error_of(answer.problem())
                wanted = _retry_after(answer)
            await asyncio.sleep(max(pause, wanted))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _post_once(self, attempt: _Attempt, customer_id: str | None) -> Answer:
        command = attempt.command
        headers = {"Idempotency-Key": command.key, "Prefer": "return=minimal"}
        if customer_id is not None:
            headers["If-Match"] = "*"
            body = command.to_changes(attempt.left_out)
            return await self._client.post(f"/v1/customers/{customer_id}/changes", body, headers)
        # Opening the file has a key of its own: when it turns out to be open, the same changes go in under theirs.
        headers["Idempotency-Key"] = f"{command.key}-open"
        body = command.to_registration(attempt.left_out, self._files.customer_kind, self._files.id_scheme)
        return await self._client.post("/v1/customers", body, headers)

    async def _has_file(self, command: Command, problem: Problem) -> bool:
        """Note the entity's file when the service says that it is open already; tell whether to try again there."""
        if problem.slug == "identifier-already-claimed" and _is_about_the_entity(problem):
            self._note_file(command, problem)
            return True
        if problem.slug == "idempotency-key-reuse":
            # The file was opened by this very command in other words; asking to open it tells whose it is.
            opening = command.to_opening(self._files.customer_kind, self._files.id_scheme)
            answer = await self._client.post("/v1/customers?dry_run=true", opening, {})
            if not answer.is_success:
                self._note_file(command, answer.problem())
        return False

    def _note_file(self, command: Command, problem: Problem) -> None:
        if problem.holder_id is not None and _is_about_the_entity(problem):
            self._customer_ids[command.entity] = problem.holder_id

    def _accept(self, attempt: _Attempt, answer: Answer) -> None:
        self._customer_ids[attempt.command.entity] = answer.json()["customer_id"]
        self._report.commands += 1
        if answer.headers.get("Idempotent-Replayed") == "true":
            self._report.replayed += 1
        else:
            kept = (e for place, e in enumerate(attempt.command.entries) if place not in attempt.left_out)
            self._report.changes += sum(not entry.is_mapped for entry in kept)

    def _leave_out(self, attempt: _Attempt, problem: Problem) -> None:
        """Report what the service refuses and leave it out; all of it when the problem names no single change."""
        if problem.status in {401, 403} and not _places(problem):
            raise error_of(problem)
        sent = [place for place in range(len(attempt.command.entries)) if place not in attempt.left_out]
        refused = {sent[place]: reason for place, reason in _places(problem).items() if place < len(sent)}
        for place, reason in (refused or dict.fromkeys(sent, str(problem))).items():
            attempt.left_out |= self._refuse(attempt, place, reason, is_no_change=problem.slug == "no-change")

    def _refuse(self, attempt: _Attempt, place: int, reason: str, *, is_no_change: bool) -> frozenset[int]:
        """Report one refused entry; return the places to leave out: a mapped one alone, an attribute with its line."""
        if place in attempt.left_out:
            return frozenset()
        entries = attempt.command.entries
        entry = entries[place]
        if is_no_change:
            self._report.unchanged += not entry.is_mapped
            return frozenset({place})
        if entry.is_mapped:
            self._report.refuse_line(entry.line, f"{entry.body['type']}: {reason}; its attribute goes in")
            return frozenset({place})
        self._report.refuse_line(entry.line, reason)
        return frozenset(other for other, candidate in enumerate(entries) if candidate.line == entry.line)


def _is_about_the_entity(problem: Problem) -> bool:
    """Whether a claimed identifier is the entity's own, and not one that the map made of a value."""
    return any(error.pointer.startswith("/identifiers/") for error in problem.errors)


def _places(problem: Problem) -> dict[int, str]:
    """Return the places in the list of changes that a problem points at, each with what is said about it."""
    places: dict[int, str] = {}
    for error in problem.errors:
        if match := _CHANGE_POINTER.match(error.pointer):
            places.setdefault(int(match[1]), f"{problem.title}: {error.detail or problem.detail}")
    return places


def _retry_after(answer: Answer) -> float:
    """Return how long the service asks us to wait, in seconds, within reason."""
    wanted = answer.headers.get("Retry-After", "")
    return min(float(wanted), _LONGEST_PAUSE_SECONDS) if wanted.isascii() and wanted.isdigit() else 0.0


def _first(errors: BaseExceptionGroup[CliError]) -> CliError:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, CliError)  # noqa: S101 - selected by split
    return found
