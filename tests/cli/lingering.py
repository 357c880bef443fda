"""A program for tests: asked to end, it says so in a file and ends once as many others have said so, too.

LINGERING_FILE, LINGERING_NAME, LINGERING_OTHERS
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    say("started")
    signal.sigwait([signal.SIGTERM])
    say("told")
    while said().count("told") < int(os.environ["LINGERING_OTHERS"]):
        time.sleep(0.01)
    say("ended")


def say(word: str) -> None:
    with Path(os.environ["LINGERING_FILE"]).open("a", encoding="utf-8") as file:
        file.write(f"{os.environ['LINGERING_NAME']} {word}\n")


def said() -> list[str]:
    return [line.split()[1] for line in Path(os.environ["LINGERING_FILE"]).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
