"""A key management service for tests: a process of its own that alone knows its keys, and our client of it.

It shares no code with FileKek: it wraps by AES key wrap (RFC 3394) under a key per subject and version, and it is
rotated over there, where we only learn of it by the name of what wraps. Run as `python -m tests.ledger.key_service`.
"""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import keywrap

from ledger.errors import KekUnknown, KekUnreachable, WrappedKeyDamaged
from ledger.kek import Wrapped


class KeyServiceKek:
    """The client: a KeyEncryptionKey whose keys are elsewhere."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        return str(self._ask("current")["kek"])

    def wrap(self, subject: UUID, data_key: bytes) -> Wrapped:
        answer = self._ask("wrap", subject=str(subject), data_key=data_key.hex())
        return Wrapped(answer["kek"], bytes.fromhex(answer["wrapped"]))

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        answer = self._ask("unwrap", subject=str(subject), kek=kek, wrapped=wrapped.hex())
        match answer.get("error"):
            case "unknown":
                raise KekUnknown(kek, "the service's own")
            case "damaged":
                raise WrappedKeyDamaged(subject)
            case _:
                return bytes.fromhex(answer["data_key"])

    def rotate_over_there(self) -> str:
        return str(self._ask("rotate")["kek"])

    def _ask(self, what: str, **members: str) -> dict[str, Any]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            try:
                stdin.write(json.dumps({"ask": what, **members}) + "\n")
                stdin.flush()
                line = stdout.readline()
            except (OSError, ValueError) as error:
                raise KekUnreachable("the key management service is gone") from error
        if not line:
            raise KekUnreachable("the key management service is gone")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def key_service() -> Iterator[KeyServiceKek]:
    """Lend a client of a running service, and end the service."""
    command = [sys.executable, "-m", "tests.ledger.key_service"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield KeyServiceKek(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def _serve() -> None:
    versions = [os.urandom(32)]
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "rotate":
            versions.append(os.urandom(32))
        sys.stdout.write(json.dumps({"kek": _name(len(versions) - 1), **_answer(asked, versions)}) + "\n")
        sys.stdout.flush()


def _answer(asked: dict[str, str], versions: list[bytes]) -> dict[str, str]:
    match asked["ask"]:
        case "wrap":
            key = _key_for(versions[-1], asked["subject"])
            return {"wrapped": keywrap.aes_key_wrap(key, bytes.fromhex(asked["data_key"])).hex()}
        case "unwrap":
            known = {_name(number): version for number, version in enumerate(versions)}
            if asked["kek"] not in known:
                return {"error": "unknown"}
            key = _key_for(known[asked["kek"]], asked["subject"])
            try:
                return {"data_key": keywrap.aes_key_unwrap(key, bytes.fromhex(asked["wrapped"])).hex()}
            except (keywrap.InvalidUnwrap, ValueError):
                return {"error": "damaged"}
        case _:
            return {}


def _name(number: int) -> str:
    return f"service:key/customers/versions/{number + 1}"


def _key_for(version: bytes, subject: str) -> bytes:
    return hmac.digest(version, subject.encode(), "sha256")


if __name__ == "__main__":
    _serve()
