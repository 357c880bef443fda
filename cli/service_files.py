"""What a running service leaves in its data folder, so that clients on the same machine find it.

    service.json    its address and process id
    token           a development token, if the service believes such

What must stay true: both are readable by their owner only, appear whole or not at all, and are gone after an orderly
stop. Written when the service answers, so that whoever reads them can use them at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_OWNER_ONLY = 0o600


class ServiceFiles:
    """The files of one data folder."""

    def __init__(self, data: Path) -> None:
        self._service = data / "service.json"
        self._token = data / "token"

    def write(self, url: str, token: str | None) -> None:
        """Leave address and token, as the service that this process runs."""
        if token is None:
            self._token.unlink(missing_ok=True)  # of an earlier service, in development
        else:
            write_private(self._token, f"{token}\n".encode())
        write_private(self._service, json.dumps({"url": url, "pid": os.getpid()}).encode())

    def remove(self) -> None:
        """Take them away, if it was this process that left them."""
        if self._read().get("pid") == os.getpid():
            self._service.unlink(missing_ok=True)
            self._token.unlink(missing_ok=True)

    def read_url(self) -> str | None:
        """Return the service's address, or None when none was left."""
        url = self._read().get("url")
        return url if isinstance(url, str) else None

    def read_token(self) -> str | None:
        """Return the development token, or None when there is none that we may read."""
        try:
            return self._token.read_text(encoding="ascii", errors="replace").strip() or None
        except OSError:
            return None

    def _read(self) -> dict[str, object]:
        try:
            content = json.loads(self._service.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whoever looks sees the old one or the new one, never a part."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
