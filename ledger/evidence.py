"""Evidence packs: what the log says of one customer, with the proofs, for somebody who does not trust us.

Reads as of one moment and writes file by file, so that memory does not grow with what a stream says. What must stay
true: the size of the log comes from a signed checkpoint and from nowhere else; every event up to it has its entry and
proof in the pack; a key is put in only after it has opened its part; and whatever is not as it must be goes in as it
is, for `verify.py` to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from string import Template
from typing import IO, Any, Final, NamedTuple
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from db.queries import load
from ledger import codec, tree
from ledger.believed import believed
from ledger.checkpoint import Checkpoint
from ledger.codec import Checked, DataKeys
from ledger.disclosure import key_of_part, open_part
from ledger.errors import SubjectErased, UnreadableEvent
from ledger.evidence_errors import CheckpointAhead, HistoryForked, NothingSigned, NotSealedYet, VersionUnknown
from ledger.frame import framed
from ledger.log_errors import LogError
from ledger.notes import VerifierKey, base64
from ledger.pack.schemas import event_schema, schema_name
from ledger.pack.verify import RECORDS_SUBJECT
from ledger.pack.zipped import ZippedPack
from ledger.proofs import consistency_text, inclusion_text

_QUERIES: Final = load("ledger", "evidence.sql")
_PACK: Final = Path(__file__).parent / "pack"
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which parts are to be readable: all, or those of some (version, part); part None stands for all of a version."""

    everything: bool = False
    parts: frozenset[tuple[int, int | None]] = frozenset()

    def includes(self, version: int, part: int) -> bool:
        return self.everything or (version, None) in self.parts or (version, part) in self.parts


class Asked(NamedTuple):
    """What a pack is to hold. `earlier` is a checkpoint that the auditor kept, as a signed note."""

    customer_id: UUID
    disclosure: Disclosure
    earlier: bytes | None = None

    @property
    def discloses_something(self) -> bool:
        return self.disclosure.everything or bool(self.disclosure.parts)


class Packed(NamedTuple):
    """What a pack holds: events, and parts by what became of them."""

    origin: str
    size: int
    events: int
    disclosed: int
    withheld: int
    erased: int


def write_pack(
    connection: Connection[Any], data_keys: DataKeys, log_keys: Sequence[VerifierKey], asked: Asked, file: IO[bytes]
) -> Packed:
    """Write the pack as a zip archive, from a connection that reads as of one moment (`verify.one_moment`).

    `log_keys` are those that sign for this log, and did. Raises EvidenceRefused, LogError for an earlier checkpoint
    that is not believed, NotSealedYet while an erasure is not signed, UnreadableEvent or DataKeyMissing for a part that
    is to be disclosed and does not open.
    """
    note, signed = _signed(connection, log_keys)
    last = _last_version(connection, asked, signed)
    proofs = _Proofs(connection, note, signed)
    consistency = None if asked.earlier is None else proofs.consistency(believed(asked.earlier, log_keys))
    with ZippedPack(file) as pack:
        signer = next(key for key in log_keys if key.name == signed.origin)
        readme = Template((_PACK / "README.md").read_text(encoding="utf-8"))
        told = {"customer": asked.customer_id, "events": last, "origin": signed.origin, "size": signed.size}
        pack.add("README.md", readme.substitute(told, key=signer).encode())
        pack.add("verify.py", (_PACK / "verify.py").read_bytes())
        pack.add("policy", "".join((*(f"log {key}\n" for key in log_keys), "quorum none\n")).encode())
        pack.add("checkpoint", note.encode())
        if asked.earlier is not None and consistency is not None:
            pack.add("earlier/checkpoint", asked.earlier)
            pack.add("earlier/consistency", consistency)
        erasures = _Erasures(connection, asked.customer_id, signed.size)
        stream = _Stream(pack, proofs, data_keys, asked, erasures)
        for version, rows in _signed_events(connection, asked.customer_id, signed.size):
            stream.add(version, rows)
        pack.finish(asked.customer_id, last)
    return stream.packed(signed, last)


def _signed(connection: Connection[Any], log_keys: Sequence[VerifierKey]) -> tuple[str, Checkpoint]:
    row = connection.execute(_QUERIES["newest_note"]).fetchone()
    if row is None:
        raise NothingSigned("no checkpoint of the log is signed yet")
    note = str(row[0])
    try:
        return note, believed(note.encode(), log_keys)
    except LogError as error:
        raise NothingSigned(f"the newest checkpoint proves nothing: {error}") from error


def _last_version(connection: Connection[Any], asked: Asked, signed: Checkpoint) -> int:
    parameters = {"stream": asked.customer_id, "size": signed.size}
    ((last,),) = connection.execute(_QUERIES["last_version"], parameters).fetchall()
    if last is None:
        raise NothingSigned(f"no event of customer {asked.customer_id} is in the signed log")
    for version, _ in asked.disclosure.parts:
        if not 1 <= version <= last:
            raise VersionUnknown(version, last)
    return int(last)


def _signed_events(
    connection: Connection[Any], customer_id: UUID, size: int
) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    with connection.cursor("evidence", binary=True) as cursor:
        cursor.itersize = _BATCH
        cursor.execute(_QUERIES["signed_events"], {"stream": customer_id, "size": size})
        for version, rows in groupby(cursor, key=itemgetter(0)):
            yield version, list(rows)


class _Erasures:
    """What was erased of a stream by now: by subject the event, and of which of these events the pack can tell."""

    def __init__(self, connection: Connection[Any], customer_id: UUID, size: int) -> None:
        self._customer = str(customer_id)
        self._events: dict[str, str] = {}
        self._told: set[str] = set()
        for entry, is_signed in connection.execute(
            _QUERIES["erasing_entries"], {"stream": customer_id, "size": size}
        ).fetchall():
            self._take(entry, is_signed=is_signed)

    def of(self, subject: str) -> str | None:
        """The event because of which the subject's parts are erased; a whole file's erasure spares its records."""
        by = self._events.get(subject)
        return by if by is not None or subject == RECORDS_SUBJECT else self._events.get(self._customer)

    def is_told(self, event_id: str) -> bool:
        """Whether the signed log has the event."""
        return event_id in self._told

    def _take(self, entry: bytes, *, is_signed: bool) -> None:
        try:
            members = orjson.loads(entry)
            subject, event_id = str(members["erases"]), str(members["event_id"])
        except (ValueError, KeyError, TypeError):
            return  # it erases nothing; the pack has it as it is
        self._events[subject] = event_id
        if is_signed:
            self._told.add(event_id)


class _Proofs:
    """Proofs against one signed checkpoint, as text that ends in it."""

    def __init__(self, connection: Connection[Any], note: str, signed: Checkpoint) -> None:
        self._connection = connection
        self._note = note
        self._signed = signed

    def inclusion(self, index: int) -> bytes:
        """A tlog-proof."""
        hashes = tree.ask(self._connection, tree.inclusion(index, self._signed.size))
        return inclusion_text(index, hashes, self._note).encode()

    def consistency(self, earlier: Checkpoint) -> bytes:
        """What a tlog-witness is sent. Raises CheckpointAhead or HistoryForked."""
        if earlier.size > self._signed.size:
            message = f"the checkpoint covers {earlier.size} entries, and {self._signed.size} are signed here"
            raise CheckpointAhead(message)
        if tree.ask(self._connection, tree.root(earlier.size)) != earlier.root:
            raise HistoryForked(f"the first {earlier.size} entries of the log are not those of the checkpoint")
        hashes = tree.ask(self._connection, tree.consistency(earlier.size, self._signed.size))
        return consistency_text(earlier.size, hashes, self._note).encode()


class _Stream:
    """Puts the events of a customer into a pack, one after the other."""

    def __init__(
        self, pack: ZippedPack, proofs: _Proofs, data_keys: DataKeys, asked: Asked, erasures: _Erasures
    ) -> None:
        self._pack = pack
        self._proofs = proofs
        self._data_keys = data_keys
        self._asked = asked
        self._erasures = erasures
        self._explained: set[str] = set()
        self._disclosed = self._withheld = self._erased = 0

    def packed(self, signed: Checkpoint, last: int) -> Packed:
        return Packed(signed.origin, signed.size, last, self._disclosed, self._withheld, self._erased)

    def add(self, version: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """An event by its rows; one whose entry is gone is left out, and so will be found missing."""
        _, index, stored_name, entry, *_ = rows[0]
        if entry is None:
            return
        self._pack.add(f"entries/{index}.json", entry)
        self._pack.add(f"entries/{index}.tlog-proof", self._proofs.inclusion(index))
        parts = [(row[4], row[5]) for row in rows if row[4] is not None]
        try:
            event = codec.checked(StoredEvent(self._asked.customer_id, version, stored_name, framed(entry, parts)))
        except UnreadableEvent:
            for number, ciphertext in parts:
                self._pack.add(f"payload/{index}.{number}.ct", ciphertext)
            return  # there is nothing to open; all goes out as it is
        for number, commitment in enumerate(event.commitments):
            self._add_part(event, index, number, self._erasures.of(str(commitment.subject)))

    def _add_part(self, event: Checked, index: int, number: int, erased_by: str | None) -> None:
        """A part that was erased is stated so, also while its ciphertext is still there. Raises NotSealedYet."""
        ciphertext = event.ciphertexts.get(number)
        if erased_by is not None and self._erasures.is_told(erased_by):
            self._pack.add(f"payload/{index}.{number}.erased", b'{"by": "%s"}\n' % erased_by.encode())
            self._erased += 1
            return
        if ciphertext is None:
            if erased_by is not None:
                raise NotSealedYet(f"the event {erased_by}, which erased something, is not signed yet")
            return  # it is missing, and nothing is stated
        self._pack.add(f"payload/{index}.{number}.ct", ciphertext)
        wanted = erased_by is None and self._asked.disclosure.includes(event.version, number)
        if wanted and self._disclose(event, index, number):
            self._disclosed += 1
            self._explain(event)
        else:
            self._withheld += 1

    def _disclose(self, event: Checked, index: int, number: int) -> bool:
        """Whether there was a key: of a subject that is just being erased there is none, while its parts still are."""
        try:
            key = key_of_part(event, number, self._data_keys)
        except SubjectErased:
            return False
        self._pack.add(f"disclosure/{index}.{number}.key", f"{base64(key)}\n".encode())
        self._pack.add(f"disclosure/{index}.{number}.json", open_part(event, number, key))
        return True

    def _explain(self, event: Checked) -> None:
        name = schema_name(event.entry["type"], event.entry["schema"])
        schema = event_schema(event.entry["type"], event.entry["schema"])
        if schema is not None and name not in self._explained:
            self._explained.add(name)
            self._pack.add(name, schema)
