"""The README's tour, followed: every command is run against the sample, and its printed output compared.

Output is compared as a reader would: days, times, ids, positions and the width of tables may differ. Run this module
(`python -m tests.test_readme`) to print the tour with today's output.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.service import RunningService

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", re.DOTALL)
_VARIES = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"…[0-9a-f]{6}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<day>"),
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
    (re.compile(r"^\d+ +<day>", re.MULTILINE), "<position> <day>"),
    (re.compile(r"position \d+"), "position <n>"),
    (re.compile(r"[\d.]+ s, [\d,]+ changes/s"), "<speed>"),
    (re.compile(r" in [\d.]+ s"), " in <seconds>"),
    (re.compile(r"— (\S+) [0-9A-Za-z+/=]{90,}"), r"— \1 <signature>"),
    (re.compile(r"[0-9A-Za-z+/]{43}="), "<hash>"),
    (re.compile(r"dossier\.local/[0-9a-f]+(\+[0-9a-f]{8}\+[0-9A-Za-z+/=]+)?"), "<log>"),
    (re.compile(r"\S+/pack:"), "pack:"),
    (re.compile(r"[─\s]+"), " "),
)


class Example(NamedTuple):
    command: str
    output: str


def examples() -> Iterator[Example]:
    for block in _BLOCK.finditer(README.read_text(encoding="utf-8")):
        yield Example(block["command"], block["output"])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    # What is read is recorded too, and moves the positions of all that comes later, by how many nobody can foretell.
    with RunningService.start(tmp_path_factory.mktemp("tour"), DOSSIER_READ_LEDGER="false") as running:
        yield running


def test_the_tour_has_examples() -> None:
    assert len(list(examples())) > 5


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.command[:60])
def test_the_tour_prints_what_the_readme_shows(sample: RunningService, example: Example) -> None:
    assert comparable(run(sample, example.command)) == comparable(example.output)


def environment(running: RunningService) -> dict[str, str]:
    """Of a shell in which the commands of our documents are followed."""
    folder = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "DOSSIER_DATA": str(running.data),
        "DOSSIER_URL": running.url,
        "DOSSIER_TOKEN": running.token,
        "COLUMNS": "110",
    }


def run(sample: RunningService, command: str) -> str:
    done = subprocess.run(  # noqa: S602 - the README's own commands
        command, shell=True, cwd=README.parent, env=environment(sample), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def comparable(output: str) -> str:
    for pattern, name in _VARIES:
        output = pattern.sub(name, output)
    return output.strip()


def _print_tour() -> None:
    import tempfile  # noqa: PLC0415 - only here

    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService.start(Path(folder) / "data", DOSSIER_READ_LEDGER="false") as running,
    ):

        def told(block: re.Match[str]) -> str:
            output = "\n".join(line.rstrip() for line in run(running, block["command"]).rstrip().splitlines())
            return f"```console\n$ {block['command']}\n{output}\n```"

        sys.stdout.write(_BLOCK.sub(told, README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    _print_tour()
