"""In which functions Python processes spend their time: samples that py-spy takes from outside, counted by where.

py-spy is no dependency: who has it on the PATH, and may look into other processes, gets these tables as well.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PER_SECOND: Final = "200"
_LONGEST_SECONDS: Final = "3600"
_PATIENCE_SECONDS: Final = 30.0
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::\d+)?\)")


class Samples:
    """How often each stack was met, from the outermost frame to the innermost."""

    def __init__(self, folded: Iterable[str]) -> None:
        """`folded` are lines of py-spy's raw format: frames with semicolons between them, a blank, a number."""
        self.stacks: Counter[tuple[str, ...]] = Counter()
        for line in folded:
            stack, _, count = line.rpartition(" ")
            if stack:
                self.stacks[tuple(stack.split(";"))] += int(count)

    def by_package(self) -> dict[str, float]:
        """Which share of the time was spent in functions of each package, those excluded that they called."""
        return self._shares((_package(stack[-1]), count) for stack, count in self.stacks.items())

    def by_function(self) -> dict[str, float]:
        return self._shares((_function(stack[-1]), count) for stack, count in self.stacks.items())

    def _shares(self, counted: Iterable[tuple[str, int]]) -> dict[str, float]:
        found: Counter[str] = Counter()
        for name, count in counted:
            found[name] += count
        return {name: count / self.stacks.total() for name, count in found.most_common()}


@contextmanager
def sampled(process_ids: Mapping[str, int]) -> Iterator[dict[str, Samples]]:
    """Look into these processes meanwhile; what was seen of each stands in what is lent once the block is left."""
    found: dict[str, Samples] = {}
    spy = shutil.which("py-spy")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        paths = {name: Path(folder) / str(process_id) for name, process_id in process_ids.items()}
        spies = [] if spy is None else [_spy(spy, process_ids[name], path) for name, path in paths.items()]
        try:
            yield found
        finally:
            for each in spies:
                each.send_signal(signal.SIGINT)  # it writes down what it has
            for each in spies:
                with suppress(subprocess.TimeoutExpired):
                    each.wait(_PATIENCE_SECONDS)
        found |= {name: Samples(path.read_text().splitlines()) for name, path in paths.items() if path.exists()}


def _spy(spy: str, process_id: int, path: Path) -> subprocess.Popen[bytes]:
    command = [spy, "record", "--pid", str(process_id), "--format", "raw", "--output", str(path), "--full-filenames"]
    command += ["--rate", _PER_SECOND, "--duration", _LONGEST_SECONDS, "--nonblocking"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _package(frame: str) -> str:
    file = _file(frame)
    head, _, tail = file.rpartition("/site-packages/")
    if head:
        return tail.partition("/")[0].removesuffix(".py")
    ours = Path(__file__).parents[1]
    if file.startswith(f"{ours}/"):
        return "/".join(file.removeprefix(f"{ours}/").split("/")[:2])
    return "Python's own library" if file.endswith(".py") else "other"


def _function(frame: str) -> str:
    found = _FRAME.fullmatch(frame)
    name = found["function"] if found else frame
    return f"{_package(frame)}: {name}"


def _file(frame: str) -> str:
    found = _FRAME.fullmatch(frame)
    return found["file"] if found else ""
