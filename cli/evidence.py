"""`dossier evidence`: a pack about one customer for somebody who does not trust us, made by the service, checked here.

What must stay true: what stands under the name that was asked for is whole; it is readable by its owner alone, because
it may hold keys and texts; and a pack that does not hold is said not to.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
import typer

from cli.client import Service, ServiceClient, find_service
from cli.errors import CliError, Damaged, Unavailable, UsageError
from cli.options import DataOption, load_settings
from ledger.pack import verify

_PATH: Final = "/v1/evidence"
_ZIP: Final = "application/zip"
_OWNER_ONLY: Final = 0o600


def evidence(
    *,
    customer: Annotated[UUID, typer.Option(help="Whose file it is about.")],
    to: Annotated[Path, typer.Option(help="FILE.zip, or a folder that is new or empty.")],
    from_checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that the auditor kept: prove that the log only grew since.")
    ] = None,
    disclose: Annotated[
        str, typer.Option(help="What is readable: all, none, or VERSION[.PART],... such as 1,3.0.")
    ] = "none",
    data: DataOption = None,
) -> None:
    """Get an evidence pack: what the log has of one customer, with proofs and the program that checks them."""
    body = {"customer_id": str(customer), "disclose": _disclosed(disclose)}
    if from_checkpoint is not None:
        body["from_checkpoint"] = _note(from_checkpoint)
    service = find_service(load_settings(data=data))
    with _told_plainly(to), _target(to) as archive:
        asyncio.run(_download(service, body, archive))
        audit = _audit(archive)
    typer.echo(_summary(audit, to))
    if audit.findings.exit_code:
        raise Damaged(f"the pack does not hold: see what {to} says of itself, and docs/operating.md, Verifying")


def _disclosed(text: str) -> str | list[str]:
    return text if text in {"all", "none"} else [part.strip() for part in text.split(",")]


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--from-checkpoint: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--from-checkpoint: {path} is no checkpoint") from error


async def _download(service: Service, body: dict[str, Any], archive: Path) -> None:
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        async with ServiceClient(*service) as client:
            async for chunk in client.download(_PATH, orjson.dumps(body), _ZIP):
                await asyncio.to_thread(file.write, chunk)


def _audit(archive: Path) -> verify.Audit:
    with ExitStack() as stack:
        try:
            audit = verify.Audit(verify.opened(archive, stack))
        except verify.NoPack as error:
            raise Unavailable("what the service answered is no evidence pack") from error
        audit.run()
    return audit


@contextmanager
def _target(to: Path) -> Iterator[Path]:
    """Where the archive goes; it becomes what was asked for when the context ends well."""
    is_archive = to.suffix == ".zip"
    if not is_archive and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"--to: {to} is there already and no empty folder")
    part, folder = to.with_name(f"{to.name}.part"), to.with_name(f"{to.name}.folder.part")
    try:
        yield part
        if is_archive:
            part.replace(to)
            return
        folder.mkdir(mode=0o700)
        with zipfile.ZipFile(part) as archive:
            archive.extractall(folder)
        folder.replace(to)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_plainly(to: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CliError(f"{to} cannot be written: {error.strerror or error}") from error


def _summary(audit: verify.Audit, to: Path) -> str:
    parts = ", ".join(f"{audit.stream.parts[kind]} {kind}" for kind in ("disclosed", "withheld", "erased"))
    size = audit.log.checkpoint.size if audit.log.checkpoint else 0
    return f"{to}: {audit.stream.events:,} events in a log of {size:,} entries; parts: {parts}"
