"""Edit, delete, swap, relabel, truncate: what a superuser does to rows that were sealed, and who names it how.

Each attack is made for good on a log of its own, and every guard is asked. None means that a guard sees nothing, which
is asserted as well: docs/threat-model.md says which attack only some of them see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ledger.errors import TreeError
from ledger.log_errors import MalformedNote
from tests.attacks.world import CORP, EARLY, SIZE, World
from tests.told import ACME, BETA, place

BEGINS_OTHERWISE: Final = f"the first {EARLY} places of the log are not those that were signed"


class Attack(NamedTuple):
    """`verifier` is a check and the beginning of a place, `pack` places with their verdicts, or why there is no pack.

    `publisher` and `signer` are why they refuse and the log index, `scrubber` a check and the log index; `auditor` is
    what is said of the early note that was kept.
    """

    sql: str
    verifier: tuple[str, str] | None = None
    scrubber: tuple[str, int] | None = None
    signer: tuple[str, int | None] | None = None
    publisher: tuple[str, int | None] | None = None
    auditor: str | None = None
    pack: dict[str, str] | str | None = None


SEVENTH, EIGHTH = f"stream = '{ACME}' AND version = 7", f"stream = '{ACME}' AND version IN (7, 8)"
SWAPPED = "(SELECT {0} FROM ledger.{1} AS other WHERE other.stream = {1}.stream AND other.version = 15 - {1}.version)"
AT_THE_SEVENTH: Final = {"verifier": ("event", place(ACME, 7))}

ATTACKS: Final = {
    # --- events -------------------------------------------------------------------------------------------------------
    "an event is edited": Attack(
        "UPDATE ledger.event SET entry = convert_to(replace(convert_from(entry, 'UTF8'), 'u-118', 'u-119'), 'UTF8')"
        f" WHERE {SEVENTH}",
        verifier=("event", place(ACME, 7)),
        scrubber=("log", 6),
        publisher=("LeafMismatch", 6),
        pack={"entries/6.tlog-proof": "TAMPERED"},
    ),
    "an event is deleted": Attack(
        f"DELETE FROM ledger.event WHERE {SEVENTH}",
        verifier=("versions", f"stream {ACME} version 7"),
        scrubber=("log", 6),
        publisher=("LeafMissing", 6),
        pack={"version 7 of the customer": "MISSING"},
    ),
    "two events are swapped": Attack(
        f"UPDATE ledger.event SET entry = {SWAPPED.format('entry', 'event')} WHERE {EIGHTH}",
        verifier=("event", place(ACME, 7)),
        scrubber=("log", 6),
        publisher=("LeafMismatch", 6),
        pack={
            "entries/6.tlog-proof": "TAMPERED",
            "payload/6.0.ct": "TAMPERED",
            "version 7 of the customer": "MISSING",
            "entries/7.tlog-proof": "TAMPERED",
            "entries/7.json": "TAMPERED",
            "payload/7.0.ct": "TAMPERED",
        },
    ),
    "an event is relabelled as another type": Attack(
        f"UPDATE ledger.event SET type = 'customer.archived' WHERE {SEVENTH}", verifier=("event", place(ACME, 7))
    ),
    "an event is relabelled as another customer's": Attack(
        f"UPDATE ledger.event SET stream = '{BETA}', version = 7 WHERE stream = '{ACME}' AND version = 9",
        verifier=("event", f"stream {BETA} version 7"),
        scrubber=("log", 14),
        publisher=("LeafMissing", 14),
        pack={"version 9 of the customer": "MISSING"},
    ),
    "all events are gone": Attack(
        "TRUNCATE ledger.event",
        verifier=("log", place(ACME, 1)),
        scrubber=("log", 0),
        publisher=("LeafMissing", 0),
        pack={"versions 1 to 9 of the customer": "MISSING"},
    ),
    # --- ciphertexts --------------------------------------------------------------------------------------------------
    "a ciphertext is edited": Attack(
        f"UPDATE ledger.payload SET ct = set_byte(ct, 3, get_byte(ct, 3) # 1) WHERE {SEVENTH}",
        verifier=("event", place(ACME, 7)),
        pack={"payload/6.0.ct": "TAMPERED"},
    ),
    "a ciphertext is deleted": Attack(
        f"DELETE FROM ledger.payload WHERE {SEVENTH}",
        verifier=("payload", place(ACME, 7)),
        pack={"payload/6.0.ct": "MISSING"},
    ),
    "two ciphertexts are swapped": Attack(
        f"UPDATE ledger.payload SET ct = {SWAPPED.format('ct', 'payload')} WHERE {EIGHTH}",
        verifier=("event", place(ACME, 7)),
        pack={"payload/6.0.ct": "TAMPERED", "payload/7.0.ct": "TAMPERED"},
    ),
    "a ciphertext is relabelled as another part": Attack(
        f"UPDATE ledger.payload SET part = 3 WHERE {SEVENTH}",
        verifier=("event", place(ACME, 7)),
        pack={"payload/6.0.ct": "MISSING", "payload/6.3.ct": "UNEXPECTED"},
    ),
    "all ciphertexts are gone": Attack(
        "TRUNCATE ledger.payload",
        verifier=("payload", place(ACME, 1)),
        pack={
            f"payload/{stem}.ct": "MISSING"
            for stem in ("0.0", "1.0", "2.0", "3.0", "3.1", "4.0", "4.1", "5.0", "6.0", "7.0", "14.0")
        },
    ),
    # --- places of the log --------------------------------------------------------------------------------------------
    "a hash is edited": Attack(
        "UPDATE ledger.log SET hash = sha256('') WHERE idx = 7",
        verifier=("log", place(ACME, 8)),
        scrubber=("log", 7),
        publisher=("LeafMismatch", 7),
        auditor=BEGINS_OTHERWISE,
        pack="HistoryForked",
    ),
    "a place is deleted": Attack(
        "DELETE FROM ledger.log WHERE idx = 7",
        verifier=("log", "log index 7"),
        scrubber=("log", 7),
        publisher=("LeafMissing", 7),
        auditor="cannot be compared: level 0 has not all hashes from 0 to 8",
        pack="TreeDamaged",
    ),
    "the last place is deleted": Attack(
        f"DELETE FROM ledger.log WHERE idx = {SIZE - 1}",
        verifier=("queue", f"stream {CORP} version 305"),
        scrubber=("log", SIZE - 1),
        signer=("MemoryAhead", SIZE - 1),
        publisher=("LeafMissing", SIZE - 1),
        pack="TreeDamaged",
    ),
    "two places are swapped": Attack(
        "WITH taken AS (DELETE FROM ledger.log WHERE idx IN (6, 8) RETURNING *)"
        " INSERT INTO ledger.log SELECT 14 - idx, stream, version, hash, known_at FROM taken ORDER BY idx",
        verifier=("known_at", f"log index 6 (stream {BETA} version 1)"),
        scrubber=("checkpoint", 6),
        publisher=("HistoryChanged", None),
        auditor=BEGINS_OTHERWISE,
        pack="HistoryForked",
    ),
    "a place is relabelled as another version": Attack(
        "UPDATE ledger.log SET version = 99 WHERE idx = 7",
        verifier=("log", f"log index 7 (stream {ACME} version 99)"),
        scrubber=("log", 7),
        publisher=("LeafMissing", 7),
        pack={"version 8 of the customer": "MISSING", "versions 10 to 99 of the customer": "MISSING"},
    ),
    "a place is known since yesterday": Attack(
        "UPDATE ledger.log SET known_at = known_at - interval '1 day' WHERE idx = 7",
        verifier=("known_at", place(ACME, 8)),
    ),
    "all places are gone": Attack(
        "TRUNCATE ledger.log",
        verifier=("queue", f"stream {ACME} version 1"),
        scrubber=("log", 0),
        signer=("MemoryAhead", 0),
        publisher=("LeafMissing", 0),
        auditor="covers more than the log, which has 0 places",
        pack="NothingSigned",
    ),
    # --- nodes of the tree --------------------------------------------------------------------------------------------
    "a node is edited": Attack(
        "UPDATE ledger.node SET hash = sha256('')",
        verifier=("node", "node 0 of level 1 (log index 0 to 255)"),
        scrubber=("node", 0),
        signer=("HistoryChanged", None),
    ),
    "a node is relabelled as another's": Attack(
        "UPDATE ledger.node SET idx = 1",
        verifier=("node", "node 0 of level 1 (log index 0 to 255)"),
        scrubber=("node", 0),
        signer=("HistoryChanged", None),
        publisher=("TreeDamaged", None),
    ),
    "all nodes are gone": Attack(
        "TRUNCATE ledger.node",
        verifier=("node", "node 0 of level 1 (log index 0 to 255)"),
        scrubber=("node", 0),
        signer=("HistoryChanged", None),
        publisher=("TreeDamaged", None),
    ),
    # --- checkpoints --------------------------------------------------------------------------------------------------
    "a root is edited": Attack(
        "UPDATE ledger.checkpoint SET root = sha256('') WHERE size = 13",
        verifier=("checkpoint", "checkpoint of size 13"),
        scrubber=("checkpoint", 8),
    ),
    "two roots are swapped": Attack(
        "UPDATE ledger.checkpoint SET root = (SELECT root FROM ledger.checkpoint AS other"
        " WHERE other.size = 21 - checkpoint.size LIMIT 1) WHERE size IN (8, 13)",
        verifier=("checkpoint", "checkpoint of size 8"),
        scrubber=("checkpoint", 6),
    ),
    "a checkpoint is relabelled as another size": Attack(
        "UPDATE ledger.checkpoint SET size = 7 WHERE size = 6",
        verifier=("checkpoint", "checkpoint of size 7"),
        scrubber=("checkpoint", 0),
    ),
    "the newest checkpoints are deleted": Attack(
        f"DELETE FROM ledger.checkpoint WHERE size = {SIZE}",
        verifier=("checkpoint", f"log index {EARLY}"),
        scrubber=("log", EARLY),
        signer=("SizeShrank", EARLY),
    ),
    "all checkpoints are gone": Attack(
        "TRUNCATE ledger.checkpoint", verifier=("checkpoint", "log index 0"), scrubber=("log", 0)
    ),
    # --- signatures ---------------------------------------------------------------------------------------------------
    "a note is edited": Attack(
        "UPDATE ledger.signature SET note = overlay(note placing 'AAAA' from strpos(note, E'\\n15\\n') + 4)"
        " WHERE size = 15",
        verifier=("signature", "signature of size 15"),
    ),
    "the newest note is edited": Attack(
        f"UPDATE ledger.signature SET note = 'no note' WHERE size = {SIZE}",
        verifier=("signature", f"signature of size {SIZE}"),
        signer=("AnotherNote", None),
        publisher=("MalformedNote", None),
        pack="NothingSigned",
    ),
    "two notes are swapped": Attack(
        "UPDATE ledger.signature SET note ="
        " (SELECT note FROM ledger.signature AS other WHERE other.size <> signature.size)",
        verifier=("signature", "signature of size 15"),
        signer=("AnotherNote", None),
    ),
    "a note is relabelled as another size": Attack(
        "UPDATE ledger.signature SET size = 14 WHERE size = 15", verifier=("signature", "signature of size 14")
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_named_by_whoever_should_see_it(founded: World, world: World, tmp_path: Path, name: str) -> None:
    attack, kept = ATTACKS[name], founded.kept(EARLY)
    world.attack(attack.sql)
    findings = world.verifier()
    assert attack.verifier is not None
    check, begins = attack.verifier
    assert any(place.startswith(begins) for place in findings.get(check, [])), findings
    assert world.signer() == attack.signer
    assert world.auditor(kept) == attack.auditor
    assert (world.pack(kept) or None) == attack.pack
    assert world.scrubber() == attack.scrubber
    assert publisher(world, tmp_path) == attack.publisher


def publisher(world: World, folder: Path) -> tuple[str, int | None] | None:
    try:
        return world.publisher(folder)
    except (TreeError, MalformedNote) as error:
        return type(error).__name__, None


@pytest.mark.parametrize("sql", [f"DELETE FROM ledger.signature WHERE size = {SIZE}", "TRUNCATE ledger.signature"])
def test_the_newest_note_is_given_out_again(founded: World, world: World, sql: str) -> None:
    """Older ones that are gone are missed by nobody inside: a note is for those who were given it."""
    world.attack(sql)
    assert world.signer() is None
    assert world.kept(SIZE) == founded.kept(SIZE)
    assert world.verifier() == {}
    assert world.auditor(founded.kept(EARLY)) is None


def test_nothing_is_found_where_nobody_attacked(founded: World, world: World, tmp_path: Path) -> None:
    kept = founded.kept(EARLY)
    assert (world.verifier(), world.pack(kept)) == ({}, {})
    assert (world.scrubber(), world.signer(), world.auditor(kept), world.publisher(tmp_path)) == (None,) * 4
