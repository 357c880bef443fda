"""`dossier keys`: which keys wrap the data keys, and a new one in their place while the service is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import psycopg
import typer

from cli.errors import CliError, Conflict, Unavailable, UsageError
from cli.operate import database
from cli.options import DatabaseOption, DataOption, JsonOption, load_settings, print_json
from cli.stored import require_database, stored_kek
from db.errors import MalformedConninfo
from ledger import rotation as rotations
from ledger.errors import AnotherRotation, KeyEncryptionError
from ledger.ring import KekRing
from ledger.rotation import Kek, Rotation
from settings import Settings

keys = typer.Typer(name="keys", help="The keys that wrap the data keys.", no_args_is_help=True, add_completion=False)


@keys.command("list")
def list_(*, as_json: JsonOption = False, data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """List the key encryption keys: their epochs, states, and how many data keys each of them wraps."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    ring = stored_kek(settings)
    with key_store(settings) as conninfo, psycopg.connect(conninfo) as connection:
        known = rotations.listed(connection)
    listed = [*(Kek(kek, None, None, None, 0) for kek in ring.ids if kek not in {each.id for each in known}), *known]
    if as_json:
        print_json([_document(kek, ring) for kek in listed])
        return
    for kek in listed:
        typer.echo(_line(kek, ring))


@keys.command()
def rotate(
    *,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only make the next key, so that it can be given to other hosts.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Only destroy former keys that wrap nothing any more.")
    ] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Wrap all data keys by a new key, while the service is at work; or finish a rotation that was cut off."""
    if prepare and retire:
        raise UsageError("--prepare and --retire are two different steps")
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    ring = stored_kek(settings)
    step = _prepare if prepare else _retire if retire else _rotate
    with key_store(settings) as conninfo, rotations.rotating(conninfo) as rotation:
        try:
            step(rotation, ring, settings)
        except OSError as error:
            raise CliError(
                f"the key file {settings.kek_file} cannot be written: {error.strerror or error}; "
                "run it again where it can, it goes on where it was"
            ) from error


@contextmanager
def key_store(settings: Settings) -> Iterator[str]:
    """Yield how to connect to the database of the data keys. Turns what can go wrong there into one line."""
    with ExitStack() as stack:
        conninfo = settings.keys_conninfo or stack.enter_context(database(settings))
        with _told_plainly():
            yield conninfo


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except AnotherRotation as error:
        raise Conflict(str(error)) from error
    except KeyEncryptionError as error:
        raise CliError(str(error)) from error
    except MalformedConninfo:
        raise UsageError("the address of the keys' database is malformed") from None
    except psycopg.errors.LockNotAvailable as error:
        raise Unavailable("somebody holds the data keys for long; run it again, it goes on where it was") from error
    except psycopg.ProgrammingError as error:
        raise CliError(f"the schema is not this program's ({error.sqlstate}); try `dossier migrate`") from error
    except psycopg.OperationalError as error:
        raise Unavailable("the keys' database does not answer; run it again, it goes on where it was") from error


def _prepare(rotation: Rotation, ring: KekRing, settings: Settings) -> None:
    kek = rotations.prepare(rotation, ring)
    typer.echo(f"{kek} stands ready in {settings.kek_file}; give the file to every host, then `dossier keys rotate`")


def _rotate(rotation: Rotation, ring: KekRing, _settings: Settings) -> None:
    begun = time.monotonic()
    kek, wrapped = rotations.rotate(rotation, ring)
    typer.echo(f"{kek} wraps from now on; {wrapped:,} data keys wrapped anew in {time.monotonic() - begun:,.1f} s")
    if former := [each.id for each in rotation.keks() if each.state == "former"]:
        typer.echo(
            f"{', '.join(former)} can go with `dossier keys rotate --retire`; copies of the key store from before then "
            "cannot be opened any more"
        )


def _retire(rotation: Rotation, ring: KekRing, _settings: Settings) -> None:
    gone = rotations.retire(rotation, ring)
    typer.echo("\n".join(f"{kek} is destroyed" for kek in gone) or "no former key is left that wraps nothing")


def _line(kek: Kek, ring: KekRing) -> str:
    epoch = "no epoch" if kek.epoch is None else f"epoch {kek.epoch}"
    since = "" if kek.since is None else f" since {kek.since.isoformat(timespec='seconds')}"
    at_hand = "at hand" if kek.id in ring.ids else "not at hand"
    return f"{kek.id}: {epoch}, {_state(kek, ring)}{since}, wraps {kek.wraps:,} data keys, {at_hand}"


def _state(kek: Kek, ring: KekRing) -> str:
    """Of one that no rotation has met yet: the first at hand wraps, one that wraps something did, others are to."""
    if kek.state is not None:
        return kek.state
    return "current" if kek.id == ring.id else "former" if kek.wraps else "next"


def _document(kek: Kek, ring: KekRing) -> dict[str, object]:
    return {
        "id": kek.id,
        "epoch": kek.epoch,
        "state": _state(kek, ring),
        "since": None if kek.since is None else kek.since.isoformat(),
        "wraps": kek.wraps,
        "at_hand": kek.id in ring.ids,
    }
