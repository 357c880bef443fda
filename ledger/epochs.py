"""The epochs of the log. After a restore, or whatever else cut the end of the log off, another history begins.

The tree goes on: everything up to the fork is the old log, and an auditor's old checkpoint of up to there stays good.
What was recorded after it is lost, and its positions will be given to other events. So the log gets a new name, under
which it is signed from then on (its origin), and the first entry after the fork says so: where the fork is, how the
epoch before was called, and the last checkpoint that is known of it. Whoever names a position says of which epoch.

What must stay true: these entries are evidence like any other. They stand in a stream of their own, which belongs to no
customer, are not encrypted, and are in the log before anything else that is recorded in their epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from psycopg import Connection
from uuid_utils.compat import uuid7

from db.queries import load
from ledger.errors import EpochsUnreadable
from ledger.findings import Finding, place_of
from ledger.plain import to_json

LOG_STREAM: Final = uuid5(NAMESPACE_URL, "urn:dossier:log")
"""The stream of the log itself. No customer has this id: theirs are of another kind (UUID version 7 or 4)."""
EPOCH_BEGAN: Final = "log.epoch-began"
FIRST_EPOCH: Final = "1"

QUERIES: Final = load("ledger", "epochs.sql")
OWN: Final = {"own": LOG_STREAM}


class Epoch(NamedTuple):
    """`name` begins with its number; `after`: how many entries the log had before its first one."""

    name: str
    after: int


class Epochs(NamedTuple):
    """Those of a log, in order; the first one begins with the log."""

    all: Sequence[Epoch]

    @property
    def current(self) -> str:
        return self.all[-1].name

    def shared_up_to(self, name: str) -> int | None:
        """Up to which position what was said in the epoch `name` holds today; None: without end. KeyError: unknown."""
        names = [epoch.name for epoch in self.all]
        if name not in names:
            raise KeyError(name)
        later = self.all[names.index(name) + 1 :]
        return min((epoch.after for epoch in later), default=None)


ONLY_ONE: Final = Epochs((Epoch(FIRST_EPOCH, 0),))


def begin_epoch(
    connection: Connection[Any],
    actor: str,
    checkpoint: str | None = None,
    origin_of: Callable[[str], str | None] = lambda _: None,
) -> Epoch:
    """Record the first entry of a new epoch, in the caller's transaction; it waits at the head of the sealer's queue.

    `checkpoint` is the last signed note that is known of the epoch before; `origin_of` names the log in the new epoch.
    Nobody else may record meanwhile.
    """
    ((begun, size, now),) = connection.execute(QUERIES["head"], OWN).fetchall()
    entries = connection.execute(QUERIES["entries"], OWN).fetchall()
    before = epochs_in(entries).current
    # Numbered, and not only that: two restores of one backup begin two histories.
    epoch = Epoch(f"{begun + 2}-{secrets.token_hex(3)}", size)
    version, origin = begun + 1, origin_of(epoch.name)
    entry = {
        "actor": actor,
        "epoch": {
            "name": epoch.name,
            **({} if origin is None else {"origin": origin}),
            "after": {"name": before, "size": size, **({} if checkpoint is None else {"checkpoint": checkpoint})},
        },
        "event_id": str(uuid7()),
        "parts": [],
        "recorded_at": now,
        "schema": 1,
        "stream": str(LOG_STREAM),
        "type": EPOCH_BEGAN,
        "version": version,
    }
    params = {**OWN, "version": version, "type": EPOCH_BEGAN, "entry": to_json(entry), "recorded_at": now}
    connection.execute(QUERIES["begin"], params)
    return epoch


def epochs_in(rows: Iterable[tuple[int, str, bytes]]) -> Epochs:
    """The epochs that the rows of `entries` tell of. Raises EpochsUnreadable."""
    found = [Epoch(FIRST_EPOCH, 0)]
    for version, stored_name, entry in rows:
        epoch, problem = _read(version, stored_name, entry, found[-1])
        if epoch is None:
            raise EpochsUnreadable(version, problem)
        found.append(epoch)
    return Epochs(tuple(found))


def epochs_of(connection: Connection[Any]) -> Epochs:
    """The epochs of a database's log. Raises EpochsUnreadable."""
    return epochs_in(connection.execute(QUERIES["entries"], OWN).fetchall())


def epoch_findings(connection: Connection[Any]) -> Iterator[Finding]:
    """What does not hold of the entries that begin epochs."""
    before = Epoch(FIRST_EPOCH, 0)
    for expected, (version, stored_name, entry, idx) in enumerate(
        connection.execute(QUERIES["places"], OWN).fetchall(), start=1
    ):
        place = place_of(LOG_STREAM, version, idx)
        epoch, problem = _read(version, stored_name, entry, before)
        if version != expected:
            yield Finding("epoch", place, f"is not version {expected} of the log's own stream")
        if epoch is None:
            yield Finding("epoch", place, problem)
            continue
        if idx is not None and idx != epoch.after:
            yield Finding("epoch", place, f"does not stand where it says that its epoch begins, at index {epoch.after}")
        before = epoch


def is_of_log(stream: UUID | str) -> bool:
    """Whether a stream is the log's own, which tells of no customer."""
    return stream == LOG_STREAM


def _read(version: int, stored_name: str, entry: bytes, before: Epoch) -> tuple[Epoch | None, str]:
    """The epoch that an entry begins, or None and why it makes no sense."""
    try:
        said = orjson.loads(entry)
        name, after = said["epoch"]["name"], said["epoch"]["after"]
        epoch, previous = Epoch(name, after["size"]), after["name"]
        told = (said["stream"], said["version"], said["type"], type(name), type(epoch.after))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None, "is no entry that begins an epoch"
    if stored_name != EPOCH_BEGAN or told != (str(LOG_STREAM), version, EPOCH_BEGAN, str, int):
        return None, "is no entry that begins an epoch"
    if previous != before.name or epoch.after < before.after:
        return None, f"does not follow the epoch {before.name}"
    return epoch, ""
