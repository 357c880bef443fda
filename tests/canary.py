"""Finds a text in the files of a folder, compressed or not, wherever it stands.

What must stay true: it finds too much rather than too little. PostgreSQL compresses long values by replacing what
repeats and puts a byte between every eight others; pages begin in the midst of records. So any seven bytes of the text
that stand together count, and the text is a random one of which seven bytes never come about by chance. Of eight bytes
between two others' seven begin at an even place, so every other seven are looked for.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from pathlib import Path

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32
_WINDOW = 7


def new_canary() -> str:
    """A text that stands nowhere else. In it nothing repeats that compression could replace."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def files_with(folder: Path, *canaries: str | bytes) -> list[str]:
    """The files below a folder, by their paths in it, in which any of the texts stands or a part of it."""
    searched: dict[bytes, bool] = {}  # a new server's databases are copies of each other

    def has(path: Path) -> bool:
        content = _content(path)
        if content not in searched:
            searched[content] = has_canary(content, *canaries)
        return searched[content]

    return sorted(str(path.relative_to(folder)) for path in _files(folder) if has(path))


def has_canary(content: bytes, *canaries: str | bytes) -> bool:
    """Whether any of the texts stands in some bytes, or a part of it."""
    return any(window in content for canary in canaries for window in _windows(canary))


def _windows(canary: str | bytes) -> Iterator[bytes]:
    content = canary.encode("ascii") if isinstance(canary, str) else canary
    for start in range(0, len(content) - _WINDOW + 1, 2):
        yield content[start : start + _WINDOW]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def _content(path: Path) -> bytes:
    """All of a file but most of the zeros at its end, of which PostgreSQL makes the room for what it will log."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # a server at work removed it just now
        return b""
    return content[: len(content.rstrip(b"\0")) + _WINDOW]
