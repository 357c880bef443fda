"""Checks an evidence pack without trusting whoever made it. Needs Python 3.11 and `cryptography`, nothing else.

    python3 verify.py PACK [--key VKEY] [--checkpoint FILE] [--log FOLDER] [--json]

PACK is the folder or the .zip file; without it, the folder in which this file stands. VKEY is the log's verifier key
as you know it from elsewhere; without it the key in the pack is believed, and the report says so. FILE is a checkpoint
of the same log that you kept from an earlier day. FOLDER is a published copy of the log: with it, it is also proved
that the pack leaves out no event of the customer.

Exit code: 0 everything holds (what was erased is told), 1 something was tampered with, 2 there is no pack to read,
3 a key or a signature is not the right one, 4 something is missing, 5 something does not belong there; of several the
first of 1, 3, 4, 5.

It is one file on purpose, so that you can read it, and written from the formats alone: RFC 9162 (the tree), C2SP
signed-note, tlog-checkpoint, tlog-proof, tlog-policy, tlog-tiles (the published log) and, for `earlier/consistency`,
the request of tlog-witness.
What must stay true: it imports nothing of the service, opens no connection, writes no file, believes nothing in the
pack that is not proved, and ends in a named finding whatever the pack holds.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import struct
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = "dossier evidence pack, version 1"
MANIFEST: Final = "manifest.json"
RECORDS_SUBJECT: Final = str(uuid5(NAMESPACE_URL, "urn:dossier:subject:records"))
"""Whose parts say that something was erased, and why; they are never erased themselves."""

_ALWAYS: Final = frozenset(["README.md", "checkpoint", "policy", "verify.py"])
_EARLIER: Final = "earlier/checkpoint"
_CONSISTENCY: Final = "earlier/consistency"
_KEPT: Final = "the checkpoint that you kept"
_PUBLISHED: Final = "the published log"
_NUMBER: Final = r"0|[1-9][0-9]{0,17}"
_OF_ENTRY: Final = re.compile(rf"(?:entries|payload|disclosure)/({_NUMBER})\.", re.ASCII)
_SCHEMA: Final = re.compile(r"schemas/[a-z0-9.-]{1,100}\.v[1-9][0-9]{0,8}\.json")
_HASH_BYTES: Final = 32
_KEY_BYTES: Final = 32
_ED25519: Final = 1
_TILE_WIDTH: Final = 256
_MOST_HASHES: Final = 63
_MOST_SIGNATURES: Final = 100
_LARGEST_FILE: Final = 64 * 1024 * 1024
_LARGEST_MANIFEST: Final = 1024 * 1024 * 1024
_MOST_TOLD: Final = 20
_WIDEST: Final = 500


class Verdict(Enum):
    """What a finding means, and the exit code that it leads to. The gravest stands first."""

    TAMPERED = "tampered", 1
    WRONG_KEY = "wrong key", 3
    MISSING = "missing", 4
    UNEXPECTED = "unexpected", 5
    ERASED = "erased", 0

    @property
    def exit_code(self) -> int:
        return self.value[1]

    def __str__(self) -> str:
        return self.value[0]


class Finding(NamedTuple):
    """What is the matter with which file of the pack."""

    verdict: Verdict
    place: str
    detail: str


class Fault(Exception):
    """What is wrong with the content at hand; who called knows the place."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.detail = detail


class NoPack(Exception):
    """What was named is no pack, or an argument makes no sense."""


def _altered(detail: str) -> Fault:
    return Fault(Verdict.TAMPERED, detail)


# --- The pack as files ------------------------------------------------------------------------------------------------


class Pack(Protocol):
    """Files by name, with `/` between folders."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def strange(self) -> Mapping[str, str]:
        """What is there and is no file that could be read, with the reason."""

    def read(self, name: str) -> bytes:
        """The content. Raises Fault."""


class Folder:
    """A pack as a folder. Links are not followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.strange: dict[str, str] = {}
        self.names = frozenset(self._files())

    def _files(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._path, onerror=self._unreadable):
            for full in (Path(folder, name) for name in (*files, *folders)):
                try:
                    mode = full.lstat().st_mode
                except OSError as error:
                    self._unreadable(error)
                    continue
                if stat.S_ISREG(mode):
                    yield self._name_of(full)
                elif not stat.S_ISDIR(mode):
                    self.strange[self._name_of(full)] = "is no ordinary file"

    def _unreadable(self, error: OSError) -> None:
        self.strange[self._name_of(Path(os.fsdecode(error.filename)))] = f"cannot be read: {error.strerror}"

    def _name_of(self, full: Path) -> str:
        return full.relative_to(self._path).as_posix()

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise Fault(Verdict.MISSING, "is not there")
        try:
            with (self._path / name).open("rb") as file:
                _require_size(name, os.fstat(file.fileno()).st_size)
                return file.read()
        except OSError as error:
            raise Fault(Verdict.MISSING, f"cannot be read: {error.strerror}") from error


class Archive:
    """A pack as a zip file. It is read where it lies; nothing is unpacked."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.strange: dict[str, str] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            if member.filename in self._members:
                self.strange[member.filename] = "stands in the archive twice"
            elif not member.is_dir():
                self._members[member.filename] = member
        self.names = frozenset(self._members)

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise Fault(Verdict.MISSING, "is not there")
        member = self._members[name]
        _require_size(name, member.file_size)
        try:
            return self._archive.read(member)
        except Exception as error:  # of damaged archives the library raises a dozen kinds
            raise _altered(f"cannot be taken out of the archive ({type(error).__name__})") from error


def opened(path: Path, stack: ExitStack) -> Pack:
    """The pack at a path, open until the stack is left. Raises NoPack."""
    if path.is_dir():
        return Folder(path)
    try:
        return Archive(stack.enter_context(zipfile.ZipFile(path)))
    except OSError as error:
        raise NoPack(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise NoPack(f"{path} is neither a folder nor a zip file that can be read") from error


def _require_size(name: str, size: int) -> None:
    if size > (_LARGEST_MANIFEST if name == MANIFEST else _LARGEST_FILE):
        raise _altered("is larger than any such file")


# --- Formats ----------------------------------------------------------------------------------------------------------


def from_base64(text: str, length: int | None = None) -> bytes:
    """Decode base64 in its one canonical form. Raises Fault."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _altered("holds something that is not base64") from error
    if base64.b64encode(decoded).decode("ascii") != text or (length is not None and len(decoded) != length):
        raise _altered("holds base64 of another length or form than is due there")
    return decoded


def from_json(content: bytes) -> Any:
    """Decode JSON in which no name stands twice. Raises Fault."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=members)
    except (ValueError, RecursionError) as error:
        raise _altered("is not JSON") from error


class LogKey(NamedTuple):
    """A verifier key of C2SP signed-note, of the type Ed25519."""

    name: str
    id: bytes
    public: Ed25519PublicKey
    text: str


def log_key(text: str) -> LogKey:
    """Read `<name>+<id>+<base64>`. Raises Fault."""
    name, _, rest = text.partition("+")
    stated_id, _, encoded = rest.partition("+")
    decoded = from_base64(encoded, 1 + _KEY_BYTES)
    key_id = hashlib.sha256(name.encode(errors="backslashreplace") + b"\n" + decoded).digest()[:4]
    if not re.fullmatch(r"[^\s+]+", name) or decoded[0] != _ED25519 or key_id.hex() != stated_id:
        raise _altered("is no verifier key for Ed25519")
    return LogKey(name, key_id, Ed25519PublicKey.from_public_bytes(decoded[1:]), text)


def policy_keys(content: bytes) -> list[LogKey]:
    """The logs of a tlog-policy that asks for no witnesses. Raises Fault."""
    keys = []
    quorums = []
    for line in _lines(content):
        match line.split():
            case ["log", key, *rest] if len(rest) <= 1:
                keys.append(log_key(key))
            case ["quorum", name]:
                quorums.append(name)
            case [first, *_] if not first.startswith("#"):
                raise _altered("has a line that this verifier does not know")
    if not keys or quorums != ["none"]:
        raise _altered("is no policy of at least one log and the quorum none")
    return keys


class Checkpoint(NamedTuple):
    """A tlog-checkpoint inside its signed note. Nothing of it counts until `signer_of` has named who signed it."""

    origin: str
    size: int
    root: bytes
    signed: bytes
    signatures: tuple[tuple[str, bytes], ...]


def checkpoint_in(content: bytes) -> Checkpoint:
    """Read a checkpoint. Raises Fault."""
    body, blank, tail = "\n".join(_lines(content)).rpartition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 3 or "" in lines or not re.fullmatch(_NUMBER, lines[1], re.ASCII):  # noqa: PLR2004
        raise _altered("is no checkpoint")
    signatures = tuple(_signature(line) for line in tail.split("\n"))
    if len(signatures) > _MOST_SIGNATURES:
        raise _altered("has more signatures than any checkpoint")
    return Checkpoint(lines[0], int(lines[1]), from_base64(lines[2], _HASH_BYTES), f"{body}\n".encode(), signatures)


def _signature(line: str) -> tuple[str, bytes]:
    match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
    if match is None:
        raise _altered("has a line that should be a signature and is none")
    return match[1], from_base64(match[2])


def signer_of(checkpoint: Checkpoint, keys: Sequence[LogKey]) -> LogKey:
    """Which of the keys signed it; signatures by other keys are passed over. Raises Fault."""
    signer = None
    for name, signature in checkpoint.signatures:
        for key in keys:
            if (name, signature[:4]) == (key.name, key.id):
                _require_signature(key, signature[4:], checkpoint.signed)
                signer = signer or key
    if signer is None:
        names = ", ".join(sorted({name for name, _ in checkpoint.signatures}))
        raise Fault(Verdict.WRONG_KEY, f"is not signed by {' or '.join(key.text for key in keys)}, but by {names}")
    if checkpoint.origin != signer.name:
        raise Fault(Verdict.WRONG_KEY, f"is of the log {checkpoint.origin}, but signed by {signer.name}")
    return signer


def _require_signature(key: LogKey, signature: bytes, signed: bytes) -> None:
    try:
        key.public.verify(signature, signed)
    except InvalidSignature as error:
        raise _altered(f"does not carry a genuine signature of {key.text}") from error


class Proof(NamedTuple):
    """The hashes of a proof, the number that it is about, and the checkpoint that stands below."""

    number: int
    hashes: list[bytes]
    checkpoint: bytes


def inclusion_in(content: bytes) -> Proof:
    """Read a tlog-proof: where an entry stands. Raises Fault."""
    first, _, rest = content.partition(b"\n")
    if first != b"c2sp.org/tlog-proof@v1":
        raise _altered("is no tlog-proof")
    return _proof_in("index", rest)


def consistency_in(content: bytes) -> Proof:
    """Read a consistency proof: from which size on. Raises Fault."""
    return _proof_in("old", content)


def _proof_in(member: str, content: bytes) -> Proof:
    head, blank, checkpoint = content.partition(b"\n\n")
    first, *lines = _lines(head + b"\n")
    numbered = re.fullmatch(rf"{member} ({_NUMBER})", first, re.ASCII)
    if not blank or numbered is None or len(lines) > _MOST_HASHES:
        raise _altered("is no such proof")
    return Proof(int(numbered[1]), [from_base64(line, _HASH_BYTES) for line in lines], checkpoint)


def _lines(content: bytes) -> list[str]:
    """Lines of UTF-8 that each end in a newline, without other control characters. Raises Fault."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _altered("is not UTF-8") from error
    if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
        raise _altered("is no text of whole lines")
    return text[:-1].split("\n")


class Commitment(NamedTuple):
    """What an entry says about one part."""

    subject: str
    key: bytes
    ciphertext: bytes


class Entry(NamedTuple):
    """An entry of the log: what anybody may know about an event."""

    idx: int
    stream: str
    version: int
    event_id: str
    recorded_at: str
    erases: str | None
    """The data subject whose parts are erased because of this event."""
    parts: tuple[Commitment, ...]

    def covers(self, other: Entry, subject: str) -> bool:
        """Whether a part of an earlier event of the stream may be gone because of this one.

        A customer's own erasure takes all of its file along, but for the records of erasures.
        """
        is_whole_file = self.erases == self.stream and subject != RECORDS_SUBJECT
        return other.idx < self.idx and (self.erases == subject or is_whole_file)


def entry_in(index: int, content: bytes) -> Entry:
    """Read an entry. Raises Fault."""
    found = from_json(content)
    try:
        parts = tuple(_commitment(part, found["stream"]) for part in found["parts"])
        stream, event_id, recorded_at = texts = [found[name] for name in ("stream", "event_id", "recorded_at")]
        version, erases = found["version"], found.get("erases")
    except (KeyError, TypeError) as error:
        raise _altered("is no entry of an event") from error
    if not all(isinstance(text, str) for text in (*texts, erases or "")) or not parts or not _is_uuid(stream):
        raise _altered("is no entry of an event")
    if type(version) is not int or not 0 < version < 1 << 63:
        raise _altered("has no version")
    return Entry(index, stream, version, event_id, recorded_at, erases, parts)


def _commitment(member: Any, stream: Any) -> Commitment:
    """A part that names no subject is the customer's own."""
    key, ciphertext = (member[name] for name in ("key", "ct"))
    subject = member.get("subject", stream)
    if not all(isinstance(text, str) for text in (subject, key, ciphertext)):
        raise TypeError
    return Commitment(subject, from_base64(key, _HASH_BYTES), from_base64(ciphertext, _HASH_BYTES))


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


# --- The tree of RFC 9162 ---------------------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf stands at `index` in the tree of that size and root (RFC 9162, 2.1.3.2)."""
    if index >= size:
        return False
    place, last, reached = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = _node_hash(sibling, reached)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            reached = _node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == root


def is_prefix(old_size: int, old_root: bytes, size: int, root: bytes, hashes: Sequence[bytes]) -> bool:
    """Whether the tree of `size` begins with the tree of `old_size` (RFC 9162, 2.1.4.2)."""
    if old_size in (size, 0):
        return not hashes and old_root == (root if old_size else hashlib.sha256().digest())
    if old_size > size or not hashes:
        return False
    path = [old_root, *hashes] if old_size & (old_size - 1) == 0 else list(hashes)
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_reached = reached = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_reached, reached = _node_hash(sibling, old_reached), _node_hash(sibling, reached)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            reached = _node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (old_reached, reached) == (old_root, root)


class Tree:
    """A tree that grows leaf by leaf: the roots of its greatest complete subtrees, the largest first."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self._size = 0

    def append(self, leaf: bytes) -> None:
        rest = self._size
        while rest & 1:
            leaf, rest = _node_hash(self._peaks.pop(), leaf), rest >> 1
        self._peaks.append(leaf)
        self._size += 1

    @property
    def root(self) -> bytes:
        *left, reached = self._peaks or [hashlib.sha256().digest()]
        for peak in reversed(left):
            reached = _node_hash(peak, reached)
        return reached


# --- The published log ------------------------------------------------------------------------------------------------


def published_entries(folder: Path, size: int) -> Iterator[bytes]:
    """The first entries of a published log, in their order. Raises Fault."""
    for begin in range(0, size, _TILE_WIDTH):
        width = min(_TILE_WIDTH, size - begin)
        digits = f"{begin // _TILE_WIDTH:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        *above, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
        name = f"tile/entries/{''.join(f'x{each}/' for each in above)}{last}"
        entries = _bundle(folder, name, width)
        if len(entries) < width:
            raise Fault(Verdict.MISSING, f"has only {begin + len(entries)} entries of {size}")
        yield from entries[:width]


def _bundle(folder: Path, name: str, width: int) -> list[bytes]:
    """The entries of a bundle that is at least so wide: the log may have grown since. Raises Fault."""
    partial = {int(path.name): path for path in (folder / f"{name}.p").glob("*") if path.name.isdecimal()}
    wide_enough = [partial[wide] for wide in sorted(partial) if wide >= width]
    for path in (folder / name, *wide_enough):
        try:
            return list(_split(path.read_bytes(), name))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Fault(Verdict.MISSING, f"cannot be read: {name}: {error.strerror}") from error
    raise Fault(Verdict.MISSING, f"has no {name} of {width} entries")


def _split(bundle: bytes, name: str) -> Iterator[bytes]:
    at = 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if at > len(bundle):
            raise _altered(f"has a damaged {name}")
        yield bundle[start:at]


# --- Encrypted parts --------------------------------------------------------------------------------------------------


def opened_part(key: bytes, commitment: Commitment, ciphertext: bytes, place: bytes) -> bytes:
    """Decrypt with a disclosed key, if it is the one committed to. Raises Fault.

    AES-GCM does not commit to its key: without this check a second key could show another text.
    """
    if hashlib.sha256(b"dossier/v1 key commitment\n" + key).digest() != commitment.key:
        raise Fault(Verdict.WRONG_KEY, "is not the key that the entry commits to")
    try:
        return AESGCM(key).decrypt(bytes(12), ciphertext, place)
    except InvalidTag as error:
        raise _altered("is the key committed to, but the part does not open with it") from error


def place_of(entry: Entry, part: int) -> bytes:
    """What binds a ciphertext to its place."""
    return UUID(entry.stream).bytes + struct.pack(">QH", entry.version, part)


# --- The checks -------------------------------------------------------------------------------------------------------


class Findings:
    """What is the matter, each once: at a place that has a fault already, what follows from it adds nothing."""

    def __init__(self) -> None:
        self.faults: dict[str, Finding] = {}
        self.erased: list[Finding] = []

    def add(self, verdict: Verdict, place: str, detail: str) -> None:
        self.faults.setdefault(place, Finding(verdict, place, detail))

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Take what is raised inside as a finding at this place."""
        try:
            yield
        except Fault as fault:
            self.add(fault.verdict, place, fault.detail)

    @property
    def exit_code(self) -> int:
        met = {finding.verdict for finding in self.faults.values()}
        return next((verdict.exit_code for verdict in Verdict if verdict in met), 0)


@dataclass
class Manifest:
    """What the pack says that it is. It is not signed: it finds accidents, and says what is then to be proved."""

    customer: str | None = None
    events: int | None = None
    files: dict[str, str] | None = None


def manifest_in(content: bytes) -> Manifest:
    """Read a manifest. Raises Fault."""
    found = from_json(content)
    if not isinstance(found, dict) or list(found) != ["format", "customer", "events", "files"]:
        raise _altered("has not the members of a manifest")
    customer, events, files = found["customer"], found["events"], found["files"]
    if found["format"] != FORMAT or not isinstance(customer, str) or not _is_uuid(customer):
        raise _altered(f"is not that of a {FORMAT}")
    if type(events) is not int or not isinstance(files, dict) or not all(map(_is_digest, files.values())):
        raise _altered("has a member of another kind than is due there")
    if json.dumps(found, indent=1).encode() + b"\n" != content:
        raise _altered("is not written as manifests are")
    return Manifest(customer, events, files)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


@dataclass
class Log:
    """The log as the checkpoint of the pack shows it, and which of its claims were proved."""

    checkpoint: Checkpoint | None = None
    content: bytes = b""
    signer: LogKey | None = None
    earlier: Checkpoint | None = None
    """An older state of the log that was proved to be a beginning of it."""
    was_searched: bool = False
    """Whether the whole log was looked through for events that the pack leaves out."""


@dataclass
class Stream:
    """What the pack shows of the customer's events."""

    customer: str | None
    events: int = 0
    last: Entry | None = None
    first: Entry | None = None
    parts: Counter[str] = field(default_factory=Counter)
    """How many parts are disclosed, withheld, erased."""


class Audit:
    """All checks of one pack.

    `keys` are those that the auditor knows, `kept` the checkpoint that the auditor kept, `published` a copy of the log.
    """

    def __init__(
        self, pack: Pack, keys: Sequence[LogKey] = (), kept: bytes | None = None, published: Path | None = None
    ) -> None:
        self.findings = Findings()
        self.log = Log()
        self.known = keys
        self._pack = pack
        self._keys = keys
        self._kept = kept
        self._published = published
        self._manifest = Manifest()
        self._accounted = {MANIFEST, *_ALWAYS}
        self._erasing: dict[str, Entry] = {}
        self._stated: list[tuple[Entry, int]] = []
        with self.findings.at(MANIFEST):
            self._manifest = manifest_in(pack.read(MANIFEST))
        self.stream = Stream(self._manifest.customer)

    def run(self) -> None:
        """Look at everything; what is the matter is in `findings` afterwards."""
        self._check_policy()
        self._check_checkpoint()
        self._check_earlier()
        for index, names in sorted(self._names_by_index().items()):
            self._check_entry(index, names)
        self._check_end_of_stream()
        self._check_left_out()
        self._check_statements()
        self._check_schemas()
        self._check_files()

    # The log

    def _check_policy(self) -> None:
        with self.findings.at("policy"):
            packed = policy_keys(self._pack.read("policy"))
            self._keys = self.known or packed
            if not {key.text for key in self._keys} & {key.text for key in packed}:
                raise Fault(Verdict.WRONG_KEY, "names other keys of the log than the one that you know")

    def _check_checkpoint(self) -> None:
        """Everything else is proved against the root in it, and its size comes from nowhere else."""
        with self.findings.at("checkpoint"):
            self.log.content = self._pack.read("checkpoint")
            self.log.checkpoint = checkpoint_in(self.log.content)
            self.log.signer = self._signer(self.log.checkpoint)

    def _signer(self, checkpoint: Checkpoint) -> LogKey | None:
        """Who signed it; None where no key is to be had, which is a finding already. Raises Fault."""
        return signer_of(checkpoint, self._keys) if self._keys else None

    def _check_earlier(self) -> None:
        """Old states of the log are beginnings of this one: that in the pack, and that which the auditor kept."""
        old = None
        if {_EARLIER, _CONSISTENCY} & self._pack.names:
            self._accounted |= {_EARLIER, _CONSISTENCY}
            with self.findings.at(_EARLIER):
                old = checkpoint_in(self._pack.read(_EARLIER))
                self._signer(old)
            with self.findings.at(_CONSISTENCY):
                self._check_consistency(old, consistency_in(self._pack.read(_CONSISTENCY)))
        if self._kept is not None:
            proved, self.log.earlier = self.log.earlier, None
            with self.findings.at(_KEPT):
                self._check_kept(checkpoint_in(self._kept), old, proved)

    def _check_consistency(self, old: Checkpoint | None, proof: Proof) -> None:
        new = self.log.checkpoint
        if old is None or new is None:
            return  # which is a finding already
        if proof.checkpoint != self.log.content:
            raise _altered("is a proof for another checkpoint than the pack's")
        if proof.number != old.size or not is_prefix(old.size, old.root, new.size, new.root, proof.hashes):
            raise _altered(f"does not prove that the log of {old.size} entries is a beginning of that of {new.size}")
        self.log.earlier = old

    def _check_kept(self, kept: Checkpoint, packed: Checkpoint | None, proved: Checkpoint | None) -> None:
        """Whether the kept checkpoint is that in the pack, of which the growth is `proved`. Raises Fault."""
        self._signer(kept)
        new = self.log.checkpoint
        for other in (new, packed):
            if other is not None and other.size == kept.size and other.root != kept.root:
                raise _altered(f"is of another log of {kept.size} entries than the pack's: one of the two is a forgery")
        if new is None:
            return
        if kept.size > new.size:
            raise Fault(Verdict.MISSING, f"covers {kept.size} entries, the pack only {new.size}: it is older")
        if kept.size not in (0, new.size) and (proved is None or proved.size != kept.size):
            raise Fault(Verdict.MISSING, f"covers {kept.size} entries, and the pack has no proof from there on")
        self.log.earlier = kept

    # The customer's events

    def _names_by_index(self) -> Mapping[int, Sequence[str]]:
        names: defaultdict[int, list[str]] = defaultdict(list)
        for match in filter(None, map(_OF_ENTRY.match, self._pack.names)):
            names[int(match[1])].append(match.string)
        return names

    def _check_entry(self, index: int, names: Iterable[str]) -> None:
        place, proof_place = f"entries/{index}.json", f"entries/{index}.tlog-proof"
        self._accounted |= {place, proof_place}
        with self.findings.at(place):
            content = self._pack.read(place)
            with self.findings.at(proof_place):
                proof = inclusion_in(self._pack.read(proof_place))
                self._check_inclusion(index, proof)
                self._require_included(leaf_hash(content), proof)
            entry = entry_in(index, content)
            with self.findings.at(place):
                self._place_in_stream(entry)
            for number in range(len(entry.parts)):
                self._check_part(entry, number)
            return
        # What belongs to an entry that cannot be read is not told as well.
        self._accounted.update(names)

    def _check_inclusion(self, index: int, proof: Proof) -> None:
        if proof.number != index:
            raise _altered(f"is a proof for the entry at {proof.number}")
        if proof.checkpoint != self.log.content:
            raise _altered("is a proof for another checkpoint than the pack's")

    def _require_included(self, leaf: bytes, proof: Proof) -> None:
        log = self.log.checkpoint
        if log is not None and not is_included(leaf, proof.number, log.size, proof.hashes, log.root):
            raise _altered("does not lead from the entry to the checkpoint: the log has something else there")

    def _place_in_stream(self, entry: Entry) -> None:
        """Versions follow each other without a gap, in the order of the log. Raises Fault."""
        self.stream.customer = self.stream.customer or entry.stream
        if entry.stream != self.stream.customer:
            raise Fault(Verdict.UNEXPECTED, "is of another customer")
        if entry.erases is not None:
            self._erasing[entry.event_id] = entry
        last = self.stream.last
        due = last.version + 1 if last else 1
        self.stream.events += 1
        if last is None or entry.version >= due:
            self.stream.first, self.stream.last = self.stream.first or entry, entry
        if entry.version < due:
            raise _altered(f"is version {entry.version}, and version {due - 1} stands before it in the log")
        if entry.version > due:
            self._miss(due, entry.version - 1)

    def _miss(self, first: int, last: int) -> None:
        versions = f"version {first}" if first == last else f"versions {first} to {last}"
        self.findings.add(Verdict.MISSING, f"{versions} of the customer", "is not in the pack")

    def _check_end_of_stream(self) -> None:
        stated, last = self._manifest.events, self.stream.last.version if self.stream.last else 0
        if stated is not None and last < stated:
            self._miss(last + 1, stated)
        elif stated is not None and last > stated:
            self.findings.add(Verdict.TAMPERED, MANIFEST, f"states {stated} events, and there are {last}")
        elif last == 0:
            self._miss(1, 1)

    def _check_left_out(self) -> None:
        """The log that the checkpoint is of has no event of the customer that is not here."""
        if self._published is None or self.log.checkpoint is None or self.stream.customer is None:
            return
        tree = Tree()
        with self.findings.at(_PUBLISHED):
            for index, entry in enumerate(published_entries(self._published, self.log.checkpoint.size)):
                tree.append(leaf_hash(entry))
                place = f"entries/{index}.json"
                if place not in self._pack.names and _may_be_of(entry, self.stream.customer):
                    self.findings.add(Verdict.MISSING, place, "is an event of the customer in the log, and not here")
            if tree.root != self.log.checkpoint.root:
                raise _altered("is not the log that the pack's checkpoint is of")
            self.log.was_searched = True

    # What they say

    def _check_part(self, entry: Entry, number: int) -> None:
        stem = f"{entry.idx}.{number}"
        ciphertext, stated = f"payload/{stem}.ct", f"payload/{stem}.erased"
        disclosure = {f"disclosure/{stem}.key", f"disclosure/{stem}.json"}
        self._accounted |= {ciphertext, stated, *disclosure}
        if stated in self._pack.names:
            self._stated.append((entry, number))
            for name in {ciphertext, *disclosure} & self._pack.names:
                self.findings.add(Verdict.UNEXPECTED, name, "is there, though the part is stated to be erased")
            return
        with self.findings.at(ciphertext):
            if ciphertext not in self._pack.names:
                raise Fault(Verdict.MISSING, "is not there, and nothing states that it was erased")
            content = self._pack.read(ciphertext)
            if hashlib.sha256(content).digest() != entry.parts[number].ciphertext:
                raise _altered("is not the ciphertext that the entry commits to")
            if disclosure & self._pack.names:
                self._check_disclosed(entry, number, content)
            else:
                self.stream.parts["withheld"] += 1

    def _check_disclosed(self, entry: Entry, number: int, ciphertext: bytes) -> None:
        key, plain = (f"disclosure/{entry.idx}.{number}.{kind}" for kind in ("key", "json"))
        with self.findings.at(key):
            disclosed = _key_in(self._pack.read(key))
            opened = opened_part(disclosed, entry.parts[number], ciphertext, place_of(entry, number))
            with self.findings.at(plain):
                if self._pack.read(plain) != opened:
                    raise _altered("is not what the ciphertext says")
                self.stream.parts["disclosed"] += 1

    def _check_statements(self) -> None:
        """Each part that is said to be erased is so because of an event of the log."""
        for entry, number in self._stated:
            place = f"payload/{entry.idx}.{number}.erased"
            with self.findings.at(place):
                event_id = statement_in(self._pack.read(place))
                erasing = self._erasing.get(event_id)
                if erasing is None:
                    raise Fault(Verdict.MISSING, f"names the event {event_id}, and no such event in the pack erases")
                if not erasing.covers(entry, entry.parts[number].subject):
                    raise _altered(f"names the event {event_id}, which erases somebody else")
                self.stream.parts["erased"] += 1
                told = f"by event {event_id}, recorded {erasing.recorded_at}, entry {erasing.idx} of the log"
                self.findings.erased.append(Finding(Verdict.ERASED, place, told))

    # The files

    def _check_schemas(self) -> None:
        """They explain, and prove nothing."""
        for name in filter(_SCHEMA.fullmatch, self._pack.names):
            self._accounted.add(name)
            with self.findings.at(name):
                from_json(self._pack.read(name))

    def _check_files(self) -> None:
        """Every file belongs into a pack, and is the one that was packed."""
        for place, reason in self._pack.strange.items():
            self.findings.add(Verdict.UNEXPECTED, place, reason)
        for name in sorted(_ALWAYS - self._pack.names):
            self.findings.add(Verdict.MISSING, name, "is not there")
        for name in sorted(self._pack.names - self._accounted):
            self.findings.add(Verdict.UNEXPECTED, name, "is no file of such a pack")
        if self._manifest.files is None:
            return
        for name in sorted(self._manifest.files.keys() | self._pack.names - {MANIFEST}):
            with self.findings.at(name):
                if name not in self._manifest.files:
                    raise Fault(Verdict.UNEXPECTED, "is not in the manifest")
                if hashlib.sha256(self._pack.read(name)).hexdigest() != self._manifest.files[name]:
                    raise _altered("is not the file that the manifest names")


def _may_be_of(entry: bytes, customer: str) -> bool:
    """Whether an entry is of the customer, or names it and cannot be read."""
    if customer.encode() not in entry:
        return False
    try:
        found = from_json(entry)
    except Fault:
        return True
    return not isinstance(found, dict) or found.get("stream") == customer


def _key_in(content: bytes) -> bytes:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise _altered("is no key") from error
    if not text.endswith("\n"):
        raise _altered("is no key")
    return from_base64(text[:-1], _KEY_BYTES)


def statement_in(content: bytes) -> str:
    """The id of the event that a statement of erasure names. Raises Fault."""
    found = from_json(content)
    if not isinstance(found, dict) or list(found) != ["by"] or not isinstance(found["by"], str):
        raise _altered("is no statement of an erasure")
    if json.dumps(found).encode() + b"\n" != content:
        raise _altered("is not written as statements are")
    return str(found["by"])


# --- The report -------------------------------------------------------------------------------------------------------


def report_of(audit: Audit) -> str:
    """One page for people."""
    stream = audit.stream
    faults = sorted(audit.findings.faults.values(), key=lambda finding: (finding.verdict.exit_code, finding.place))
    lines = [f"Evidence pack of customer {stream.customer or 'unknown'}", ""]
    lines += [f"  {name:<9} {said}" for name, said in _said(audit)]
    lines += ["", *_listed(audit.findings.erased), *_listed(faults)]
    if faults:
        verdicts = Counter(str(finding.verdict) for finding in faults)
        lines.append("DOES NOT HOLD: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    else:
        lines.append(f"HOLDS: all {stream.events} events are in the log as they were recorded.")
    unproved = "" if audit.log.was_searched else "that no event follows these, "
    lines += [f"Not proved: {unproved}that what was recorded is true, what was withheld or erased."]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _said(audit: Audit) -> Iterable[tuple[str, str]]:
    stream, log = audit.stream, audit.log
    if log.checkpoint is not None:
        root = base64.b64encode(log.checkpoint.root).decode()
        yield "log", f"{log.checkpoint.origin}, {log.checkpoint.size} entries, root {root}"
    if log.signer is not None:
        yield "signed by", log.signer.text
        if not audit.known:
            yield "", "this key came with the pack: compare it with the one you know, or give that one (--key)"
    earlier = f"the log of {log.earlier.size} entries is a beginning of it" if log.earlier else "nothing proved"
    yield "earlier", earlier
    if log.was_searched:
        yield "searched", "the whole log, for events of the customer that are not here"
    if stream.first and stream.last:
        yield "events", f"versions {stream.first.version} to {stream.last.version}, of which {stream.events} are here"
        yield "recorded", f"{stream.first.recorded_at} to {stream.last.recorded_at}"
    parts = ", ".join(f"{stream.parts[kind]} {kind}" for kind in ("disclosed", "withheld", "erased"))
    yield "parts", parts


def _listed(findings: Sequence[Finding]) -> list[str]:
    lines = [f"{str(each.verdict).upper():<10} {each.place}: {each.detail}" for each in findings[:_MOST_TOLD]]
    if len(findings) > _MOST_TOLD:
        lines.append(f"and {len(findings) - _MOST_TOLD} more: --json lists all")
    return [*lines, ""] if lines else []


def _printable(text: str) -> str:
    """Nothing in a pack may move the cursor of who reads about it, fill the page, or fail to be printed."""
    shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text[:_WIDEST])
    return shown if len(text) <= _WIDEST else f"{shown}…"


def document_of(audit: Audit) -> dict[str, Any]:
    """The same for programs, with every finding."""
    stream, log = audit.stream, audit.log
    listed = [*audit.findings.erased, *audit.findings.faults.values()]
    return {
        "holds": audit.findings.exit_code == 0,
        "customer": stream.customer,
        "origin": log.checkpoint.origin if log.checkpoint else None,
        "size": log.checkpoint.size if log.checkpoint else None,
        "root": base64.b64encode(log.checkpoint.root).decode() if log.checkpoint else None,
        "signed_by": log.signer.text if log.signer else None,
        "key_was_known": bool(audit.known),
        "earlier_size": log.earlier.size if log.earlier else None,
        "log_was_searched": log.was_searched,
        "events": stream.events,
        "parts": {kind: stream.parts[kind] for kind in ("disclosed", "withheld", "erased")},
        "findings": [{"verdict": str(verdict), "place": place, "detail": detail} for verdict, place, detail in listed],
    }


# --- The command ------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, print, and return the exit code."""
    options = _options(arguments)
    try:
        with ExitStack() as stack:
            pack, keys, kept = opened(options.pack, stack), _known_keys(options.key), _kept(options.checkpoint)
            audit = Audit(pack, keys, kept, options.log)
            audit.run()
    except NoPack as error:
        sys.stderr.write(f"{_printable(str(error))}\n")
        return 2
    if options.json:
        sys.stdout.write(json.dumps(document_of(audit), indent=2) + "\n")
    else:
        sys.stdout.buffer.write(report_of(audit).encode(sys.stdout.encoding, "backslashreplace"))
    return audit.findings.exit_code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check an evidence pack without trusting whoever made it.")
    parser.add_argument("pack", nargs="?", type=Path, default=Path(__file__).parent, help="the folder or .zip file")
    parser.add_argument("--key", action="append", default=[], help="the log's verifier key; again for a former one")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint of the log that you kept from an earlier day")
    parser.add_argument("--log", type=Path, help="a published copy of the log, to be searched for what is left out")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


def _known_keys(texts: Sequence[str]) -> list[LogKey]:
    try:
        return [log_key(text) for text in texts]
    except Fault as fault:
        raise NoPack(f"--key {fault.detail}") from fault


def _kept(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoPack(f"--checkpoint {path} cannot be read: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
