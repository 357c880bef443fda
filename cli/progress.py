"""The bar that a verification moves on as it passes what there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def progress(total: int, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; what moves it on."""
    console = Console(stderr=True)
    columns = (TextColumn("verifying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    hidden = hidden or not console.is_terminal
    # Findings are printed above the bar on a terminal, and go where they are sent when they are not.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=console, disable=hidden, transient=True, redirect_stdout=redirect) as bar:
        task = bar.add_task("", total=total)
        yield lambda number: bar.advance(task, number)
