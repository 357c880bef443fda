"""Why the log is not signed any more, in a file beside the signer's memory, for the other processes of this machine.

What must stay true: it is there for as long as the signer refuses, through restarts, and whoever can change everything
in the database cannot take it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import structlog

from ledger.files import make_folder, write_whole

_LOG: Final = structlog.get_logger("ledger.signer")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The kind of refusal, the first place of the log that is known to be wrong, and since when."""

    reason: str
    index: int | None
    since: datetime


class RefusalFile:
    """Beside the memory at `memory`."""

    def __init__(self, memory: Path) -> None:
        self._path = memory.with_name(f"{memory.name}.refused")

    def read(self) -> Refusal | None:
        """What is refused at the moment; a file that cannot be read is a refusal too."""
        try:
            content = orjson.loads(self._path.read_bytes())
            return Refusal(content["reason"], content["index"], datetime.fromisoformat(content["since"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return Refusal("Unknown", None, datetime.now(UTC))

    def tell(self, reason: str, index: int | None = None) -> None:
        """Say what is refused; one that goes on keeps its beginning. What is in the way of that is logged."""
        before = self.read()
        goes_on = before is not None and (before.reason, before.index) == (reason, index)
        since = before.since if before is not None and goes_on else datetime.now(UTC)
        try:
            make_folder(self._path.parent)
            write_whole(self._path, orjson.dumps({"reason": reason, "index": index, "since": since}))
        except OSError as error:
            _LOG.warning("the refusal could not be written down", error=str(error))

    def remove(self) -> None:
        """Say that the log is signed again. Raises OSError."""
        self._path.unlink(missing_ok=True)
