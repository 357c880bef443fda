"""The follower: one process that seals what was committed, signs the log, keeps the read models up with it, and erases.

Started by `dossier serve` as `python -m cli.follow`. Sealer, signer, runner, eraser and scrubber each have a thread; if
one of them ends by an error of its own making, so does the process, and the supervisor starts it again. Who reads the
log ends after the sealer, so that a service that ends in good order leaves nothing unsigned, and no read model behind.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event

import structlog

from cli.capacity import ERASER, LOG_READERS
from cli.lifeline import end_with_parent, tell_parent_we_are_up
from cli.logs import configure_logging
from cli.processes import settle_memory
from db.pool import sync_pool
from ledger.eraser import Eraser
from ledger.keys import KeyStore
from ledger.log_errors import LogKeyUnusable
from ledger.log_key import log_key_from
from ledger.pool import pool_of_keys
from ledger.refusal_file import RefusalFile
from ledger.ring import ring_at
from ledger.scrub_record import ScrubRecord
from ledger.scrubber import Scrubber
from ledger.sealer import Sealer
from ledger.signer import Signer
from ledger.signer_memory import SignerMemory
from projections.runner import Runner
from settings import Settings

_LOG = structlog.get_logger("cli.follow")
_NO_KEY_SECONDS = 60.0
_NICENESS = 10
"""Writes come first: when the processor is short, read models fall behind before answers do."""


def main() -> None:
    """Follow until SIGTERM; what is committed by then is sealed, signed and in the read models."""
    end_with_parent()
    configure_logging()
    settle_memory()
    os.nice(_NICENESS)
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    follow(Settings(), stop)


def follow(settings: Settings, stop: Event) -> None:
    """Seal, sign, project, erase and scrub until `stop` is set. Raises what ends one of them before that."""
    conninfo = settings.conninfo or ""
    with (
        sync_pool(conninfo, "dossier_projector", min_size=1, max_size=LOG_READERS, autocommit=True) as pool,
        pool_of_keys(settings.keys_conninfo, "dossier_projector", pool) as keys_pool,
        sync_pool(conninfo, "dossier_eraser", min_size=1, max_size=ERASER, autocommit=True) as erasing,
        pool_of_keys(settings.keys_conninfo, "dossier_eraser", erasing) as erased_keys,
        ThreadPoolExecutor(5, thread_name_prefix="follow") as threads,
    ):
        ring = ring_at(settings.kek_file, settings.kek_text)
        keys = KeyStore(keys_pool, ring)
        sealed = Event()
        sealing = [
            threads.submit(Sealer(conninfo).run, stop),
            threads.submit(Eraser(erasing, KeyStore(erased_keys, ring)).run, stop),
        ]
        if rate := settings.scrub_events_per_second:
            record = ScrubRecord.of(settings.data)
            sealing.append(threads.submit(Scrubber(conninfo, record, events_per_second=rate).run, stop))
        reading = [
            threads.submit(_sign, settings, conninfo, sealed),
            threads.submit(Runner(conninfo, pool, keys).run, sealed),
        ]
        tell_parent_we_are_up()
        ended, _ = wait([*sealing, *reading], return_when=FIRST_COMPLETED)
        stop.set()
        wait(sealing)
        sealed.set()
        for task in ended:
            task.result()


def _sign(settings: Settings, conninfo: str, stop: Event) -> None:
    """Sign until `stop` is set; a key that cannot be used ends nothing but the signing, and is tried again."""
    path = settings.log_memory_file
    refusals = RefusalFile(path)
    while not stop.is_set():
        try:
            key = log_key_from(settings.log_key_file)
        except (LogKeyUnusable, OSError) as error:
            _LOG.critical("the log is not signed", detail=str(error))
            refusals.tell(type(error).__name__)
            stop.wait(_NO_KEY_SECONDS)
        else:
            Signer(conninfo, key, SignerMemory(path, key.verifier), refusals).run(stop)


if __name__ == "__main__":
    main()
