"""Options that several verbs share, and how what was said becomes settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.errors import UsageError
from settings import Settings

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder; default: DOSSIER_DATA, else ./data.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's own JSON.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url", help="A PostgreSQL server of your own; default: DATABASE_URL, else the embedded one."
    ),
]


def load_settings(**said: Any) -> Settings:
    """Return the settings: what was said on the command line, else the environment. Raises UsageError."""
    try:
        return Settings(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def print_json(content: Any) -> None:
    """Print JSON for programs: UTF-8, one document, no colours."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
