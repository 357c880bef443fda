"""`python -m bench`: run the yardsticks, print one table, keep the results.

Exit codes: 0 every goal met, 1 a goal missed, 2 a yardstick could not be measured (the others were) or a usage error,
130 given up by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import signal
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import report
from bench.load import LoadFailed
from bench.machine import describe
from bench.report import Measured
from bench.surroundings import SIZES, Surroundings
from bench.yardstick import Unsuitable, Yardstick
from bench.yardsticks import EVERY
from db.errors import DatabaseFloorError, EmbeddedPostgresError

_CACHE = Path(__file__).parent / ".cache"
_SMOKE_SECONDS = 0.3
_GIVEN_UP = 130


def main(
    only: Annotated[str, typer.Option(help="Ids of the yardsticks to run, such as B1,B3; default: all.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each comparison.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one side of one round is measured.")] = 3.0,
    size: Annotated[str, typer.Option(help="How much is stored: " + ", ".join(SIZES))] = "default",
    cache: Annotated[
        Path, typer.Option(help="The folder of the database server and of what is stored in it.")
    ] = _CACHE,
    *,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything briefly, keep and judge nothing.")] = False,
) -> None:
    """Measure the yardsticks of docs/performance.md."""
    yardsticks = _chosen(only)
    if size not in SIZES:
        raise typer.BadParameter(f"there is {', '.join(SIZES)}", param_hint="--size")
    for ending in (signal.SIGTERM, signal.SIGINT):  # whoever ends us, however we were started, nothing is left behind
        signal.signal(ending, signal.default_int_handler)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            surroundings = Surroundings(
                Path(folder),
                cache,
                rounds=1 if smoke else rounds,
                seconds=_SMOKE_SECONDS if smoke else seconds,
                size=SIZES["smoke" if smoke else size],
                is_smoke=smoke,
            )
            with surroundings.stack:
                measured = [_measure(yardstick, surroundings) for yardstick in yardsticks]
                machine = describe(_conninfo(surroundings))
    except KeyboardInterrupt:
        typer.echo("given up; nothing is kept", err=True)
        raise typer.Exit(_GIVEN_UP) from None
    typer.echo(f"{report.table(measured)}\n\n{report.notes(measured)}")
    minutes = {"all": time.monotonic() - started, "of_which_fixtures": surroundings.fixture_seconds}
    settings = {"rounds": rounds, "seconds": seconds, "size": size}
    if not smoke:
        _keep(measured, machine, settings | {"minutes": {name: round(took / 60, 1) for name, took in minutes.items()}})
    raise typer.Exit(_exit_code(measured, is_smoke=smoke))


def _chosen(only: str) -> Sequence[Yardstick]:
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    known = {yardstick.id.upper(): yardstick for yardstick in EVERY}
    if unknown := [name for name in wanted if name not in known]:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(known)}", param_hint="--only")
    return [known[name] for name in wanted] or EVERY


def _measure(yardstick: Yardstick, surroundings: Surroundings) -> Measured:
    """One yardstick, whatever becomes of it: the others are measured all the same."""
    surroundings.say(f"{yardstick.id}  {yardstick.title}")
    try:
        return Measured(yardstick, yardstick.measure(surroundings))
    except (Unsuitable, LoadFailed, DatabaseFloorError) as error:
        failure = str(error)
    except Exception as error:  # noqa: BLE001 - reported with its traceback; the exit code tells
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
    surroundings.say(f"{yardstick.id}  could not be measured: {failure}")
    return Measured(yardstick, None, failure)


def _conninfo(surroundings: Surroundings) -> str | None:
    """The server's; None when there is none."""
    try:
        return surroundings.conninfo
    except EmbeddedPostgresError:
        return None


def _keep(measured: Sequence[Measured], machine: dict[str, Any], settings: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    path = report.keep(measured, machine, settings, now)
    typer.echo(f"\nkept in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    if len(measured) == len(EVERY):
        report.mirror(measured, machine, now)


def _exit_code(measured: Sequence[Measured], *, is_smoke: bool) -> int:
    findings = [each.findings for each in measured]
    if any(found is None for found in findings):
        return 2
    if is_smoke:
        return 0
    return int(not all(comparison.is_met for found in findings if found for comparison in found.comparisons))


if __name__ == "__main__":
    typer.run(main)
