"""Which verbs ask the service, and get its refusals, and which need the machine: none works around the access table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import typer
from typer.core import TyperGroup

from cli.main import VERBS, app
from tests.cli.changes import as_file, line
from tests.cli.service import Dossier, RunningService

_CUSTOMER = str(uuid4())

ASK_THE_SERVICE: dict[str, tuple[list[str], str]] = {
    "show": ([_CUSTOMER], "customer:view"),
    "history": ([_CUSTOMER], "customer:history"),
    "blame": ([_CUSTOMER], "customer:history"),
    "diff": ([_CUSTOMER, "--from", "1", "--to", "2"], "customer:history"),
    "audit": ([], "audit:view"),
    "portfolio": ([], "portfolio:view"),
    "portfolio-diff": (["--from", "1", "--to", "2"], "portfolio:view"),
    "evidence": (["--customer", _CUSTOMER, "--to", "pack.zip"], "evidence:export"),
    "import-changes": (["log.ndjson"], "customer:enter"),
    "staff list": ([], "staff:view"),
    "staff show": (["u-9"], "staff:view"),
    "approvals": ([], "proposal:view"),
    "policy show": ([], "policy:view"),
    "policy revisions": ([], "policy:view"),
    "erasures request": ([_CUSTOMER, _CUSTOMER, "--basis", "PIPL_47", "--reason", "x"], "customer:view"),
    "erasures approve": ([_CUSTOMER, "x"], "customer:history"),
    "erasures reject": ([_CUSTOMER, "x"], "customer:history"),
    "erasures withdraw": ([_CUSTOMER, "x"], "customer:history"),
    "holds place": ([_CUSTOMER, "x", "--reason", "x"], "customer:view"),
    "holds lift": ([_CUSTOMER, "x", "--reason", "x"], "customer:history"),
    "erasures list": ([_CUSTOMER], "customer:history"),
    "erasures show": ([_CUSTOMER, "x"], "customer:history"),
    "erasures certificate": ([_CUSTOMER, "x"], "customer:history"),
}
"""What somebody without roles tries, and the permission that the refusal names."""

NEED_THE_MACHINE = {
    "serve": "starts the service",
    "token": "signs with the key of the data folder",
    "migrate": "changes the schema as the database's owner",
    "verify": "reads what is stored, and its keys",
    "rebuild": "replaces read models in the database",
    "backup": "copies the database and its keys",
    "restore": "makes a database of a copy",
    "export facts": "reads what is stored, and its keys",
    "erasures scrub": "rewrites the files of the database",
    "keys list": "reads the store of keys",
    "keys rotate": "rewraps the store of keys",
    "log key": "reads the key of the data folder",
    "log checkpoint": "reads the database",
    "log publish": "reads the database",
    "log remember": "writes the signer's memory",
    "db url": "tells how to connect as the owner",
    "db psql": "connects as the owner",
}
"""Files, keys and logins that the machine guards, not a token: whoever has them is past any role."""


def _verbs() -> Iterator[tuple[str, str]]:
    """Every verb, and the module that it is told of in."""
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    with typer.Context(commands) as context:
        for name, module in VERBS.items():
            command = commands.get_command(context, name)
            if isinstance(command, TyperGroup):
                yield from ((f"{name} {below}", _home(command.commands[below], module)) for below in command.commands)
            else:
                yield name, module


def _home(command: Any, module: str) -> str:
    """The module of a verb of a group, which may have been put there by another."""
    return getattr(command.callback, "__wrapped__", command.callback).__module__ or module


def test_every_verb_asks_the_service_or_needs_the_machine() -> None:
    asking = {verb for verb, module in _verbs() if _asks(module)}
    assert asking == ASK_THE_SERVICE.keys()
    assert {verb for verb, _ in _verbs()} == ASK_THE_SERVICE.keys() | NEED_THE_MACHINE.keys()


def _asks(module: str) -> bool:
    """Whether a module imports the client of the service, itself or what it imports for its work."""
    path = Path(str(import_module(module).__file__))
    imported = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    return "cli.client" in imported or "cli.importing.sender" in imported


@pytest.fixture
def without_roles(
    service: RunningService, dossier: Dossier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Dossier]:
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))
    monkeypatch.setenv("DOSSIER_TOKEN", dossier("token", "--actor", "u-9").out.strip())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.ndjson").write_bytes(as_file([line(1)]))
    yield dossier
    assert list(tmp_path.glob("pack*")) == []


@pytest.mark.parametrize("verb", ASK_THE_SERVICE)
def test_a_verb_that_asks_gets_the_refusal_of_the_service(without_roles: Dossier, verb: str) -> None:
    arguments, permission = ASK_THE_SERVICE[verb]
    outcome = without_roles(*verb.split(), *arguments)
    assert (outcome.exit_code, outcome.out) == (3, "")
    assert f"needs the permission {permission}," in outcome.err


def test_a_role_or_scope_that_there_is_not_is_told_before_it_grants_nothing(
    dossier: Dossier, service: RunningService
) -> None:
    outcome = dossier("token", "--actor", "u-9", "--role", "admin", "--data", service.data)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "there is no role admin; the roles are viewer, editor," in outcome.err
    outcome = dossier("token", "--actor", "u-9", "--scope", "customer:wiew", "--data", service.data)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "there is no scope customer:wiew; the scopes are customer:view," in outcome.err


def test_a_token_keeps_of_its_roles_what_its_scope_names(
    dossier: Dossier, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))
    monkeypatch.setenv(
        "DOSSIER_TOKEN", dossier("token", "--actor", "u-9", "--role", "auditor", "--scope", "audit:view").out.strip()
    )
    assert dossier("audit", "--limit", 1).exit_code == 0
    assert dossier("portfolio").exit_code == 3
