"""`dossier serve`: the parent of everything. Owns the database server, the listening socket and the child processes.

    database  ->  schema  ->  socket  ->  workers (answer requests), follower (seals, projects)  ->  announcement

Ends in the reverse order: the socket closes, the workers drain together, the follower finishes its batch, the database
stops last.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from cli.capacity import embedded_settings, require_connections
from cli.database_wait import await_database
from cli.errors import CliError
from cli.key_store import ensure_keys, migrate_all
from cli.operate import told_plainly
from cli.options import DatabaseOption, DataOption, load_settings
from cli.service_files import ServiceFiles
from cli.supervisor import Program, StopRequest, Supervisor
from cli.tokens import ensure_signing_key
from db.embedded import EmbeddedPostgres
from db.errors import AlreadyOwned
from ledger.log_errors import LogKeyUnusable, MalformedKey
from ledger.log_key import log_key_at
from settings import Settings

_BACKLOG = 2048
_WARNING = (
    "dossier: DEVELOPMENT MODE: whoever can read this data folder can sign a token for anybody, with any role. "
    "Never with real customers: name your issuer of tokens instead (docs/identity.md)"
)


def serve(
    *,
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: 8000; 0 takes a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many API processes share the port; default: 1.")
    ] = None,
    database_url: DatabaseOption = None,
    no_sample: Annotated[bool, typer.Option("--no-sample", help="Leave an empty database empty.")] = False,
    development: Annotated[
        bool, typer.Option("--development", help="Believe the tokens of `dossier token`: anybody here can be anybody.")
    ] = False,
) -> None:
    """Run the service: the database, the API, and the read models that follow the log."""
    said = {"data": data, "host": host, "port": port, "workers": workers, "database_url": database_url}
    settings = load_settings(**said, sample=False if no_sample else None, development=development or None)
    run_service(settings.model_copy(update={"data": settings.data.absolute()}))


def run_service(settings: Settings) -> None:
    """Serve until a signal asks to stop. Raises a CliError that says in one line what is in the way."""
    _require_issuer(settings)
    request = StopRequest()
    request.listen()
    with ExitStack() as stack:
        # First of all: a taken port is told at once, and before anything is touched.
        listener = stack.enter_context(_bound_socket(settings.host, settings.port))
        _prepare_folder(settings)
        conninfo = stack.enter_context(_owned_database(settings))
        with told_plainly(settings):
            if not await_database(conninfo, settings.database_wait_seconds, request):
                return
            require_connections(conninfo, settings.workers)
            if settings.keys_conninfo and not await_database(
                settings.keys_conninfo, settings.database_wait_seconds, request
            ):
                return
            migrate_all(conninfo, settings)
            ensure_keys(conninfo, settings)
        _listen(listener)
        if settings.development:
            typer.echo(_WARNING, err=True)
        stack.callback(ServiceFiles(settings.data).remove)
        supervisor = Supervisor(_programs(settings, conninfo, listener))
        stack.callback(supervisor.end, request)
        # Before the workers end: whoever connects from then on is refused, instead of waiting for nobody.
        stack.callback(listener.close)
        announcing = (settings, _address(listener), request)
        threading.Thread(target=_announce, args=announcing, name="announce", daemon=True).start()
        supervisor.run(request)


def _require_issuer(settings: Settings) -> None:
    """It must be settled whose tokens are believed. Raises CliError."""
    if settings.issuer_obstacle is not None:
        raise CliError(settings.issuer_obstacle)
    if settings.jwks_file is not None and not os.access(settings.jwks_file, os.R_OK):
        raise CliError(f"the issuer's keys {settings.jwks_file} cannot be read")


def _announce(settings: Settings, url: str, request: StopRequest) -> None:
    # Imported here, while the worker imports its own: a client's modules would hold up the start by half a second.
    from cli.announce import announce  # noqa: PLC0415

    announce(settings, url, request)


def _programs(settings: Settings, conninfo: str, listener: socket.socket) -> list[list[Program]]:
    environment = {
        "DATABASE_URL": conninfo,
        "DOSSIER_DATA": str(settings.data),
        "DOSSIER_JWT_KEY_FILE": str(settings.jwt_key_file),
        "DOSSIER_KEK_FILE": str(settings.kek_file),
        "DOSSIER_LOG_KEY_FILE": str(settings.log_key_file),
        "DOSSIER_LOG_MEMORY_FILE": str(settings.log_memory_file),
        "DOSSIER_DEVELOPMENT": str(settings.development).lower(),
        "DOSSIER_JWT_ISSUER": settings.jwt_issuer,
        "DOSSIER_JWT_AUDIENCE": settings.jwt_audience,
    }
    if settings.keys_conninfo is not None:
        environment["KEYS_DATABASE_URL"] = settings.keys_conninfo
    number = listener.fileno()
    for_workers = {**environment, "DOSSIER_LISTENER": str(number), "DOSSIER_WORKERS": str(settings.workers)}
    workers = [
        Program(f"API worker {place}", "cli.worker", {**for_workers, "DOSSIER_PLACE": str(place)}, [number])
        for place in range(1, settings.workers + 1)
    ]
    return [workers, [Program("follower", "cli.follow", environment)]]


@contextmanager
def _owned_database(settings: Settings) -> Iterator[str]:
    """Yield how to connect, with the embedded server running for as long as the context lasts."""
    if settings.conninfo is not None:
        yield settings.conninfo
        return
    server = EmbeddedPostgres(settings.data, settings=embedded_settings(settings.workers))
    with told_plainly(settings):
        try:
            server.start()
        except AlreadyOwned as error:
            url = ServiceFiles(settings.data).read_url()
            raise CliError(f"{error}" + (f", which serves at {url}" if url else "")) from error
    try:
        yield server.conninfo()
    finally:
        server.stop()


def _prepare_folder(settings: Settings) -> None:
    """Make the data folder and the signing keys, of tokens and of the log, unless they are there. Raises CliError."""
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.development:
            ensure_signing_key(settings.jwt_key_file)
        log_key_at(settings.log_key_file, settings.log_origin)
    except (LogKeyUnusable, MalformedKey) as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"the data folder {settings.data} cannot be used: {error.strerror}") from error


@contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that has its address but takes no connections yet. Raises CliError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CliError(f"{host!r} is no address to listen on: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise _unusable_address(error, host, port) from error
        yield listener


def _listen(listener: socket.socket) -> None:
    """Take connections; they wait until a worker answers. Raises CliError when another was faster to the port."""
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _unusable_address(error, *listener.getsockname()[:2]) from error


def _unusable_address(error: OSError, host: str, port: int) -> CliError:
    if error.errno == errno.EADDRINUSE:
        return CliError(f"port {port} of {host} is taken; choose another with --port (make run PORT=...)")
    return CliError(f"port {port} of {host} cannot be used: {error.strerror}")


def _address(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here  # nosec B104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
