"""Evidence packs made by hand from the formats, genuine ones and such as no honest service would make.

Written beside the service's own builder and not with it: what the verifier accepts here, it accepts because of the
formats, and what an attacker could forge can be forged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson

from ledger import cipher, merkle
from ledger.checkpoint import Checkpoint
from ledger.notes import SigningKey, base64, new_note
from ledger.pack import verify

CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
CONTACT = UUID("01900000-0000-7000-8000-000000000002")
OTHER_CUSTOMER = UUID("01900000-0000-7000-8000-000000000003")
RECORDS = UUID(verify.RECORDS_SUBJECT)
KEY = SigningKey("log.example/dossier", b"k" * 32)
FOREIGN_KEY = SigningKey("log.example/other", b"f" * 32)

Files = dict[str, bytes]
PACK = Path(verify.__file__).parent


@dataclass(frozen=True)
class Event:
    """An entry with its encrypted parts, the key of each, and what each says."""

    entry: bytes
    ciphertexts: list[bytes]
    keys: list[bytes]
    plaintexts: list[bytes]

    @property
    def members(self) -> dict[str, Any]:
        members: dict[str, Any] = orjson.loads(self.entry)
        return members


def event(
    version: int,
    contents: Mapping[UUID, Any],
    stream: UUID = CUSTOMER,
    kind: str = "customer.told",
    *,
    names_itself: bool = False,
    **members: Any,
) -> Event:
    """An event whose parts say `contents`, by subject; `members` of the entry beside those that every entry has.

    One that `names_itself` says of the customer's own part as well whose it is, as all once did.
    """
    keys, salts = [os.urandom(32) for _ in contents], [os.urandom(cipher.SALT_BYTES) for _ in contents]
    plaintexts = [orjson.dumps(content) for content in contents.values()]
    sealed = [
        cipher.seal(key, salt, plaintext, cipher.place_of(stream, version, number))
        for number, (key, salt, plaintext) in enumerate(zip(keys, salts, plaintexts, strict=True))
    ]
    parts = [
        {
            **({"subject": str(subject)} if subject != stream or names_itself else {}),
            "salt": base64(salt),
            "key": base64(each.key_commitment),
            "ct": base64(each.ciphertext_hash),
        }
        for subject, salt, each in zip(contents, salts, sealed, strict=True)
    ]
    entry = {
        "actor": "u-118",
        "event_id": str(uuid5(stream, str(version))),
        "parts": parts,
        "recorded_at": f"2026-03-0{version}T08:30:00.000000Z",
        "schema": 1,
        "stream": str(stream),
        "type": kind,
        "version": version,
        **members,
    }
    event_keys = [cipher.event_key(key, salt) for key, salt in zip(keys, salts, strict=True)]
    return Event(_json(entry), [each.ciphertext for each in sealed], event_keys, plaintexts)


def erasing(version: int, subject: UUID, stream: UUID = CUSTOMER) -> Event:
    """An event because of which the subject's parts are gone."""
    content = {RECORDS: {"envelope": {}, "payload": {"subject": str(subject)}}}
    return event(version, content, stream, "customer.personal-data-erased", erases=str(subject))


@dataclass
class Log:
    """Entries in their order, and who signs for them."""

    entries: list[bytes]
    key: SigningKey = KEY

    @cached_property
    def _leaves(self) -> list[bytes]:
        return [merkle.leaf_hash(entry) for entry in self.entries]

    def note(self, size: int | None = None, *, origin: str | None = None, key: SigningKey | None = None) -> bytes:
        size = len(self.entries) if size is None else size
        checkpoint = Checkpoint(origin or self.key.name, size, merkle.root(size, self._get))
        return bytes(new_note(checkpoint.text, key or self.key))

    def inclusion(self, index: int) -> bytes:
        hashes = merkle.inclusion_proof(index, len(self.entries), self._get)
        return _proof(["c2sp.org/tlog-proof@v1", f"index {index}"], hashes) + self.note()

    def consistency(self, old: int) -> bytes:
        return _proof([f"old {old}"], merkle.consistency_proof(old, len(self.entries), self._get)) + self.note()

    def _get(self, subtrees: Sequence[merkle.Subtree]) -> list[bytes]:
        hashes = []
        for height, index in subtrees:
            tree = merkle.Frontier()
            tree.extend(self._leaves[index << height : (index + 1) << height])
            hashes.append(tree.root)
        return hashes


@dataclass
class Forge:
    """A customer's events among others of a log, and the pack about them."""

    events: list[Event]
    before: int = 3
    between: int = 2
    key: SigningKey = KEY

    @cached_property
    def places(self) -> dict[int, Event]:
        """The events by their index in the log."""
        return {self.before + number * (1 + self.between): each for number, each in enumerate(self.events)}

    @cached_property
    def log(self) -> Log:
        entries = [b"before %d" % number for number in range(self.before)]
        for each in self.events:
            entries += [each.entry, *(b"between %d" % number for number in range(self.between))]
        return Log(entries, self.key)

    def files(
        self, *, earlier: int | None = None, disclosed: Iterable[int] = (), erased: Mapping[str, Event] | None = None
    ) -> Files:
        """The pack: `disclosed` by version, `erased` by INDEX.PART the event because of which a part is not there."""
        log = self.log
        files: Files = {
            "README.md": b"# Evidence\n",
            "verify.py": Path(verify.__file__).read_bytes(),
            "policy": f"log {self.key.verifier}\nquorum none\n".encode(),
            "checkpoint": log.note(),
        }
        if earlier is not None:
            files |= {"earlier/checkpoint": log.note(earlier), "earlier/consistency": log.consistency(earlier)}
        for index, each in self.places.items():
            files |= {f"entries/{index}.json": each.entry, f"entries/{index}.tlog-proof": log.inclusion(index)}
            for number, ciphertext in enumerate(each.ciphertexts):
                stem = f"{index}.{number}"
                if stem in (erased or {}):
                    files[f"payload/{stem}.erased"] = _statement((erased or {})[stem])
                    continue
                files[f"payload/{stem}.ct"] = ciphertext
                if each.members["version"] in disclosed:
                    files[f"disclosure/{stem}.key"] = f"{base64(each.keys[number])}\n".encode()
                    files[f"disclosure/{stem}.json"] = each.plaintexts[number]
        return with_manifest(files, len([each for each in self.events if each.members["stream"] == str(CUSTOMER)]))


def with_manifest(files: Mapping[str, bytes], events: int, customer: UUID = CUSTOMER) -> Files:
    """The files with a manifest that fits them, as anybody can make one."""
    others = {name: content for name, content in files.items() if name != verify.MANIFEST}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}
    stated = {"format": verify.FORMAT, "customer": str(customer), "events": events, "files": digests}
    return {**others, verify.MANIFEST: json.dumps(stated, indent=1).encode() + b"\n"}


def resealed(files: Mapping[str, bytes]) -> Files:
    """The same after an attack, with the manifest made to fit again."""
    return with_manifest(files, json.loads(files[verify.MANIFEST])["events"])


@dataclass(frozen=True)
class Held:
    """A pack in memory, as the verifier reads it."""

    files: Mapping[str, bytes]
    strange: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise verify.Fault(verify.Verdict.MISSING, "is not there")
        return self.files[name]


def audited(
    files: Mapping[str, bytes], *, keys: Sequence[str] = (), kept: bytes | None = None, published: Path | None = None
) -> verify.Audit:
    """What the verifier finds in a pack."""
    audit = verify.Audit(Held(files), [verify.log_key(key) for key in keys], kept, published)
    audit.run()
    return audit


def _statement(by: Event) -> bytes:
    return json.dumps({"by": by.members["event_id"]}).encode() + b"\n"


def _proof(head: Sequence[str], hashes: Iterable[bytes]) -> bytes:
    return "".join(f"{line}\n" for line in (*head, *map(base64, hashes), "")).encode()


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
