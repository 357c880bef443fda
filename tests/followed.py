"""Pages of docs/ that are followed: their commands are run one after the other in one shell, and give what is compared.

A page's examples stand in blocks marked `console`; a line that begins with `$ ` is a command, what follows its output.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.cli.service import RunningService
from tests.test_readme import Example, environment

DOCS: Final = Path(__file__).parents[1] / "docs"
_BLOCK: Final = re.compile(r"(?<=```console\n)(?:.*\n)*?(?=```)")
_EXAMPLE: Final = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_MARK: Final = "--- printed so far ---"


def examples_of(page: Path) -> Iterator[Example]:
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for example in _EXAMPLE.finditer(block):
            yield Example(example["command"], example["output"])


def printed_by(page: Path, folder: Path) -> list[str]:
    """What each command of the page prints, with a service of its own and `folder` to work in."""
    work = folder / "work"
    work.mkdir()
    # Without the read ledger: how many events it adds, and so every later position, nobody can foretell.
    with RunningService.start(folder / "data", "--no-sample", DOSSIER_READ_LEDGER="false") as running:
        return run(running, [example.command for example in examples_of(page)], work)


def run(running: RunningService, commands: Sequence[str], work: Path) -> list[str]:
    """What they print, one after the other, in one shell."""
    script = "".join(f"{command}\necho '{_MARK}'\n" for command in commands)
    done = subprocess.run(
        ["bash"],
        input=script,
        env=environment(running),
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *outputs, rest = done.stdout.split(f"{_MARK}\n")
    assert (len(outputs), rest) == (len(commands), "")
    return outputs


def print_followed(page: Path) -> None:
    """Print the page with today's output."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(printed_by(page, Path(folder)))

    def told(example: re.Match[str]) -> str:
        lines = [line.rstrip() for line in next(outputs).rstrip().splitlines()]
        return "\n".join([f"$ {example['command']}", *lines, ""])

    def followed(block: re.Match[str]) -> str:
        return _EXAMPLE.sub(told, block[0])

    sys.stdout.write(_BLOCK.sub(followed, page.read_text(encoding="utf-8")))
