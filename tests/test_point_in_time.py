"""docs/point-in-time.md, followed: its commands are run one after the other in one shell, and what they print compared.

As in the README's tour, days, times, ids and positions may differ. Run this module to print the page with today's
output (`python -m tests.test_point_in_time`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.cli.service import RunningService
from tests.test_readme import Example, comparable, environment

PAGE: Final = Path(__file__).parents[1] / "docs" / "point-in-time.md"
_BLOCK: Final = re.compile(r"(?<=```console\n)(?:.*\n)*?(?=```)")
_EXAMPLE: Final = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_MARK: Final = "--- printed so far ---"


def examples() -> Iterator[Example]:
    for block in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for example in _EXAMPLE.finditer(block):
            yield Example(example["command"], example["output"])


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each command of the page prints."""
    with RunningService.start(tmp_path_factory.mktemp("page") / "data", "--no-sample") as running:
        return run(running, [example.command for example in examples()])


@pytest.mark.parametrize(("number", "example"), list(enumerate(examples())), ids=lambda each: str(each)[:40])
def test_the_page_shows_what_is_printed(printed: Sequence[str], number: int, example: Example) -> None:
    assert comparable(printed[number]) == comparable(example.output)


def test_the_page_answers_what_the_five_events_say(printed: Sequence[str]) -> None:
    """The codes themselves, whatever the page claims."""
    assert re.findall(r'"code":"(\w+)"', "".join(printed)) == (
        ["POTENTIAL", "CHURN_RISK", "CHURN_RISK", "POTENTIAL", "HIGH_VALUE", "HIGH_VALUE"]
    )


def run(running: RunningService, commands: Sequence[str]) -> list[str]:
    """What they print, one after the other, in one shell."""
    script = "".join(f"{command}\necho '{_MARK}'\n" for command in commands)
    done = subprocess.run(
        ["bash"], input=script, env=environment(running), capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, done.stderr) == (0, "")
    *outputs, rest = done.stdout.split(f"{_MARK}\n")
    assert (len(outputs), rest) == (len(commands), "")
    return outputs


def _print_page() -> None:
    import tempfile  # noqa: PLC0415 - only here

    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService.start(Path(folder) / "data", "--no-sample") as running,
    ):
        outputs = iter(run(running, [example.command for example in examples()]))

    def told(example: re.Match[str]) -> str:
        lines = [line.rstrip() for line in next(outputs).rstrip().splitlines()]
        return "\n".join([f"$ {example['command']}", *lines, ""])

    def followed(block: re.Match[str]) -> str:
        return _EXAMPLE.sub(told, block[0])

    sys.stdout.write(_BLOCK.sub(followed, PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    _print_page()
