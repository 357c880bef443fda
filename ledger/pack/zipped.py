"""A pack in the making: files into a zip archive, each noted in the manifest that is written last.

What must stay true: memory does not grow with the number of files, which is why the archive's directory and the
manifest wait on disk (the standard library's writer holds a kilobyte for each file). The same files give the same
bytes: no clock and no chance goes in.

    per file:  local header | content               in the directory, at the end, the same header again, and its place
    at last:   directory | zip64 end | locator | end of directory (APPNOTE.TXT 4.3)
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Final, NamedTuple, Self
from uuid import UUID

from ledger.pack.verify import FORMAT, MANIFEST

_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_PLACE: Final = struct.Struct("<HHQ")
_END_64: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END: Final = struct.Struct("<4sHHHHLLH")

_STORED: Final = 0
_DEFLATED: Final = 8
_RAW: Final = -15
"""Deflated without a header of its own."""
_VERSION: Final = 45
"""The first one that knows zip64."""
_MADE_ON_UNIX: Final = 3 << 8
_READABLE: Final = 0o100644 << 16
_BEGINNING: Final = (0, 1 << 5 | 1)
"""Midnight of 1 January 1980, the earliest that there is; says nothing."""
_ELSEWHERE_16: Final = 0xFFFF
_ELSEWHERE_32: Final = 0xFFFFFFFF
"""In place of a number that stands in a field of zip64, as all places here do."""
_RANDOM: Final = (".ct", ".key")
"""Files of these names do not get shorter."""
_IN_MEMORY_BYTES: Final = 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024


class _Packed(NamedTuple):
    """What a header says of a content."""

    method: int
    crc: int
    packed_size: int
    size: int


class ZippedPack:
    """Writes to `file`, from its beginning. Use it as a context, and `finish` inside."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._directory = _on_disk()
        self._digests = _on_disk()
        self._offset = 0
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.close()
        self._digests.close()

    def add(self, name: str, content: bytes) -> None:
        """Add a file; each name once."""
        separator = ",\n" if self._count else ""
        self._digests.write(f'{separator}  {json.dumps(name)}: "{hashlib.sha256(content).hexdigest()}"'.encode())
        method = _STORED if name.endswith(_RANDOM) else _DEFLATED
        packed = content if method == _STORED else zlib.compress(content, wbits=_RAW)
        self._begin(name, _Packed(method, zlib.crc32(content), len(packed), len(content)))
        self._write(packed)

    def finish(self, customer_id: UUID, events: int) -> None:
        """Add the manifest and close the archive."""
        crc = size = 0
        for chunk in self._manifest(customer_id, events):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        self._begin(MANIFEST, _Packed(_STORED, crc, size, size))
        for chunk in self._manifest(customer_id, events):
            self._write(chunk)
        self._end()

    def _manifest(self, customer_id: UUID, events: int) -> Iterator[bytes]:
        """The manifest as `json.dumps(…, indent=1)` would write it."""
        stated = {"format": FORMAT, "customer": str(customer_id), "events": events, "files": {}}
        yield json.dumps(stated, indent=1).removesuffix("}\n}").encode() + b"\n"
        yield from _chunks(self._digests)
        yield b"\n }\n}\n"

    def _begin(self, name: str, packed: _Packed) -> None:
        """Write the header of a file whose content follows, and keep the directory's."""
        encoded = name.encode("ascii")
        sizes = (packed.method, *_BEGINNING, packed.crc, packed.packed_size, packed.size, len(encoded))
        place = _PLACE.pack(1, 8, self._offset)
        self._directory.write(
            _CENTRAL.pack(
                *(b"PK\1\2", _MADE_ON_UNIX | _VERSION, _VERSION, 0, *sizes),
                *(len(place), 0, 0, 0, _READABLE, _ELSEWHERE_32),
            )
            + encoded
            + place
        )
        self._count += 1
        self._write(_LOCAL.pack(b"PK\3\4", _VERSION, 0, *sizes, 0) + encoded)

    def _end(self) -> None:
        begin = self._offset
        for chunk in _chunks(self._directory):
            self._write(chunk)
        size, end = self._offset - begin, self._offset
        version, counts = (_MADE_ON_UNIX | _VERSION, _VERSION), (self._count, self._count)
        self._write(_END_64.pack(b"PK\6\6", _END_64.size - 12, *version, 0, 0, *counts, size, begin))
        self._write(_LOCATOR.pack(b"PK\6\7", 0, end, 1))
        elsewhere = (_ELSEWHERE_16,) * 2 + (_ELSEWHERE_32,) * 2
        self._write(_END.pack(b"PK\5\6", 0, 0, *elsewhere, 0))

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._offset += len(content)


def _on_disk() -> IO[bytes]:
    return SpooledTemporaryFile(_IN_MEMORY_BYTES)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
