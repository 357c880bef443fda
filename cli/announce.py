"""What happens once the service answers: the sample goes into an empty database, clients are told where, people how.

Runs in a thread of its own beside the supervisor. Nothing here can stop the service: what fails is said in one line.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

import typer

from cli.client import ServiceClient
from cli.errors import CliError, Unavailable
from cli.sample.seed import FIRST_CUSTOMER, tell_sample
from cli.service_files import ServiceFiles
from cli.supervisor import StopRequest
from cli.tokens import Claims, sign_token
from settings import Settings

_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0
_DEVELOPER = Claims("u-1", ("editor", "approver", "importer", "auditor", "administrator"), "Local developer")


def announce(settings: Settings, url: str, request: StopRequest) -> None:
    """Wait until the service is ready, then make it known. Returns early when it is to stop."""
    try:
        asyncio.run(_announce(settings, url, request))
    except* (CliError, OSError) as errors:
        if not request.is_made:
            typer.echo(f"dossier: {_innermost(errors)}", err=True)


async def _announce(settings: Settings, url: str, request: StopRequest) -> None:
    token = sign_token(settings, _DEVELOPER) if settings.development else None
    async with ServiceClient(url, token or "") as client:
        await _wait_ready(client, request)
        if request.is_made:
            return
        # Whose tokens another issuer signs, we have none to tell the sample with.
        if token and settings.sample and not (await client.get("/v1/customers", {"limit": "1"})).json()["items"]:
            typer.echo("an empty database: telling the histories of the sample customers ...")
            await tell_sample(settings, url)
    ServiceFiles(settings.data).write(url, token)
    typer.echo(_banner(settings, url, token))
    sys.stdout.flush()


async def _wait_ready(client: ServiceClient, request: StopRequest) -> None:
    loop = asyncio.get_running_loop()
    complain_at = loop.time() + _PATIENCE_SECONDS
    while not request.is_made:
        try:
            answer = await client.get("/readyz")
            if answer.is_success:
                return
            obstacle = str(answer.problem())
        except Unavailable as error:
            obstacle = str(error)
        if loop.time() > complain_at:
            typer.echo(f"dossier: still not ready: {obstacle}", err=True)
            complain_at = loop.time() + _PATIENCE_SECONDS
        await asyncio.sleep(_POLL_SECONDS)


def _banner(settings: Settings, url: str, token: str | None) -> str:
    if token is None:
        return f"\nDossier serves at {url} (Ctrl-C ends it)\n"
    command = shlex.quote(_shortest(Path(sys.argv[0])))
    where = "" if settings.data == Path("data").absolute() else f" --data {shlex.quote(_shortest(settings.data))}"
    token_file = shlex.quote(_shortest(settings.data / "token"))
    first, second = f"show {FIRST_CUSTOMER}", f"blame {FIRST_CUSTOMER} --path /tier"
    if not settings.sample:
        first, second = "import-changes --help", "token --actor u-118 --role importer"
    # What is no terminal is a log, which more people read than may act as anybody.
    shown_token = token if sys.stdout.isatty() else f"in the file {token_file}"
    return f"""
Dossier serves at {url} (Ctrl-C ends it)

token   {shown_token}

try     {command} {first}{where}
        {command} {second}{where}
        curl -H "Authorization: Bearer $(cat {token_file})" {url}/v1/customers
"""


def _shortest(path: Path) -> str:
    """Return a path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
