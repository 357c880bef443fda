"""B10: what it takes to verify a whole log, and to prove that one entry is in a long one."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg

from bench.fixture import Filling
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Figures, Findings, Unsuitable, Wanted, at_least, interleaved, within
from db.pool import connect
from ledger import tree
from ledger.frontier import fill_in
from ledger.scrub_record import ScrubRecord
from ledger.scrubber import Scrubber

PROOF_LIMIT_MILLISECONDS: Final = 5.0

_FILLING: Final = Filling(20_000, 10, in_log_order=True)
"""Entries lie on disk as a service writes them."""
_SMALL: Final = Filling(50, 10, in_log_order=True)
_ELSEWHERE: Final = Filling(20_000, 10)
"""They lie customer by customer, and have to be sought one by one."""
_PROOFS: Final = 300
_VERIFIED: Final = Wanted("places verified, entries re-hashed, per second", "1/s", at_least(0.2))
_SOUGHT: Final = "places verified per second, entries in another order on disk"


def verification(surroundings: Surroundings) -> Findings:
    """A lap of the scrubber without its pauses, against the hashing alone; proofs of entries at random places."""
    verified, bytes_each = _laps(surroundings, _SMALL if surroundings.is_smoke else _FILLING)
    sought, _ = _laps(surroundings, _SMALL if surroundings.is_smoke else _ELSEWHERE)
    size = surroundings.size.log
    with _long_log(surroundings, size) as conninfo:
        rounds = [_proofs(conninfo, size) for _ in range(surroundings.rounds)]
    name = f"an inclusion proof in a log of {size:,} entries, p50"
    proofs = within(name, "ms", [median(proofs) for proofs in rounds], PROOF_LIMIT_MILLISECONDS)
    notes = {
        _SOUGHT: sought.as_note,
        "slowest inclusion proof, ms": round(max(map(max, rounds)), 2),
        "bytes of an entry": bytes_each,
    }
    return Findings([verified, proofs], notes)


# --- the whole log --------------------------------------------------------------------------------------------------


def _laps(surroundings: Surroundings, filling: Filling) -> tuple[Comparison, int]:
    """How fast such a log is verified, and how long its entries are."""
    with surroundings.filled(filling) as conninfo:
        entries = _entries(conninfo)
        (verified,) = interleaved(surroundings, [_VERIFIED], lambda: _lap(conninfo), lambda: _hashing(entries))
    return verified, sum(map(len, entries)) // len(entries)


def _entries(conninfo: str) -> list[bytes]:
    with psycopg.connect(conninfo) as connection, connection.cursor(binary=True) as cursor:
        cursor.execute("SELECT entry FROM ledger.log JOIN ledger.event USING (stream, version) ORDER BY idx")
        return [entry for (entry,) in cursor]


def _lap(conninfo: str) -> Figures:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scrubber = Scrubber(conninfo, ScrubRecord(Path(folder)), events_per_second=1)
        places, started = 0, time.perf_counter()
        while True:
            step = scrubber.step()
            places += step.places
            if step.findings:
                raise Unsuitable(f"the fixture is damaged: {step.findings[0]}")
            if step.is_lap:
                break
        seconds = time.perf_counter() - started
        scrubber.close()
    return {_VERIFIED.name: places / seconds}


def _hashing(entries: Sequence[bytes]) -> Figures:
    started = time.perf_counter()
    for entry in entries:
        sha256(b"\x00" + entry).digest()
    return {_VERIFIED.name: len(entries) / (time.perf_counter() - started)}


# --- one entry ------------------------------------------------------------------------------------------------------


@contextmanager
def _long_log(surroundings: Surroundings, size: int) -> Iterator[str]:
    """A log of places alone, with its tree: a proof reads nothing else."""
    with surroundings.database() as conninfo:
        surroundings.say(f"making a log of {size:,} places")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO ledger.log SELECT idx, '00000000-0000-0000-0000-000000000000', idx,"
                " sha256(int8send(idx)), '2026-01-01Z' FROM generate_series(0, %s::bigint) AS idx",
                [size - 1],
            )
            fill_in(connection)
            connection.execute("VACUUM ANALYZE")
        yield conninfo


def _proofs(conninfo: str, size: int) -> list[float]:
    """Milliseconds of proofs of entries at random places."""
    with connect(conninfo, "dossier_reader", autocommit=True) as connection:
        _proof(connection, size)  # the first one plans
        return [_proof(connection, size) for _ in range(_PROOFS)]


def _proof(connection: psycopg.Connection[Any], size: int) -> float:
    index = random.randrange(size)  # noqa: S311 - no secret
    started = time.perf_counter()
    tree.ask(connection, tree.inclusion(index, size))
    return (time.perf_counter() - started) * 1000
