"""The file of the key that signs the log: one line, the text of a note's signing key, whose name is the log's origin.

What must stay true: nobody but the owner can read the file, it appears whole or not at all, and one that is there is
never replaced. Whoever has it can sign another history; whoever loses it goes on under another origin.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

from ledger.files import make_folder, sync_folder
from ledger.log_errors import LogKeyExposed, LogKeyMissing, LogKeyOfAnotherLog, LogKeyUnusable, MalformedKey
from ledger.notes import SigningKey


def log_key_from(path: Path, origin: str | None = None) -> SigningKey:
    """Read the key, of the log `origin` if that is given. Raises LogKeyUnusable."""
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise LogKeyExposed(f"{path} is open to others on this machine; run: chmod 600 {path}")
            key = SigningKey.from_text(file.read().removesuffix("\n"))
    except FileNotFoundError as error:
        raise LogKeyMissing(f"there is no file {path} with the key that signs the log") from error
    except (UnicodeDecodeError, MalformedKey) as error:
        raise LogKeyUnusable(f"{path} holds no key that signs a log: {error}") from error
    if origin is not None and key.name != origin:
        raise LogKeyOfAnotherLog(origin, key.name)
    return key


def log_key_at(path: Path, origin: str | None = None) -> SigningKey:
    """Read the key; where there is no file, make one first, for `origin` or a name that no other log has.

    Raises LogKeyUnusable.
    """
    if not path.exists():
        _make(path, SigningKey.generate(origin or f"dossier.local/{secrets.token_hex(4)}"))
    return log_key_from(path, origin)


def _make(path: Path, key: SigningKey) -> None:
    make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{key.secret_text()}\n")
            file.flush()
            os.fsync(file.fileno())
        # If we die before this, there is no key. Of two processes here at once the first one's key stands.
        os.link(name, path)
        sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)  # noqa: PTH108 - as mkstemp gave it
