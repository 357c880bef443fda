"""A pack in the making: files into a zip archive, each noted in the manifest that is written last.

What must stay true: a file's content is held while it is written and no longer; of each file there remain its name
and its digest. The same files give the same bytes: no clock and no chance goes in.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from types import TracebackType
from typing import IO, Final, Self
from uuid import UUID

from ledger.pack.verify import FORMAT, MANIFEST

_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can carry; says nothing."""
_READABLE: Final = 0o100644 << 16
_RANDOM: Final = (".ct", ".key")
"""Files of these names do not get shorter."""


class ZippedPack:
    """Writes to `file`, which need not be seekable. Use it as a context, and `finish` inside."""

    def __init__(self, file: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(file, "w")
        self._digests: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._archive.close()

    def add(self, name: str, content: bytes) -> None:
        """Add a file; each name once."""
        self._digests[name] = hashlib.sha256(content).hexdigest()
        self._write(name, content)

    def finish(self, customer_id: UUID, events: int) -> None:
        """Add the manifest, after which nothing may follow."""
        stated = {"format": FORMAT, "customer": str(customer_id), "events": events, "files": self._digests}
        self._write(MANIFEST, json.dumps(stated, indent=1).encode() + b"\n")

    def _write(self, name: str, content: bytes) -> None:
        member = zipfile.ZipInfo(name, _BEGINNING)
        member.external_attr = _READABLE
        member.compress_type = zipfile.ZIP_STORED if name.endswith(_RANDOM) else zipfile.ZIP_DEFLATED
        self._archive.writestr(member, content)
