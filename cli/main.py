"""The `dossier` command: its verbs, and the one place where an error becomes a line and an exit code.

A verb's module is imported when the verb is wanted: the service starts without what only clients need.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cli.errors import CliError

VERBS: Final = {
    "serve": "cli.serve",
    "show": "cli.read",
    "history": "cli.read",
    "blame": "cli.read",
    "diff": "cli.read",
    "audit": "cli.audit",
    "portfolio": "cli.portfolio",
    "portfolio-diff": "cli.portfolio_diff",
    "evidence": "cli.evidence",
    "import-changes": "cli.import_changes",
    "staff": "cli.staff",
    "token": "cli.operate",
    "migrate": "cli.operate",
    "verify": "cli.verify",
    "rebuild": "cli.rebuild",
    "backup": "cli.backup",
    "restore": "cli.restore",
    "export": "cli.export",
    "approvals": "cli.approvals",
    "policy": "cli.policy",
    "erasures": "cli.erasures",
    "holds": "cli.holds",
    "keys": "cli.keys",
    "log": "cli.log",
    "db": "cli.operate",
}
"""Each verb and its module, which has a function, or a group of verbs, of that name."""


class _Verbs(TyperGroup):
    def list_commands(self, _context: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: Any, name: str) -> Any:
        if name not in VERBS:
            return None
        verb = getattr(import_module(VERBS[name]), name.replace("-", "_"))
        if isinstance(verb, typer.Typer):
            return get_command(verb)
        alone = typer.Typer(add_completion=False)
        alone.command(name)(verb)
        return get_command(alone)


app = typer.Typer(
    name="dossier",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _group() -> None:
    """One file per customer: every change an event, every past moment readable."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, as said in the terminal unless `arguments` are given, and end the process."""
    try:
        app(args=arguments)
    except CliError as error:
        typer.echo(f"dossier: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough.
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
