"""Evidence packs of a real ledger, held against the verifier that goes out with them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
import pytest
from uuid_utils.compat import uuid7

from db.pool import connect
from ledger import cipher
from ledger import evidence_errors as errors
from ledger.believed import believed
from ledger.checkpoint import Checkpoint
from ledger.errors import Tampered
from ledger.evidence import Asked, Disclosure, Packed, write_pack
from ledger.log_errors import NoteRefused
from ledger.notes import VerifierKey, base64, new_note
from ledger.pack import verify
from ledger.pack.verify import Verdict
from ledger.verify import one_moment
from tests.ledger.forge import Files, audited
from tests.ledger.sealing import enqueue
from tests.ledger.service import event, of_service
from tests.ledger.signing import KEY, OTHER_KEY, Signing
from tests.ledger.writing import Path as WritePath
from tests.ledger.writing import attribute, registration, write_path

ALL = Disclosure(everything=True)
NONE = Disclosure()
VKEY = str(KEY.verifier)
RECORDS = UUID(verify.RECORDS_SUBJECT)


@dataclass
class House:
    """A ledger with a customer of five events among others, signed."""

    path: WritePath
    signing: Signing
    customer: UUID
    former: tuple[VerifierKey, ...] = ()
    """Keys that signed for the log under earlier names."""

    @property
    def database(self) -> str:
        return self.signing.database

    def record(self, customer: UUID, name: str) -> None:
        self.path.accept(attribute(customer, name, 1))

    def sign(self) -> bytes:
        """Seal and sign what there is; the note."""
        self.signing.seal()
        self.signing.sign()
        return self.signing.notes()[-1].encode()

    def pack(self, disclosure: Disclosure = NONE, earlier: bytes | None = None, **how: Any) -> Files:
        return contents(self.packed(disclosure, earlier, **how)[1])

    def packed(
        self, disclosure: Disclosure = NONE, earlier: bytes | None = None, *, customer: UUID | None = None
    ) -> tuple[Packed, bytes]:
        file = io.BytesIO()
        asked = Asked(customer or self.customer, disclosure, earlier)
        with one_moment(self.database) as connection:
            told = write_pack(connection, self.path.keys, [KEY.verifier, *self.former], asked, file)
        return told, file.getvalue()


def contents(archive: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    signing = Signing(database, tmp_path)
    with write_path(database) as path:
        others = [path.accept(registration(f"Other {number}")).customer_id for number in range(2)]
        customer = path.accept(registration("Acme", customer_id=uuid7())).customer_id
        house = House(path, signing, customer)
        for number in range(3):
            house.record(others[number % 2], f"of-others-{number}")
            house.record(customer, f"own-{number}")
        house.sign()
        yield house
    signing.close()


def faults(files: Files, **how: Any) -> dict[str, Verdict]:
    audit = audited(files, keys=[VKEY], **how)
    return {place: finding.verdict for place, finding in audit.findings.faults.items()}


def events_in(files: Files) -> dict[int, dict[str, Any]]:
    """The entries of a pack by index."""
    return {
        int(name.removeprefix("entries/").removesuffix(".json")): json.loads(content)
        for name, content in files.items()
        if name.startswith("entries/") and name.endswith(".json")
    }


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_a_pack_of_everything_holds_and_says_what_was_recorded(house: House) -> None:
    told, archive = house.packed(ALL)
    files = contents(archive)
    audit = audited(files, keys=[VKEY])
    assert audit.findings.faults == {}
    assert (told.origin, told.withheld, told.erased) == (KEY.name, 0, 0)
    assert (audit.stream.events, audit.stream.parts["disclosed"]) == (told.events, told.disclosed)
    texts = [json.loads(files[name]) for name in files if name.startswith("disclosure/") and name.endswith(".json")]
    assert {"name": "Zhang San"}.items() <= {k: v for text in texts for k, v in text["payload"].items()}.items()
    assert sum(text["payload"].get("key", "").startswith("own-") for text in texts) == 3
    assert b"of-others" not in b"".join(files.values())


def test_a_pack_that_discloses_nothing_still_counts_every_event(house: House) -> None:
    told, archive = house.packed(NONE)
    files = contents(archive)
    assert faults(files) == {}
    assert [entry["version"] for entry in events_in(files).values()] == list(range(1, told.events + 1))
    assert told.disclosed == 0
    assert not [name for name in files if name.startswith(("disclosure/", "schemas/"))]


def test_versions_and_parts_are_disclosed_one_by_one(house: House) -> None:
    of_contact = next(entry for entry in events_in(house.pack()).values() if len(entry["parts"]) == 2)
    version = of_contact["version"]
    files = house.pack(Disclosure(parts=frozenset([(1, None), (version, 1)])))
    assert faults(files) == {}
    index_of = {entry["version"]: index for index, entry in events_in(files).items()}
    assert {name for name in files if name.startswith("disclosure/")} == {
        f"disclosure/{index_of[1]}.0.key",
        f"disclosure/{index_of[1]}.0.json",
        f"disclosure/{index_of[version]}.1.key",
        f"disclosure/{index_of[version]}.1.json",
    }


def test_disclosed_events_come_with_the_schemas_of_their_types(house: House) -> None:
    files = house.pack(ALL)
    types = {(entry["type"], entry["schema"]) for entry in events_in(files).values()}
    assert {f"schemas/{kind}.v{version}.json" for kind, version in types} == {
        name for name in files if name.startswith("schemas/")
    }
    for index, entry in events_in(files).items():
        schema = json.loads(files[f"schemas/{entry['type']}.v{entry['schema']}.json"])
        text = json.loads(files[f"disclosure/{index}.0.json"])
        assert text["payload"].keys() <= schema["properties"]["payload"]["properties"].keys()
        assert text["envelope"].keys() <= schema["properties"]["envelope"]["properties"].keys()


def test_a_stream_of_the_service_is_proved_by_a_pack_of_its_own(house: House) -> None:
    stream = uuid7()
    of_service(house.path).append(stream, 0, [event(), event()])
    house.sign()
    told, archive = house.packed(ALL, customer=stream)
    files = contents(archive)
    assert (told.events, told.disclosed, told.withheld) == (2, 2, 0)
    assert faults(files) == {}
    assert {entry["type"] for entry in events_in(files).values()} == {"access.profile-viewed"}
    assert "schemas/access.profile-viewed.v1.json" in files


def test_a_pack_carries_its_verifier_and_says_how_to_run_it(house: House) -> None:
    files = house.pack()
    readme = files["README.md"].decode()
    assert files["verify.py"] == Path(verify.__file__).read_bytes()
    assert f"python3 verify.py . --key '{VKEY}'" in readme
    assert f"Customer `{house.customer}`" in readme
    assert files["policy"] == f"log {VKEY}\nquorum none\n".encode()


def test_the_same_question_gives_the_same_bytes(house: House) -> None:
    assert house.packed(ALL) == house.packed(ALL)


def test_the_size_of_the_log_is_that_of_the_signed_checkpoint(house: House) -> None:
    before = house.pack()
    house.record(house.customer, "sealed-later")
    house.signing.seal()
    house.record(house.customer, "not-even-sealed")
    assert house.pack() == before
    house.sign()
    assert len(events_in(house.pack())) == len(events_in(before)) + 2


# --- an earlier checkpoint --------------------------------------------------------------------------------------------


def test_the_log_is_proved_to_go_on_from_an_earlier_checkpoint(house: House) -> None:
    kept = house.signing.notes()[-1].encode()
    for number in range(5):
        house.record(house.customer, f"more-{number}")
    house.sign()
    files = house.pack(earlier=kept)
    audit = audited(files, keys=[VKEY], kept=kept)
    assert audit.findings.faults == {}
    assert audit.log.earlier is not None
    assert files["earlier/checkpoint"] == kept


def test_a_checkpoint_from_beyond_the_signed_log_is_refused(house: House) -> None:
    beyond = new_note(Checkpoint(KEY.name, 1000, bytes(32)).text, KEY)
    with pytest.raises(errors.CheckpointAhead):
        house.pack(earlier=bytes(beyond))


def test_a_checkpoint_of_another_history_is_refused_by_name(house: House) -> None:
    forked = new_note(Checkpoint(KEY.name, 3, bytes(32)).text, KEY)
    with pytest.raises(errors.HistoryForked):
        house.pack(earlier=bytes(forked))


@pytest.mark.parametrize(
    "earlier",
    [
        bytes(new_note(Checkpoint(OTHER_KEY.name, 3, bytes(32)).text, OTHER_KEY)),
        b"\xff",
        b"",
        b"dossier.test/log\n3\nAAAA\n",
        bytes(new_note(Checkpoint(KEY.name, 3, bytes(32)).text, KEY))[:-8] + b"AAAAAA==\n",
    ],
)
def test_a_checkpoint_that_is_not_of_this_log_is_refused_by_name(house: House, earlier: bytes) -> None:
    with pytest.raises(NoteRefused):
        house.pack(earlier=earlier)


def test_a_checkpoint_of_the_log_under_its_former_name_is_proved_by_its_former_key(house: House) -> None:
    before = believed(house.signing.notes()[-1].encode(), [KEY.verifier])
    kept = bytes(new_note(Checkpoint(OTHER_KEY.name, before.size, before.root).text, OTHER_KEY))
    house.record(house.customer, "after-the-restore")
    house.sign()
    house.former = (OTHER_KEY.verifier,)
    files = house.pack(earlier=kept)
    assert files["policy"].count(b"log ") == 2
    audit = audited(files, keys=[VKEY, str(OTHER_KEY.verifier)], kept=kept)
    assert (audit.findings.faults, audit.log.earlier is not None) == ({}, True)
    assert faults(files) == {"earlier/checkpoint": Verdict.WRONG_KEY}


# --- no pack ----------------------------------------------------------------------------------------------------------


def test_of_an_unknown_customer_there_is_nothing_to_prove(house: House) -> None:
    with pytest.raises(errors.NothingSigned, match="no event of customer"):
        house.pack(customer=uuid4())


def test_of_a_customer_who_is_not_signed_yet_there_is_nothing_to_prove(house: House) -> None:
    customer = house.path.accept(registration("Late")).customer_id
    house.signing.seal()
    with pytest.raises(errors.NothingSigned):
        house.pack(customer=customer)
    house.sign()
    assert faults(house.pack(customer=customer)) == {}


def test_a_version_that_is_not_there_cannot_be_disclosed(house: House) -> None:
    with pytest.raises(errors.VersionUnknown) as caught:
        house.pack(Disclosure(parts=frozenset([(999, None)])))
    assert caught.value.version == 999


def test_a_newest_checkpoint_of_another_key_proves_nothing(house: House) -> None:
    file = io.BytesIO()
    with one_moment(house.database) as connection, pytest.raises(errors.NothingSigned, match="proves nothing"):
        write_pack(connection, house.path.keys, [OTHER_KEY.verifier], Asked(house.customer, NONE), file)


# --- what was done to the database ------------------------------------------------------------------------------------


def index_of(house: House, version: int) -> int:
    query = f"SELECT idx FROM ledger.log WHERE stream = '{house.customer}' AND version = {version}"  # noqa: S608 - ours
    ((index,),) = house.signing.rows(query)
    return int(index)


def of(house: House, table: str, version: int) -> str:
    """The condition that picks the customer's rows of a version."""
    return f"{table}.stream = '{house.customer}' AND {table}.version = {version}"


def test_an_edited_entry_is_found(house: House) -> None:
    edited = "convert_to(replace(convert_from(entry, 'UTF8'), 'u-118', 'u-119'), 'UTF8')"
    house.signing.attack(f"UPDATE ledger.event SET entry = {edited} WHERE {of(house, 'event', 2)}")  # noqa: S608 - ours
    assert faults(house.pack()) == {f"entries/{index_of(house, 2)}.tlog-proof": Verdict.TAMPERED}


def test_a_deleted_event_is_found_missing(house: House) -> None:
    house.signing.attack(f"DELETE FROM ledger.event WHERE {of(house, 'event', 3)}")  # noqa: S608 - ours
    assert faults(house.pack()) == {"version 3 of the customer": Verdict.MISSING}


def test_a_ciphertext_that_was_taken_away_without_an_erasure_is_missing(house: House) -> None:
    house.signing.attack(f"DELETE FROM ledger.payload WHERE {of(house, 'payload', 2)} AND part = 0")  # noqa: S608 - ours
    assert faults(house.pack(ALL)) == {f"payload/{index_of(house, 2)}.0.ct": Verdict.MISSING}


def test_an_edited_ciphertext_is_found_and_not_disclosed(house: House) -> None:
    house.signing.attack(f"UPDATE ledger.payload SET ct = ct || 'x' WHERE {of(house, 'payload', 2)}")  # noqa: S608 - ours
    found = faults(house.pack())
    assert set(found.values()) == {Verdict.TAMPERED}
    assert f"payload/{index_of(house, 2)}.0.ct" in found
    with pytest.raises(Tampered):
        house.pack(ALL)


def test_an_entry_that_is_no_json_goes_out_as_it_is(house: House) -> None:
    house.signing.attack(f"UPDATE ledger.event SET entry = '\\x00' WHERE {of(house, 'event', 2)}")  # noqa: S608 - ours
    index = index_of(house, 2)
    files = house.pack(ALL)
    assert files[f"entries/{index}.json"] == b"\0"
    assert faults(files) == {
        f"entries/{index}.json": Verdict.TAMPERED,
        f"entries/{index}.tlog-proof": Verdict.TAMPERED,
        "version 2 of the customer": Verdict.MISSING,
    }


def test_a_relabelled_event_is_told_by_its_entry(house: House) -> None:
    house.signing.attack(f"UPDATE ledger.event SET type = 'customer.archived' WHERE {of(house, 'event', 2)}")  # noqa: S608 - ours
    assert faults(house.pack()) == {}


# --- what was erased --------------------------------------------------------------------------------------------------


def erase(house: House, subject: UUID) -> str:
    """Record in the customer's stream that a subject was erased, as the service does; the event's id."""
    event_id = str(uuid7())
    ((version,),) = house.signing.rows(
        f"SELECT max(version) + 1 FROM ledger.event WHERE stream = '{house.customer}'"  # noqa: S608 - ours
    )
    sealed = sealed_under(house.path.keys.ensure([RECORDS])[RECORDS], house.customer, version)
    entry = {
        "stream": str(house.customer),
        "version": version,
        "event_id": event_id,
        "type": "customer.personal-data-erased",
        "schema": 1,
        "recorded_at": "2026-11-30T00:00:00.000000Z",
        "actor": "u-301",
        "erases": str(subject),
        "parts": [{"subject": str(RECORDS), **sealed.commitment}],
    }
    with connect(house.database, "dossier_app") as connection:
        row = {"stream": house.customer, "version": version, "entry": orjson.dumps(entry), "ct": sealed.ciphertext}
        connection.execute(
            "INSERT INTO ledger.event (stream, version, type, entry)"
            " VALUES (%(stream)s, %(version)s, 'customer.personal-data-erased', %(entry)s)",
            row,
        )
        connection.execute(
            "INSERT INTO ledger.payload (stream, version, part, ct) VALUES (%(stream)s, %(version)s, 0, %(ct)s)", row
        )
        enqueue(connection, house.customer, version)
    return event_id


class Sealed(NamedTuple):
    """A part, and what an entry says of it."""

    ciphertext: bytes
    commitment: dict[str, str]


def sealed_under(data_key: bytes, stream: UUID, version: int) -> Sealed:
    salt = bytes(cipher.SALT_BYTES)
    sealed = cipher.seal(data_key, salt, b'{"envelope":{},"payload":{}}', cipher.place_of(stream, version, 0))
    commitment = {"salt": salt, "key": sealed.key_commitment, "ct": sealed.ciphertext_hash}
    return Sealed(sealed.ciphertext, {name: base64(value) for name, value in commitment.items()})


def contact_of(house: House) -> UUID:
    of_contact = next(entry for entry in events_in(house.pack()).values() if len(entry["parts"]) == 2)
    return UUID(of_contact["parts"][1]["subject"])


def take_away(house: House, parts: str) -> None:
    """Delete ciphertexts, as the eraser does."""
    house.signing.attack(f"DELETE FROM ledger.payload WHERE stream = '{house.customer}' AND {parts}")  # noqa: S608 - ours


def test_parts_that_were_erased_are_stated_with_the_event(house: House) -> None:
    by = erase(house, contact_of(house))
    take_away(house, "part = 1")
    house.sign()
    told, archive = house.packed(ALL)
    audit = audited(contents(archive), keys=[VKEY])
    assert audit.findings.faults == {}
    assert told.erased == len(audit.findings.erased) > 0
    assert all(by in finding.detail for finding in audit.findings.erased)
    assert b"Zhang San" not in b"".join(contents(archive).values())


def test_a_part_that_is_just_being_erased_is_stated_erased_and_not_given_away(house: House) -> None:
    """The event is there, the eraser has not come yet: key and ciphertext still are."""
    erase(house, contact_of(house))
    house.sign()
    told, archive = house.packed(ALL)
    assert faults(contents(archive)) == {}
    assert told.erased > 0
    assert b"Zhang San" not in b"".join(contents(archive).values())


def test_a_part_whose_erasure_is_not_signed_yet_is_withheld(house: House) -> None:
    erase(house, contact_of(house))
    told, archive = house.packed(ALL)
    assert faults(contents(archive)) == {}
    assert (told.erased, told.withheld > 0) == (0, True)
    assert b"Zhang San" not in b"".join(contents(archive).values())


def test_there_is_no_pack_while_parts_are_gone_of_which_the_log_cannot_tell_yet(house: House) -> None:
    erase(house, contact_of(house))
    take_away(house, "part = 1")
    with pytest.raises(errors.NotSealedYet):
        house.pack()
    house.sign()
    assert faults(house.pack()) == {}


def test_of_a_customer_who_was_erased_the_entries_remain(house: House) -> None:
    before = house.packed(ALL)[0]
    by = erase(house, house.customer)
    take_away(house, f"version < {before.events + 1}")
    house.sign()
    told, archive = house.packed(ALL)
    audit = audited(contents(archive), keys=[VKEY])
    assert audit.findings.faults == {}
    assert told.erased == before.disclosed
    assert audit.stream.events == before.events + 1
    assert all(by in finding.detail for finding in audit.findings.erased)


def test_an_erasing_entry_that_is_no_json_erases_nothing(house: House) -> None:
    erase(house, house.customer)
    house.signing.attack("UPDATE ledger.event SET entry = 'x' WHERE type = 'customer.personal-data-erased'")
    house.sign()
    assert house.packed(ALL)[0].erased == 0
