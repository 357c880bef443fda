"""A program for tests: owns the embedded server of a folder until its input ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.embedded import EmbeddedPostgres

PROJECT = Path(__file__).parent.parent.parent


@contextmanager
def owner(data_dir: Path, *wrapper: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program, perhaps wrapped into another; its first line of output is the server's process id."""
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    command = [*wrapper, sys.executable, "-m", "tests.db.owner", str(data_dir)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(60)


def main() -> None:
    with EmbeddedPostgres(Path(sys.argv[1]), fsync=False) as server:
        print(server.process_id, flush=True)  # noqa: T201 - read by the test
        sys.stdin.read()


if __name__ == "__main__":
    main()
