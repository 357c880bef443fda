"""A database that already holds many customers, made once per size and then copied for whoever measures on it.

The events are real ones, decided by the domain, encoded and encrypted by the codec; only the way in is COPY instead of
one commit after another. The read models' rows are those that the product's own check expects. The log is written in
its own order, as the sealer writes it; all else customer by customer, unless a filling asks for the order of the log.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import random
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection

from db.migrate import MIGRATIONS
from domain.decisions import Change, Order, record
from domain.decisions.classification import RecordAttribute
from domain.decisions.lifecycle import Registration
from domain.decisions.tier import AssignTier
from domain.events import Actor, Circumstances, RecordedEvent
from domain.events.classification import TierBasis
from domain.events.envelope import ActorKind, Evidence, Reason
from domain.file import CustomerFile
from domain.policy import first_edition
from ledger import codec, tree
from ledger.frame import unframed
from ledger.frontier import fill_in
from ledger.kek import FileKek
from projections import profile, stored_state
from projections.expected import EVERY_FOLLOWED, expected_rows
from projections.moves import Positioned
from projections.portfolio import tallies

KEK_TEXT: Final = "bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""The key of every fixture; a service on one finds it in its data folder."""

Rows = dict[str, list[Sequence[Any]]]
"""Rows by table."""

_BEGIN: Final = datetime(2025, 1, 1, tzinfo=UTC)
_PROCESSES: Final = os.cpu_count() or 1
_CHUNK: Final = 1000
_VOCABULARY: Final = 4000
"""Words that texts are drawn from: with fewer, compression would find in them what it does not find in real ones."""
_LOG: Final = "public.fixture_log"
"""Where the log's rows wait until all are there."""
_VARIANTS: Final = 64
_TIERS: Final = ("ORDINARY", "POTENTIAL", "HIGH_VALUE", "CHURN_RISK")
_ACTOR: Final = Actor(id="svc-fixture", kind=ActorKind.SERVICE, roles=("importer",))
_COLUMNS: Final = {
    "keys.subject_key": ("subject", "wrapped", "kek", "state"),
    "ledger.event": ("stream", "version", "type", "entry"),
    "ledger.payload": ("stream", "version", "part", "ct"),
    _LOG: ("idx", "stream", "version", "hash", "known_at"),
    "read.profile": (
        "customer_id", "version", "profile_version", "boundaries", "as_of", "next_boundary", "fold_version", "state",
    ),
    **{f"read.{table.name}": table.columns for table in EVERY_FOLLOWED},
}  # fmt: skip


@dataclass(frozen=True)
class Filling:
    """What a fixture holds: so many customers, each with so many events, of about `value_bytes` of text each.

    `tiers` of the events change the tier, spread over the stream's life; which codes follow each other differs from
    customer to customer.
    """

    customers: int
    events_each: int
    value_bytes: int = 60
    first: int = 0
    """The number of the first customer: fillings of one database share none."""
    in_log_order: bool = False
    """Whether all rows are written in the order in which a service would: it makes indexes as full as there."""
    tiers: int = 0

    def customer_id(self, index: int) -> UUID:
        return UUID(int=(0x0198_0000_0000_7000_8000 << 48) + self.first + index)


@cache
def form() -> str:
    """Names what fixtures look like: another name when the rows of a customer, or their tables, would be others."""
    filling = Filling(1, 12)
    customer_id = filling.customer_id(0)
    rows: Rows = {table: [] for table in _COLUMNS}
    _add_customer(rows, customer_id, _events(_template(filling), customer_id, 0, 1), FileKek.from_text(KEK_TEXT))
    # Salts and ciphertexts differ every time, but not in length; a profile is plain.
    shape = [
        [len(value) if isinstance(value, bytes) and table != "read.profile" else value for value in row]
        for table, of_table in rows.items()
        for row in of_table
    ]
    sources = [Path(__file__), Path(stored_state.__file__), *sorted(MIGRATIONS.glob("*.sql"))]
    content = repr(shape).encode() + b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(content).hexdigest()[:12]


def fill(conninfo: str, fillings: Sequence[Filling]) -> None:
    """Fill a migrated, empty database."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(f"CREATE UNLOGGED TABLE {_LOG} (LIKE ledger.log)")
    stored = 0
    for filling in fillings:
        _fill(conninfo, filling, stored)
        stored += filling.customers * filling.events_each
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"INSERT INTO ledger.log SELECT * FROM {_LOG} ORDER BY idx")  # noqa: S608
        connection.execute(f"DROP TABLE {_LOG}")
        fill_in(connection)
        root = tree.ask(connection, tree.root(stored))
        connection.execute(
            "INSERT INTO ledger.checkpoint (made_at, size, root) SELECT max(known_at), %s, %s FROM ledger.log",
            [stored, root],
        )
        connection.execute(
            "INSERT INTO read.tracking (projection, position)"
            " SELECT name, size FROM unnest(%s::text[]) AS name CROSS JOIN ledger.checkpoint",
            [[table.name for table in EVERY_FOLLOWED]],
        )
        connection.execute("VACUUM ANALYZE")
        tallies.make_all(connection, stored)


def _fill(conninfo: str, filling: Filling, stored: int) -> None:
    if filling.customers <= _CHUNK or filling.in_log_order:
        _fill_part(conninfo, filling, range(filling.customers), stored)
        return
    bounds = [filling.customers * part // _PROCESSES for part in range(_PROCESSES + 1)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, context, _leave_interrupts_to_parent) as processes:
        parts = [
            processes.submit(_fill_part, conninfo, filling, range(first, last), stored)
            for first, last in pairwise(bounds)
        ]
        try:
            for part in parts:
                part.result()
        except BaseException:
            _throw_out_others(conninfo)  # nobody waits for work that is given up
            raise


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _throw_out_others(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _fill_part(conninfo: str, filling: Filling, part: range, stored: int) -> None:
    kek = FileKek.from_text(KEK_TEXT)
    templates = [_template(filling, variant) for variant in range(_VARIANTS if filling.tiers else 1)]
    with psycopg.connect(conninfo) as connection:
        chunk = len(part) if filling.in_log_order else _CHUNK
        for begin in range(0, len(part), chunk):
            rows: Rows = {table: [] for table in _COLUMNS}
            for index in part[begin : begin + chunk]:
                customer_id = filling.customer_id(index)
                template = templates[_scattered(index) % len(templates)]
                events = _events(template, customer_id, stored + index, filling.customers)
                _add_customer(rows, customer_id, events, kek)
            if filling.in_log_order:
                _sort(rows)
            _copy(connection, rows)
            connection.commit()


def _scattered(index: int) -> int:
    """A number without a pattern, the same in every run."""
    return int.from_bytes(hashlib.sha256(index.to_bytes(8)).digest()[:8])


def _template(filling: Filling, variant: int = 0) -> list[RecordedEvent]:
    """The events of one customer as the domain decides them."""
    circumstances = Circumstances(effective_from=_BEGIN, initial_load=True)
    if filling.tiers:  # a change of tier says why
        stated = {"reason": Reason(text="the rule of the month"), "evidence": (Evidence(note="report"),)}
        circumstances = circumstances.model_copy(update=stated)
    opening = Registration(customer_kind="ORGANISATION", name="Precision Instruments Ltd", owner="u-118")
    commands = [command for _, command in opening.commands(initial_load=True)]
    tiers = _tier_changes(filling, len(commands), variant)
    while len(commands) < filling.events_each:
        number = len(commands)
        attribute = RecordAttribute(key=f"field_{number % 20}", value=_text(number, filling.value_bytes))
        commands.append(tiers.get(number) or attribute)
    changes = tuple(Change(command, circumstances) for command in commands[: filling.events_each])
    customer_id = filling.customer_id(0)
    file = CustomerFile(customer_id, as_of=_BEGIN)
    _, events = record(
        Order(customer_id, changes, _ACTOR), file, _BEGIN, lambda: UUID(int=0), {}, policy=first_edition()
    )
    return list(events)


def _text(number: int, length: int) -> str:
    """The number and so many characters, which compress no better than what people write."""
    chance = random.Random(number)  # noqa: S311 - no secret
    text = f"{number} "
    length += len(text)
    while len(text) < length:
        text += _word(int(_VOCABULARY ** chance.random())) + " "  # common words often, rare ones seldom
    return text[:length].rstrip().ljust(length, ".")


@cache
def _word(rank: int) -> str:
    letters = random.Random(rank)  # noqa: S311 - no secret
    return "".join(letters.choices("etaoinshrdlucmfwypvbgk", k=letters.randint(2, 9)))


def _tier_changes(filling: Filling, first: int, variant: int) -> dict[int, AssignTier]:
    """By the number of the event; a code never follows itself."""
    changes: dict[int, AssignTier] = {}
    code = variant % len(_TIERS)
    for number in range(filling.tiers):
        place = first + number * (filling.events_each - first) // filling.tiers
        changes[place] = AssignTier(to_code=_TIERS[code], basis=TierBasis.RULE)
        code = (code + 1 + (variant >> (2 + number)) % (len(_TIERS) - 1)) % len(_TIERS)
    return changes


def _events(
    template: Sequence[RecordedEvent], customer_id: UUID, first_place: int, customers: int
) -> Iterator[tuple[int, RecordedEvent]]:
    """The template's events as this customer's, each with its place in the log, where all customers take turns."""
    for number, event in enumerate(template):
        place = first_place + number * customers
        moment = _BEGIN + timedelta(milliseconds=place)
        own = {
            "customer_id": customer_id,
            "event_id": UUID(int=customer_id.int ^ (event.envelope.version << 72)),
            "recorded_at": moment,
            "effective_from": None if event.envelope.effective_from is None else moment,
        }
        yield place, RecordedEvent(event.envelope.model_copy(update=own), event.payload)


def _add_customer(
    rows: Rows,
    customer_id: UUID,
    events: Iterable[tuple[int, RecordedEvent]],
    kek: FileKek,
) -> None:
    data_key = secrets.token_bytes(32)
    rows["keys.subject_key"].append((customer_id, kek.wrap(customer_id, data_key).wrapped, kek.id, "active"))
    file = CustomerFile(customer_id, as_of=_BEGIN)
    entries: list[Positioned] = []
    for place, event in events:
        version, recorded_at = event.envelope.version, event.envelope.recorded_at
        stored = codec.encode(event, {customer_id: data_key})
        entry, parts = unframed(stored.state)
        rows["ledger.event"].append((customer_id, version, stored.topic, entry))
        rows["ledger.payload"] += [(customer_id, version, number, ciphertext) for number, ciphertext in parts]
        rows[_LOG].append((place, customer_id, version, codec.entry_hash(entry), recorded_at))
        file.advance(recorded_at)
        file.apply(event)
        entries.append(Positioned.of(place + 1, event))
    numbers = (file.version, file.profile_version, file.boundaries, file.as_of, file.next_boundary())
    rows["read.profile"].append((customer_id, *numbers, profile.FOLD_VERSION, profile.encode(file)))
    for table, followed in expected_rows(entries, dict.fromkeys(EVERY_FOLLOWED, sys.maxsize)).items():
        rows[f"read.{table.name}"] += followed


def _sort(rows: Rows) -> None:
    """Into the order of the log, where all customers take turns."""
    for table, columns in _COLUMNS.items():
        if "version" in columns and table not in {"read.profile", _LOG}:
            at = columns.index("version")
            rows[table] = sorted(rows[table], key=partial(_number, at))  # stable: of one version by customer


def _number(column: int, row: Sequence[Any]) -> int:
    return int(row[column])


def _copy(connection: Connection[Any], rows: Rows) -> None:
    for table, columns in _COLUMNS.items():
        with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows[table]:
                copy.write_row(row)


def write_kek(data: Path) -> None:
    """Put the fixtures' key where a service looks for it."""
    path = data / "keys" / "kek"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with io.open(descriptor, "w") as file:  # noqa: UP020 - from a descriptor
        file.write(KEK_TEXT)
