"""Whether answers given at the same time are true, held against what is recorded.

A customer's stream is the order in which its requests took effect. Whatever was acknowledged must follow from the file
as it stood right before it; whatever was refused, foreseen or shown must be right for a version that the file had
between the question and the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final
from uuid import UUID

import orjson

from api.encoding import to_json
from api.errors import TABLE
from api.profile_document import of_current_file, rendered
from domain.errors import Refusal
from domain.events import RecordedEvent
from ledger import plain
from tests.concurrency.asking import OPENING, Answered, Shown, decided
from tests.concurrency.world import Stream, World

_MOMENT: Final = timedelta(microseconds=1)


class Judge:
    """Judges one batch: `before` are the versions that the files had when it began."""

    def __init__(self, world: World, before: Mapping[UUID, int]) -> None:
        self._world = world
        self._before = before

    def judge(self, answers: Sequence[Answered], shown: Sequence[Shown]) -> None:
        """Raises AssertionError at the first answer that is not true."""
        self._every_version_is_acknowledged_once(answers)
        for answer in answers:
            assert self._is_true(answer), f"{answer}\n{self._told(answer)}"
        seen = [*shown, *(answer.shown for answer in answers if answer.shown)]
        for profile in seen:
            self._is_shown_as_recorded(profile)
        _nobody_looks_back(answers, seen)

    def _window(self, customer_id: UUID) -> range:
        """The versions that the file had while the batch was under way."""
        return range(self._before.get(customer_id, 0), self._world.streams[customer_id].head + 1)

    def _told(self, answer: Answered) -> str:
        """For the message of a failure: what happened to the file meanwhile."""
        customer_id = answer.request.customer_id
        if customer_id is None:
            return "a new file"
        window = self._window(customer_id)
        events = self._world.streams[customer_id].events[window.start : window.stop - 1]
        lines = (f"{event.envelope.version}: {event.envelope.actor.id} {event.payload}" for event in events)
        return "\n".join([f"versions {window.start} to {window.stop - 1}", *lines])

    # All of them

    def _every_version_is_acknowledged_once(self, answers: Sequence[Answered]) -> None:
        told = {
            (answer.customer_id, version, answer.request.key)
            for answer in answers
            if answer.is_acknowledgement
            for version in answer.versions
            if version > self._before.get(answer.customer_id, 0)
        }
        recorded = {
            (customer_id, event.envelope.version, event.envelope.idempotency_key)
            for customer_id, stream in self._world.streams.items()
            for event in stream.events[self._before.get(customer_id, 0) :]
        }
        assert told == recorded
        assert len({(customer_id, version) for customer_id, version, _ in told}) == len(told)

    # Each

    def _is_true(self, answer: Answered) -> bool:
        if not answer.accepted:
            return self._is_refused_rightly(answer)
        if not answer.request.is_allowed:
            return False
        if answer.request.dry_run:
            return self._is_foreseen(answer)
        return self._is_told_as_recorded(answer) and self._has_one_answer(answer)

    def _is_told_as_recorded(self, answer: Answered) -> bool:
        """What was decided on the version before it is what was recorded, and what was told."""
        stream, versions = self._world.streams[answer.customer_id], answer.versions
        recorded = stream.events[versions[0] - 1 : versions[-1]]
        told = [(event["event_id"], event["type"]) for event in answer.content["events"]]
        after = stream.files[versions[-1]]
        return (
            told == [(str(event.envelope.event_id), event.payload.type) for event in recorded]
            and answer.content["profile_version"] == after.profile_version
            and answer.response.headers["ETag"] == f'"{after.revision}"'
            and (answer.shown is None or answer.shown.version >= versions[-1])
            and self._is_seen_at(answer, versions[0] - 1)
            and _same_events(answer, recorded, _decided(answer, stream, versions[0] - 1))
        )

    def _has_one_answer(self, answer: Answered) -> bool:
        """Whoever asks with a key gets the answer that its request got when it took effect, and it did so once."""
        all_told = self._world.in_effect(answer.request.key)
        first = all_told[0]
        headers = ("ETag", "Location", "Dossier-Token")
        took_effect = sum(not told.replayed for told in all_told)
        return (
            answer.request.identity == first.request.identity
            and answer.content == first.content
            and all(answer.response.headers.get(name) == first.response.headers.get(name) for name in headers)
            and took_effect <= 1
            and (took_effect == 1 or any(told.tries > 1 for told in all_told))
        )

    def _is_foreseen(self, answer: Answered) -> bool:
        """A dry run tells what would be recorded at a version in the window, and its events are recorded nowhere."""
        events, before = answer.content["events"], answer.versions[0] - 1
        stream = self._world.streams.get(answer.customer_id) or Stream(answer.customer_id)
        if before not in range(self._before.get(answer.customer_id, 0), stream.head + 1):
            return False
        if not self._is_seen_at(answer, before):
            return False
        foreseen = _decided(answer, stream, before)
        if any(str(event.envelope.event_id) in {told["event_id"] for told in events} for event in stream.events):
            return False
        if [event["type"] for event in events] != [event.payload.type for event in foreseen]:
            return False
        return answer.request.route == OPENING or [event["data"] for event in events] == [
            orjson.loads(plain.to_json(event.payload.__dict__)) for event in foreseen
        ]

    def _is_refused_rightly(self, answer: Answered) -> bool:
        match answer.slug:
            case "forbidden":
                return not answer.request.is_allowed
            case "version-conflict":
                return self._has_moved_on(answer)
            case "idempotency-key-reuse":
                in_effect = self._world.in_effect(answer.request.key)
                return any(told.request.identity != answer.request.identity for told in in_effect)
            case "already-registered":
                return self._world.streams[_about(answer)].head > 0
            case "identifier-already-claimed":
                holder = UUID(answer.content["holder_id"])
                return holder in self._world.streams.keys() - {answer.request.customer_id} and any(
                    self._held(holder, claim) and self._is_refused_with(answer, {claim: holder})
                    for change in answer.request.changes()
                    for claim in change.command.identifiers()
                )
            case _:
                return self._is_refused_with(answer, {})

    def _has_moved_on(self, answer: Answered) -> bool:
        """The ETag in a 412 is one that the file had meanwhile, and newer than the one in If-Match."""
        stream, seen = self._world.streams[_about(answer)], answer.request.seen_version
        told = answer.response.headers["ETag"]
        revisions = {f'"{stream.files[version].revision}"' for version in self._window(stream.customer_id)}
        return seen is not None and told in revisions and int(told[1:].partition(".")[0]) > seen

    def _held(self, holder: UUID, claim: tuple[str, str]) -> bool:
        stream = self._world.streams[holder]
        return any(claim in stream.files[version].claims() for version in self._window(holder))

    def _is_refused_with(self, answer: Answered, holders: Mapping[tuple[str, str], UUID]) -> bool:
        """At some version in the window the domain refuses the same, for the same reason."""
        customer_id = answer.request.customer_id
        if customer_id is None:
            return self._refuses(answer, Stream(UUID(int=0)), 0, holders)
        stream = self._world.streams[customer_id]
        return any(self._refuses(answer, stream, version, holders) for version in self._window(customer_id))

    def _refuses(self, answer: Answered, stream: Stream, version: int, holders: Mapping[tuple[str, str], UUID]) -> bool:
        if not self._is_seen_at(answer, version):
            return False
        try:
            decided(answer.request, stream.whole(version), _right_after(stream, version), holders)
        except Refusal as refusal:
            return TABLE[type(refusal)][0] == answer.slug
        return False

    def _is_seen_at(self, answer: Answered, version: int) -> bool:
        """Whether If-Match names what the profile showed at that version."""
        seen = answer.request.seen_version
        return seen is None or self._world.streams[_about(answer)].files[version].profile_version == seen

    def _is_shown_as_recorded(self, shown: Shown) -> None:
        stream = self._world.streams[shown.customer_id]
        assert shown.version in self._window(shown.customer_id)
        file = stream.files[shown.version].copy()
        now = datetime.fromisoformat(shown.content["basis"]["known_at"])
        file.advance(now)
        assert shown.etag == f'"{file.revision}"'
        assert _without_basis(shown.content) == _without_basis(
            orjson.loads(to_json(rendered(of_current_file(file, now))))
        )


def _about(answer: Answered) -> UUID:
    assert answer.request.customer_id is not None, answer
    return answer.request.customer_id


def _decided(answer: Answered, stream: Stream, version: int) -> list[RecordedEvent]:
    """What the domain makes of the request on that version, at the time that the answer tells."""
    return decided(answer.request, stream.whole(version), answer.recorded_at, {})


def _right_after(stream: Stream, version: int) -> datetime:
    """An instant at which that version was the newest; of no file, just now."""
    return stream.files[version].as_of + _MOMENT if version else datetime.now(UTC)


def _same_events(answer: Answered, recorded: Sequence[RecordedEvent], expected: Sequence[RecordedEvent]) -> bool:
    """Apart from the ids that the service made up: of a new file's contact too, so there the types must do."""
    if answer.request.route == OPENING:
        return [event.payload.type for event in recorded] == [event.payload.type for event in expected]
    return len(recorded) == len(expected) and all(map(_same_event, recorded, expected))


def _same_event(left: RecordedEvent, right: RecordedEvent) -> bool:
    envelope = right.envelope.model_copy(update={"event_id": left.envelope.event_id})
    return left.payload == right.payload and left.envelope == envelope


def _without_basis(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in ("basis", "provenance")}


def _nobody_looks_back(answers: Sequence[Answered], shown: Sequence[Shown]) -> None:
    """Whoever asks after an answer was told finds the file at that version or a later one."""
    writes = [
        (answer.asked_at, answer.told_at, answer.customer_id, answer.versions[-1])
        for answer in answers
        if answer.took_effect
    ]
    reads = [(each.asked_at, each.told_at, each.customer_id, each.version) for each in shown]
    for _, told_at, customer_id, version in chain(writes, reads):
        for asked_at, _, other_id, later in chain(writes, reads):
            if other_id == customer_id and asked_at > told_at:
                assert later >= version, (customer_id, version, later)


def counted(answers: Sequence[Answered], shown: Sequence[Shown]) -> Counter[str]:
    """Figures of a batch."""
    dry_runs = sum(answer.accepted and answer.request.dry_run for answer in answers)
    figures = Counter(
        requests=len(answers) + len(shown) + sum(answer.shown is not None for answer in answers),
        recorded=sum(answer.took_effect for answer in answers),
        replayed=sum(answer.replayed for answer in answers),
        dry_runs=dry_runs,
        tried_again=sum(answer.tries - 1 for answer in answers),
    )
    figures.update(f"refused: {answer.slug}" for answer in answers if not answer.accepted)
    return figures
