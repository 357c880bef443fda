"""From lines to commands: which changes go together, what a command says, and the key that makes it happen once.

A command holds the changes of one entity in one commit, as long as they follow each other in the file: a run. What
must stay true: every readable line is in exactly one command, in the file's order; the same lines under the same
source make the same command with the same key, whatever file they come in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from cli.importing.change_log import Change, Line
from cli.importing.mapping import PathMap, ServiceChange, UntranslatableValue, attribute_change

MOST_CHANGES: Final = 500
"""The service takes no more in one command."""

MOST_BYTES: Final = 256_000
"""Of lines in one command; leaves room below the service's limit of 1 MB for what is said about each change."""

_LONGEST_REASON: Final = 4000
_NO_REASON: Final = "the change log gives no reason"


class EffectiveFrom(StrEnum):
    """Which of a line's times counts as the time from which the change is true."""

    RECORDED_AT = "recorded_at"
    EFFECTIVE_AT = "effective_at"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change to send, and the line that it comes from."""

    line: int
    body: ServiceChange
    is_mapped: bool
    """Whether it is what the map made of the line, besides the attribute."""


@dataclass(frozen=True, slots=True)
class Command:
    """Everything that one commit did to one entity, or a part of at most 500 changes."""

    entity: str
    key: str
    circumstances: dict[str, Any]
    """What is said about all changes; an entry says only what differs."""
    entries: tuple[Entry, ...]
    untranslatable: tuple[tuple[int, str], ...]
    """Lines, by number, whose mapped slot could not be filled, and why."""
    length: int
    """How many lines it holds."""

    def to_changes(self, left_out: frozenset[int]) -> bytes:
        """Return the body for a file that exists, without the entries at some places."""
        return orjson.dumps({**self.circumstances, "changes": self._bodies(left_out)})

    def to_registration(self, left_out: frozenset[int], customer_kind: str, id_scheme: str) -> bytes:
        """Return the body that opens the file and says the rest as well."""
        opening = self._opening(customer_kind, id_scheme)
        return orjson.dumps({**opening, **self.circumstances, "changes": self._bodies(left_out)})

    def to_opening(self, customer_kind: str, id_scheme: str) -> bytes:
        """Return the body that only opens the file."""
        return orjson.dumps({**self._opening(customer_kind, id_scheme), "initial_load": True})

    def _opening(self, customer_kind: str, id_scheme: str) -> dict[str, Any]:
        identifier = {"scheme": id_scheme, "value": self.entity}
        return {"customer_kind": customer_kind, "identifiers": [identifier]}

    def _bodies(self, left_out: frozenset[int]) -> list[ServiceChange]:
        return [entry.body for place, entry in enumerate(self.entries) if place not in left_out]


@dataclass(frozen=True)
class Translator:
    """How the lines of one log become commands. `source` names the log, not the file or the part of it."""

    source: str
    path_map: PathMap = field(default_factory=lambda: PathMap({}))
    effective_from: EffectiveFrom = EffectiveFrom.RECORDED_AT

    def commands(self, lines: Iterable[Line]) -> Iterator[Command]:
        """Yield one command per run, or several when a run is too long for one. Holds one run in memory."""
        run: list[Line] = []
        for line in lines:
            if run and not _continues(run[0].change, line.change):
                yield from self._split(run)
                run = []
            run.append(line)
        if run:
            yield from self._split(run)

    def _split(self, run: list[Line]) -> Iterator[Command]:
        part: list[Line] = []
        entries: list[Entry] = []
        problems: list[tuple[int, str]] = []
        length = 0
        for line in run:
            translated, problem = self._translate(line)
            if part and (len(entries) + len(translated) > MOST_CHANGES or length + line.length > MOST_BYTES):
                yield self._command(part, entries, problems)
                part, entries, problems, length = [], [], [], 0
            part.append(line)
            entries += translated
            problems += problem
            length += line.length
        yield self._command(part, entries, problems)

    def _translate(self, line: Line) -> tuple[list[Entry], list[tuple[int, str]]]:
        change = line.change
        entries = [Entry(line.number, attribute_change(change), is_mapped=False)]
        try:
            mapped = list(self.path_map.translate(change))
        except UntranslatableValue as error:
            return entries, [(line.number, f"{change.path}: {error}")]
        return entries + [Entry(line.number, body, is_mapped=True) for body in mapped], []

    def _command(self, part: list[Line], entries: list[Entry], problems: list[tuple[int, str]]) -> Command:
        common = self._circumstances(part[0].change)
        own = {line.number: self._differences(common, line.change) for line in part}
        first = part[0].change
        return Command(
            entity=first.entity,
            key=_key(self.source, first, [line.change.seq for line in part]),
            circumstances={**common, "initial_load": True},
            entries=tuple(Entry(e.line, {**e.body, **own[e.line]}, e.is_mapped) for e in entries),
            untranslatable=tuple(problems),
            length=len(part),
        )

    def _differences(self, common: dict[str, Any], change: Change) -> dict[str, Any]:
        return {name: value for name, value in self._circumstances(change).items() if common.get(name) != value}

    def _circumstances(self, change: Change) -> dict[str, Any]:
        """Return when, why and on what evidence, as the log says it; its own actor is a part of the evidence."""
        use_stated = self.effective_from is EffectiveFrom.EFFECTIVE_AT and change.effective_at is not None
        return {
            "effective_from": change.effective_at if use_stated else change.recorded_at,
            "source": {
                "kind": "IMPORT_FILE",
                "detail": f"commit {change.commit}",
                "batch_id": self.source,
                "row": change.seq,
            },
            "evidence": [_evidence(change)],
            "reason": {"text": ((change.message or "").strip() or _NO_REASON)[:_LONGEST_REASON]},
        }


def _continues(first: Change, next_one: Change) -> bool:
    return first.commit == next_one.commit and first.entity == next_one.entity


def _evidence(change: Change) -> dict[str, str]:
    evidence = {"url": f"commit:{change.authored_commit or change.commit}"}
    told = (("written by ", change.actor), ("written at ", change.authored_at), ("merged by ", change.merged_by))
    if note := "; ".join(word + text for word, text in told if text and text.strip()):
        evidence["note"] = note[:_LONGEST_REASON]
    return evidence


def _key(source: str, first: Change, seqs: list[int]) -> str:
    """Return the idempotency key: the same for the same lines of the same log, and for nothing else.

    The numbers of the lines are part of it, so that a commit that was cut by the end of a file, or that had a broken
    line at first, can be completed later.
    """
    identity = orjson.dumps([source, first.commit, first.entity, seqs])
    return f"import-{hashlib.sha256(identity).hexdigest()[:48]}"
