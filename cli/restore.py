"""`dossier restore`: a backup becomes a database again, in a new place, and is not served before it is whole.

    archives held against their manifests, key against the data keys   ->   nothing is written before that
    marker   ->   tables   ->   new epoch   ->   erasures   ->   read models   ->   verification   ->   no marker

If we die or fail after the marker is set, the service refuses the database, and the next attempt begins anew.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.errors import CliError, Conflict, Damaged, Unavailable
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings
from cli.processes import settle_memory
from cli.stored import stored_kek
from db.errors import (
    AnotherRestore,
    ArchiveDamaged,
    ArchiveError,
    ArchiveUnfinished,
    DatabaseFloorError,
    DatabaseNotEmpty,
)
from db.restoring import restoring, unmark
from ledger.epochs import Epoch
from ledger.erasure_list import FILE as ERASURES
from ledger.erasure_list import Destroyed, read_list
from ledger.errors import ErasureListMalformed, KeyEncryptionError, LedgerError, is_unavailable
from ledger.log_errors import LogError, LogKeyUnusable, OriginUsed
from ledger.log_key import log_key_from
from ledger.origin import Signed, begin_origin, key_of_new_origin, later_of, require_unused
from ledger.replay import RESTORER, destroy_listed, erase_again, record_unknown
from ledger.restore import (
    Sources,
    Target,
    begin_history,
    check_sources,
    put_back,
    read_sources,
    require_kek,
    seal_all,
    signed_in,
)
from ledger.ring import KekRing
from ledger.scrub_record import ScrubRecord
from ledger.signer_memory import SignerMemory
from ledger.verify import Extent, extent_of, keys_at, one_moment
from projections.errors import ProjectionError
from projections.fill import fill
from projections.verify import verify
from settings import Settings

_Advance = Callable[[int], None]
_Step = Callable[[str, int], _Advance]
"""Begins a step, of which so many bytes or events are ahead; what moves it on."""


def restore(
    backup: Annotated[Path, typer.Argument(metavar="FROM", help="The folder that `dossier backup --to` wrote.")],
    *,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="The archive of the data keys, if it is not FROM/keys.")
    ] = None,
    erasures: Annotated[
        Path | None, typer.Option("--erasures", help="A later list of erasures: erasures.ndjson of a newer backup.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="A signed checkpoint of the lost log, if one was kept.")
    ] = None,
    despite_findings: Annotated[
        bool, typer.Option("--despite-findings", help="Let it be served even if verification finds faults.")
    ] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Put a backup back into an empty database, build the read models, and verify all of it."""
    settings = load_settings(data=data, database_url=database_url)
    begun = time.monotonic()
    with _told_plainly(), _progress() as step:
        sources = read_sources(backup / "ledger", keys or backup / "keys")
        listed = _listed(backup, erasures)
        signed = _signed(settings, sources, checkpoint)
        kek = _matching_kek(settings, sources)
        check_sources(sources, step("checking the archives", sources.bytes))
        settle_memory()
        with database(settings) as conninfo, _told_plainly(), ExitStack() as stack:
            ledger = _target(stack, conninfo)
            keys_target = None if settings.keys_conninfo is None else _target(stack, settings.keys_conninfo)
            put_back(ledger, keys_target, sources, step("loading", sources.bytes))
            origin = _NewOrigin(settings, signed)
            epoch = begin_history(ledger, RESTORER.id, signed.note, origin.name_in)
            kept = _keep_erased(ledger, keys_target, kek, listed)
            seal_all(ledger)
            advance = step("building read models", sources.ledger.manifest.rows_of("event"))
            fill(conninfo, kek, advance, keys_conninfo=settings.keys_conninfo)
            erased = erase_again(conninfo, kek, settings.keys_conninfo)
            extent = _verify(conninfo, kek, settings, step, despite_findings=despite_findings)
            # What a scrubber has seen here was another log, perhaps a longer one.
            ScrubRecord.of(settings.data).begin_anew()
            # Last of all: a signer goes on only from what was verified.
            origin.remember(ledger, epoch)
            # The keys first: if we die in between, the ledger's database is still not served.
            for target in filter(None, (keys_target, ledger)):
                unmark(target.connection)
    for line in _summary(sources, extent, epoch, time.monotonic() - begun):
        typer.echo(line)
    typer.echo(
        f"erasures: {erased:,} carried out again; {kept.destroyed:,} keys that had come back or were still to be made "
        f"destroyed; {kept.recorded:,} recorded once more, because the backup did not know them"
    )


class _Erasures(NamedTuple):
    """How many listed keys had come back and were destroyed, and how many erasures were recorded once more."""

    destroyed: int
    recorded: int


def _keep_erased(ledger: Target, keys: Target | None, kek: KekRing, listed: Sequence[Destroyed]) -> _Erasures:
    of_keys = keys or ledger
    destroyed = destroy_listed(of_keys.connection, listed)
    keys_conninfo = None if keys is None else keys.conninfo
    recorded = record_unknown(ledger.connection, of_keys.connection, kek, ledger.conninfo, keys_conninfo)
    return _Erasures(destroyed, recorded)


def _listed(backup: Path, erasures: Path | None) -> list[Destroyed]:
    """The erasures that the backup lists, and those of a later list. Raises CliError."""
    paths = [path for path in (backup / ERASURES, erasures) if path is not None]
    try:
        return [each for path in paths if path == erasures or path.exists() for each in read_list(path)]
    except ErasureListMalformed as error:
        raise Damaged(str(error)) from error


def _signed(settings: Settings, sources: Sources, checkpoint: Path | None) -> Signed:
    """How the log was signed before; what is at hand must allow it to go on under another name. Raises CliError."""
    signed = signed_in(sources)
    try:
        if checkpoint is not None:
            signed = later_of(signed, checkpoint.read_bytes())
        require_unused(settings.log_key_file, settings.log_origin, settings.log_memory_file, signed)
    except (OriginUsed, LogKeyUnusable) as error:
        raise CliError(f"{error}; nothing was restored") from error
    except LogError as error:
        raise Damaged(f"{checkpoint}: {error}") from error
    return signed


class _NewOrigin:
    """The key and the memory of the signer of the new epoch."""

    def __init__(self, settings: Settings, signed: Signed) -> None:
        self._settings = settings
        self._signed = signed

    def name_in(self, epoch: str) -> str:
        """Make the key, whose name goes into the first entry of the epoch."""
        return key_of_new_origin(self._settings.log_key_file, self._settings.log_origin, self._signed, epoch).name

    def remember(self, ledger: Target, epoch: Epoch) -> None:
        key = log_key_from(self._settings.log_key_file)
        begin_origin(ledger.connection, key, SignerMemory(self._settings.log_memory_file, key.verifier), epoch.after)


def _target(stack: ExitStack, conninfo: str) -> Target:
    return Target(conninfo, stack.enter_context(restoring(conninfo)))


def _matching_kek(settings: Settings, sources: Sources) -> KekRing:
    """The key that wraps the data keys, which opens those of the archive. Raises CliError."""
    kek = stored_kek(settings)
    try:
        require_kek(sources, kek)
    except KeyEncryptionError as error:
        raise CliError(f"{settings.kek_file} is not the key of this backup: {error}; nothing was restored") from error
    return kek


def _verify(conninfo: str, kek: KekRing, settings: Settings, step: _Step, *, despite_findings: bool) -> Extent:
    """Verify everything; each finding is a line. Raises Damaged."""
    counts: Counter[str] = Counter()
    with one_moment(conninfo) as moment, keys_at(moment, kek, settings.keys_conninfo) as stored_keys:
        extent = extent_of(moment)
        advance = step("verifying", extent.positions + extent.events * 2)
        for finding in verify(moment, stored_keys, counts=counts, advance=advance):
            typer.echo(f"{finding.place}: {finding.check}: {finding.detail}")
    if counts and not despite_findings:
        raise Damaged(
            f"{counts.total():,} findings in what was restored; it is not served. Take another backup, or restore "
            "this one once more --despite-findings"
        )
    return extent


def _summary(sources: Sources, extent: Extent, epoch: Epoch, seconds: float) -> Iterator[str]:
    customers, events, positions = extent
    yield f"restored {customers:,} customers, {events:,} events, {positions:,} positions in {seconds:,.1f} s: verified"
    yield f"ledger as of {sources.ledger.manifest.made_at}, keys as of {sources.keys.manifest.made_at}"
    yield f"the log goes on as epoch {epoch.name} after position {epoch.after:,}"


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what can stop a restore into one line."""
    try:
        yield
    except (ArchiveDamaged, ArchiveUnfinished) as error:
        raise Damaged(str(error)) from error
    except (DatabaseNotEmpty, AnotherRestore) as error:
        raise Conflict(str(error)) from error
    except (ArchiveError, DatabaseFloorError) as error:
        raise CliError(str(error)) from error
    except (LedgerError, ProjectionError) as error:
        raise Damaged(f"{error}; what was restored is not served") from error
    except psycopg.Error as error:
        if is_unavailable(error):
            raise Unavailable("the connection to the database was lost; restore once more") from error
        raise CliError(f"the database refused ({error.sqlstate}): {type(error).__name__}; see its own log") from error
    except OSError as error:
        raise CliError(f"the backup cannot be read: {error.filename}: {error.strerror or error}") from error


@contextmanager
def _progress() -> Iterator[_Step]:
    """A bar per step on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def begin(description: str, total: int) -> _Advance:
            task = progress.add_task(description, total=total)
            return lambda number: progress.advance(task, number)

        yield begin
