"""The composition root: every part of the API process is made and joined here, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api import errors, openapi
from api.believed_tokens import verifier_of
from api.budgets import Budget
from api.connections import KEY_READERS, PACKS, READERS, STRANGERS, WHOLE_TABLES, WRITERS
from api.current_profiles import CurrentProfiles
from api.dependencies import Service
from api.direct_route import DirectRoute, OpenRoute
from api.epochs import KnownEpochs
from api.forgetting import forgetting
from api.gathering import Gathering
from api.interruption import ToldWhenInterrupted
from api.masking import forget_classes
from api.packs import Packs
from api.past_document import layout_of
from api.policy_keeper import PolicyKeeper
from api.probe import Probe, answers, headway
from api.process import Process
from api.receipts import Receipts
from api.replaying import Replays
from api.room import BodyRooms
from api.routes import (
    accesses,
    approvals,
    audit,
    commands,
    erasures,
    evidence,
    health,
    history,
    idempotency,
    lists,
    log,
    metrics,
    policies,
    portfolio,
    portfolio_diff,
    profiles,
    replay,
    timelines,
)
from api.routes import (
    staff as staff_routes,
)
from api.staff_directory import StaffDirectory
from api.standings import Standing, Standings
from db.pool import async_pool, sync_pool
from domain.document import forget_places
from domain.masking import forget_levels
from domain.slots import forget_slots
from ledger.application import Ledger
from ledger.keys import KeyStore
from ledger.log_errors import LogKeyMissing
from ledger.log_key import log_key_from
from ledger.notes import VerifierKey
from ledger.policy_records import PolicyRecords
from ledger.pool import Pool, pool_of_keys
from ledger.read_ledger import ReadLedger
from ledger.records import Records
from ledger.refusal_file import RefusalFile
from ledger.ring import ring_at
from ledger.scrub_record import ScrubRecord
from ledger.service_records import ServiceRecords
from ledger.staff_records import StaffRecords
from ledger.writer import Writer
from projections.basis import all_known_by
from projections.blame import blamed
from projections.catch_up import CatchUp
from projections.events import whole_pages
from projections.identifiers import IdentifierView
from projections.landmarks import Landmarks
from projections.past import files_at
from projections.portfolio.members import members
from projections.profile import ProfileView, current
from settings import Settings

_DESCRIPTION = """\
One file per customer; every change an immutable event that says who, what, when recorded, when true, why, and on
what evidence. Profiles, audit trails and point-in-time views all follow from the events.
"""


PoolStats = Callable[[], dict[str, int]]

_FEW = 8
"""Of what may be hundreds of kilobytes each, so many are brought by one statement."""
_FILES = 5
"""Of files at past moments: of sixteen callers some are then read for, some answered, while the others gather."""


def create_app(settings: Settings, process: Process | None = None) -> FastAPI:
    """The application for `settings`, whose `conninfo` must name a migrated database."""
    app = FastAPI(
        title="Dossier",
        version=version("dossier-records"),
        description=_DESCRIPTION,
        lifespan=partial(_at_work, settings),
        redirect_slashes=False,
        docs_url=None,  # these pages would load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.process = process or Process()
    app.add_middleware(HeadAsGet)
    app.add_middleware(ToldWhenInterrupted)
    errors.install(app)
    reads = (
        lists,
        approvals,
        profiles,
        history,
        timelines,
        erasures,
        replay,
        audit,
        idempotency,
        portfolio,
        portfolio_diff,
        policies,
        accesses,
    )
    others = (staff_routes, evidence, health, metrics, log)
    for router in (*(routes.router for routes in (commands, *reads, *others)), log.proofs):
        # Not include_router: an included router matches every request twice, and has nothing to add here.
        app.router.routes.extend(map(_guarded, router.routes))
    openapi.install(app)
    return app


def _guarded(route: BaseRoute) -> BaseRoute:
    """The route, which is open to all by its own word or requires something. Raises TypeError."""
    if not isinstance(route, DirectRoute | OpenRoute):
        raise TypeError(f"{route} does not say who may use it")
    return route


@asynccontextmanager
async def _at_work(settings: Settings, app: FastAPI) -> AsyncIterator[None]:
    """Lend the application all that its requests are answered with."""
    conninfo = settings.conninfo or ""
    writers = sync_pool(conninfo, "dossier_app", min_size=2, max_size=WRITERS, autocommit=True)
    readers = async_pool(
        conninfo, "dossier_reader", min_size=2, max_size=READERS, max_waiting=settings.reads_waiting, autocommit=True
    )
    writers.open(wait=False)
    await readers.open(wait=False)
    parts = ExitStack()
    key_pool = parts.enter_context(pool_of_keys(settings.keys_conninfo, "dossier_app", writers, most=KEY_READERS))
    keys = KeyStore(key_pool, ring_at(settings.kek_file, settings.kek_text))
    recording = _recording(settings, writers, keys)
    pools = {"writers": writers.get_stats, "readers": readers.get_stats}
    if key_pool is not writers:
        pools["keys"] = key_pool.get_stats
    app.state.probe = Probe(conninfo, "dossier_reader", headway)
    app.state.keys_probe = None
    if settings.keys_conninfo is not None:
        app.state.keys_probe = Probe(settings.keys_conninfo, "dossier_app", answers)
    app.state.refusals = RefusalFile(settings.log_memory_file)
    app.state.log_key = _log_key(settings)
    app.state.strangers = asyncio.Semaphore(STRANGERS)
    app.state.scrub_record = ScrubRecord.of(settings.data)
    service = app.state.service = _service(settings, readers, keys, recording, app.state.log_key)
    app.state.standings = Standings(
        settings.data / "metrics",
        app.state.process.place,
        settings.workers,
        partial(_standing, app.state.process, recording.writer, pools),
    )
    try:
        async with (
            service.verifier.keys.kept(),
            service.staff.kept(),
            service.policy.kept(),
            forgetting(
                service.current_profiles.forget_unused,
                recording.files.forget,
                keys.forget_expired,
                forget_slots,
                forget_places,
                layout_of.cache_clear,
                forget_levels,
                forget_classes,
            ),
        ):
            yield
    finally:
        app.state.standings.withdraw()
        recording.writer.stop()
        if recording.read_ledger is not None:
            recording.read_ledger.stop()
        await app.state.probe.close()
        if app.state.keys_probe is not None:
            await app.state.keys_probe.close()
        await readers.close()
        parts.close()
        writers.close()


def _service(
    settings: Settings,
    readers: AsyncConnectionPool[AsyncConnection[TupleRow]],
    keys: KeyStore,
    recording: _Recording,
    log_key: str | None,
) -> Service:
    """What requests are answered with; nothing of it is at work by itself."""
    gathering = partial(
        Gathering, readers, wait_seconds=settings.read_wait_seconds, most_waiting=settings.reads_waiting
    )
    landmarks = Landmarks()
    log_keys = [] if log_key is None else [log_key, *settings.log_former_keys.split()]
    staff = StaffDirectory(recording.staff)
    return Service(
        recording.writer,
        readers,
        verifier_of(settings, staff),
        staff,
        recording.staff,
        uuid7,
        recording.customers.read_history,
        BodyRooms(settings.body_bytes),
        gathering(current),
        gathering(partial(files_at, landmarks=landmarks), most_keys=_FILES, waits_for_company=True),
        gathering(blamed, most_keys=_FEW),
        gathering(whole_pages, most_keys=_FEW),
        gathering(partial(all_known_by, landmarks=landmarks)),
        gathering(members),
        CurrentProfiles(),
        CatchUp(readers),
        recording.read_ledger,
        Replays(keys),
        Packs(settings.conninfo or "", keys, list(map(VerifierKey.from_text, log_keys)), PACKS),
        Receipts(readers, settings.read_wait_seconds),
        KnownEpochs(readers, settings.read_wait_seconds),
        recording.policy_kept,
        recording.policy,
        asyncio.Semaphore(WHOLE_TABLES),
        requests=Budget("requests", settings.requests_per_second, 2 * settings.requests_per_second),
        opened=Budget("events", settings.events_per_minute / 60, settings.events_per_minute),
        wait_seconds=settings.read_wait_seconds,
    )


class _Recording(NamedTuple):
    """All that records: customers' files, and the streams of the service itself. What has threads is at work."""

    writer: Writer
    customers: Records
    files: ProfileView
    policy_kept: PolicyKeeper
    policy: PolicyRecords
    staff: StaffRecords
    read_ledger: ReadLedger | None


def _recording(settings: Settings, pool: Pool, keys: KeyStore) -> _Recording:
    ledger, files = Ledger(pool, keys), ProfileView()
    policy = PolicyRecords(ServiceRecords(ledger, pool, keys, new_id=uuid7), pool, keys, new_id=uuid7)
    kept = PolicyKeeper(policy)
    customers = Records(ledger, pool, keys, files=files, holders=IdentifierView(), new_id=uuid7, policy=kept.current)
    of_service = ServiceRecords(ledger, pool, keys, new_id=uuid7, policy=kept.current)
    writer = Writer(customers, waiting=settings.orders_waiting, waiting_changes=settings.changes_waiting)
    writer.start()
    read_ledger = ReadLedger(of_service) if settings.read_ledger else None
    if read_ledger is not None:
        read_ledger.start()
    staff = StaffRecords(of_service, pool, keys, new_id=uuid7)
    return _Recording(writer, customers, files, kept, policy, staff, read_ledger)


def _standing(process: Process, writer: Writer, pools: Mapping[str, PoolStats]) -> Standing:
    """How this process stands now, as JSON."""
    return {
        **process.as_json(),
        "writer": asdict(writer.standing),
        "pools": {name: stats() for name, stats in pools.items()},
    }


class HeadAsGet:
    """HEAD is answered as GET is; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


def _log_key(settings: Settings) -> str | None:
    """What the log's signatures are verified with; of the key, only that half is kept."""
    try:
        return str(log_key_from(settings.log_key_file).verifier)
    except LogKeyMissing:
        return None
