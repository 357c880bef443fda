"""The verifier of evidence packs: what it proves of a genuine one, and that every attack is named with its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import cipher
from ledger.pack import verify
from ledger.pack.verify import Verdict
from tests.ledger.forge import (
    CONTACT,
    CUSTOMER,
    FOREIGN_KEY,
    KEY,
    OTHER_CUSTOMER,
    RECORDS,
    Event,
    Files,
    Forge,
    Log,
    audited,
    erasing,
    event,
    resealed,
)

VKEY = str(KEY.verifier)


def told(version: int) -> Event:
    return event(version, {CUSTOMER: {"payload": {"n": version}}, CONTACT: {"payload": {"name": "王芳"}}})


FORGE = Forge([told(1), told(2), told(3), told(4)])
LOG = FORGE.log
FIRST, SECOND, THIRD, FOURTH = FORGE.places
GENUINE = FORGE.files(earlier=5, disclosed=[2])

ERASED_FORGE = Forge([told(1), told(2), erasing(3, CONTACT), event(4, {CUSTOMER: {}})])
ERASED = ERASED_FORGE.files(
    disclosed=[1, 3], erased={f"{index}.1": ERASED_FORGE.events[2] for index in list(ERASED_FORGE.places)[:2]}
)


def faults(audit: verify.Audit) -> dict[str, Verdict]:
    return {place: finding.verdict for place, finding in audit.findings.faults.items()}


# --- genuine packs ----------------------------------------------------------------------------------------------------


def test_entries_that_name_the_customer_in_its_own_parts_hold_and_are_erased_as_well() -> None:
    by_both = {CUSTOMER: {"payload": {"n": 1}}, CONTACT: {"payload": {"name": "王芳"}}}
    forge = Forge([event(1, by_both, names_itself=True), event(2, by_both), erasing(3, CUSTOMER)])
    gone = {f"{index}.{part}": forge.events[2] for index in list(forge.places)[:2] for part in (0, 1)}
    for files in (forge.files(disclosed=[1, 2]), forge.files(erased=gone)):
        audit = audited(files, keys=[VKEY])
        assert (faults(audit), audit.findings.exit_code) == ({}, 0)


def test_a_genuine_pack_holds() -> None:
    audit = audited(GENUINE, keys=[VKEY])
    assert (faults(audit), audit.findings.exit_code) == ({}, 0)
    assert audit.stream.events == 4
    assert audit.stream.parts == {"disclosed": 2, "withheld": 6}
    assert audit.log.earlier is not None
    assert audit.log.earlier.size == 5
    assert verify.report_of(audit).splitlines()[-2].startswith("HOLDS: all 4 events")


def test_without_a_key_the_report_says_that_the_packs_own_was_believed() -> None:
    audit = audited(GENUINE)
    assert audit.findings.exit_code == 0
    assert "this key came with the pack" in verify.report_of(audit)
    assert "this key came with the pack" not in verify.report_of(audited(GENUINE, keys=[VKEY]))


def test_what_was_erased_is_told_with_the_event_and_is_no_fault() -> None:
    audit = audited(ERASED, keys=[VKEY])
    assert (faults(audit), audit.findings.exit_code) == ({}, 0)
    assert [finding.verdict for finding in audit.findings.erased] == [Verdict.ERASED] * 2
    by = ERASED_FORGE.events[2].members
    assert all(by["event_id"] in finding.detail for finding in audit.findings.erased)
    assert audit.stream.parts == {"disclosed": 2, "withheld": 2, "erased": 2}


def test_the_erasure_of_a_customer_explains_that_its_whole_file_is_gone_but_not_the_records_of_it() -> None:
    forge = Forge([told(1), erasing(2, CONTACT), erasing(3, CUSTOMER)])
    first, second, _ = forge.places
    by = forge.events[2]
    assert audited(forge.files(erased={f"{first}.0": by, f"{first}.1": by})).findings.exit_code == 0
    wrongly = audited(forge.files(erased={f"{second}.0": by}))
    assert faults(wrongly) == {f"payload/{second}.0.erased": Verdict.TAMPERED}


def test_a_checkpoint_that_the_auditor_kept_is_proved_by_the_one_in_the_pack() -> None:
    audit = audited(GENUINE, keys=[VKEY], kept=LOG.note(5))
    assert faults(audit) == {}
    assert audit.log.earlier is not None


@pytest.mark.parametrize("size", [0, len(LOG.entries)])
def test_a_kept_checkpoint_of_nothing_or_of_the_same_log_needs_no_proof(size: int) -> None:
    assert faults(audited(FORGE.files(), keys=[VKEY], kept=LOG.note(size))) == {}


@pytest.mark.parametrize("earlier", range(len(LOG.entries) + 1))
def test_every_earlier_size_is_proved(earlier: int) -> None:
    assert faults(audited(FORGE.files(earlier=earlier))) == {}


@pytest.mark.parametrize(("before", "between"), [(0, 0), (1, 0), (0, 1), (7, 0), (252, 1), (300, 40)])
def test_events_are_proved_wherever_they_stand(before: int, between: int) -> None:
    forge = Forge([told(1), told(2), told(3)], before, between)
    assert faults(audited(forge.files(earlier=len(forge.log.entries) // 2, disclosed=[1, 2, 3]))) == {}


def test_signatures_of_others_are_passed_over() -> None:
    witnessed = LOG.note() + LOG.note(key=FOREIGN_KEY).rpartition(b"\n\n")[2]
    files = {
        name: content.replace(LOG.note(), witnessed) if b"tlog-proof" in content[:20] else content
        for name, content in FORGE.files().items()
    }
    assert faults(audited(resealed({**files, "checkpoint": witnessed}), keys=[VKEY])) == {}


# --- attacks, with a manifest that fits -------------------------------------------------------------------------------

Attack = Callable[[Files], Files]


def changed(name: str, content: bytes) -> Attack:
    return lambda files: {**files, name: content}


def without(*names: str) -> Attack:
    return lambda files: {name: content for name, content in files.items() if name not in names}


def swapped(one: str, other: str) -> Attack:
    return lambda files: {**files, one: files[other], other: files[one]}


def replaced(name: str, old: bytes, new: bytes) -> Attack:
    def attack(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new)}

    return attack


def rewritten_log(files: Files) -> Files:
    """Another history, whole and consistent, signed by somebody else's key under the log's name."""
    thief = type(KEY)(KEY.name, b"t" * 32)
    forged = Forge([event(n, {CUSTOMER: {"payload": {"n": 99}}, CONTACT: {}}) for n in (1, 2, 3, 4)], key=thief)
    del files
    return forged.files()


TAMPERED, WRONG_KEY, MISSING, UNEXPECTED = Verdict.TAMPERED, Verdict.WRONG_KEY, Verdict.MISSING, Verdict.UNEXPECTED

ATTACKS: dict[str, tuple[Attack, dict[str, Verdict]]] = {
    "an entry is edited": (
        replaced(f"entries/{SECOND}.json", b"u-118", b"u-119"),
        {f"entries/{SECOND}.tlog-proof": TAMPERED},
    ),
    "an entry is no JSON": (
        changed(f"entries/{SECOND}.json", b"{"),
        {
            f"entries/{SECOND}.tlog-proof": TAMPERED,
            f"entries/{SECOND}.json": TAMPERED,
            "version 2 of the customer": MISSING,
        },
    ),
    "two entries change places": (
        swapped(f"entries/{SECOND}.json", f"entries/{THIRD}.json"),
        {
            f"entries/{SECOND}.tlog-proof": TAMPERED,
            f"entries/{THIRD}.tlog-proof": TAMPERED,
            f"entries/{THIRD}.json": TAMPERED,
            "version 2 of the customer": MISSING,
            **{f"payload/{index}.{part}.ct": TAMPERED for index in (SECOND, THIRD) for part in (0, 1)},
        },
    ),
    "an entry is left out": (
        without(f"entries/{THIRD}.json"),
        {f"entries/{THIRD}.json": MISSING, "version 3 of the customer": MISSING},
    ),
    "a proof is left out": (without(f"entries/{THIRD}.tlog-proof"), {f"entries/{THIRD}.tlog-proof": MISSING}),
    "a proof is of another entry": (
        lambda files: {**files, f"entries/{THIRD}.tlog-proof": files[f"entries/{SECOND}.tlog-proof"]},
        {f"entries/{THIRD}.tlog-proof": TAMPERED},
    ),
    "a proof is against another checkpoint": (
        changed(f"entries/{FIRST}.tlog-proof", Log(LOG.entries[:-1]).inclusion(FIRST)),
        {f"entries/{FIRST}.tlog-proof": TAMPERED},
    ),
    "a proof is cut short": (
        lambda files: {
            **files,
            f"entries/{FIRST}.tlog-proof": b"\n".join(
                line for n, line in enumerate(files[f"entries/{FIRST}.tlog-proof"].split(b"\n")) if n != 2
            ),
        },
        {f"entries/{FIRST}.tlog-proof": TAMPERED},
    ),
    "the checkpoint claims another size": (
        replaced("checkpoint", b"\n%d\n" % len(LOG.entries), b"\n%d\n" % (len(LOG.entries) + 1)),
        {
            "checkpoint": TAMPERED,
            "earlier/consistency": TAMPERED,
            **{f"entries/{index}.tlog-proof": TAMPERED for index in FORGE.places},
        },
    ),
    "the checkpoint is of another log": (
        changed("checkpoint", LOG.note(origin="log.example/another")),
        {
            "checkpoint": WRONG_KEY,
            "earlier/consistency": TAMPERED,
            **{f"entries/{index}.tlog-proof": TAMPERED for index in FORGE.places},
        },
    ),
    "the checkpoint is no note": (
        changed("checkpoint", b"nothing\n"),
        {
            "checkpoint": TAMPERED,
            **{f"entries/{index}.tlog-proof": TAMPERED for index in FORGE.places},
        },
    ),
    "all is signed by somebody else under the log's name": (
        rewritten_log,
        {"policy": WRONG_KEY, "checkpoint": WRONG_KEY},
    ),
    "the policy names another log": (
        changed("policy", f"log {FOREIGN_KEY.verifier}\nquorum none\n".encode()),
        {"policy": WRONG_KEY},
    ),
    "the policy asks for witnesses": (
        changed("policy", f"log {VKEY}\nwitness w {FOREIGN_KEY.verifier}\nquorum w\n".encode()),
        {"policy": TAMPERED},
    ),
    "an event of the middle is left out": (
        without(*(name for name in GENUINE if f"/{SECOND}." in name)),
        {"version 2 of the customer": MISSING},
    ),
    "the first events are left out": (
        without(*(name for name in GENUINE if f"/{FIRST}." in name or f"/{SECOND}." in name)),
        {"versions 1 to 2 of the customer": MISSING},
    ),
    "the last event is left out": (
        without(*(name for name in GENUINE if f"/{FOURTH}." in name)),
        {"version 4 of the customer": MISSING},
    ),
    "a ciphertext is edited": (
        lambda files: {**files, f"payload/{FIRST}.0.ct": files[f"payload/{FIRST}.0.ct"][:-1] + b"x"},
        {f"payload/{FIRST}.0.ct": TAMPERED},
    ),
    "ciphertexts change places": (
        swapped(f"payload/{FIRST}.0.ct", f"payload/{FIRST}.1.ct"),
        {f"payload/{FIRST}.0.ct": TAMPERED, f"payload/{FIRST}.1.ct": TAMPERED},
    ),
    "a ciphertext is gone": (without(f"payload/{FIRST}.1.ct"), {f"payload/{FIRST}.1.ct": MISSING}),
    "a ciphertext is gone and called erased by an event that erases nothing": (
        lambda files: without(f"payload/{FIRST}.1.ct")(
            {**files, f"payload/{FIRST}.1.erased": statement(FORGE.events[1].members["event_id"])}
        ),
        {f"payload/{FIRST}.1.erased": MISSING},
    ),
    "a ciphertext is gone and called erased by an event that nobody knows": (
        lambda files: without(f"payload/{FIRST}.1.ct")({**files, f"payload/{FIRST}.1.erased": statement(str(uuid4()))}),
        {f"payload/{FIRST}.1.erased": MISSING},
    ),
    "a ciphertext is there and called erased": (
        changed(f"payload/{FIRST}.1.erased", b'{"by": "x"}\n'),
        {f"payload/{FIRST}.1.ct": UNEXPECTED, f"payload/{FIRST}.1.erased": MISSING},
    ),
    "a disclosed text is edited": (
        replaced(f"disclosure/{SECOND}.0.json", b"2", b"3"),
        {f"disclosure/{SECOND}.0.json": TAMPERED},
    ),
    "a key is another one": (
        changed(f"disclosure/{SECOND}.0.key", base64.b64encode(bytes(32)) + b"\n"),
        {f"disclosure/{SECOND}.0.key": WRONG_KEY},
    ),
    "the keys of two parts change places": (
        swapped(f"disclosure/{SECOND}.0.key", f"disclosure/{SECOND}.1.key"),
        {f"disclosure/{SECOND}.0.key": WRONG_KEY, f"disclosure/{SECOND}.1.key": WRONG_KEY},
    ),
    "a key is none": (changed(f"disclosure/{SECOND}.0.key", b"key\n"), {f"disclosure/{SECOND}.0.key": TAMPERED}),
    "a key is withheld and its text is not": (
        without(f"disclosure/{SECOND}.0.key"),
        {f"disclosure/{SECOND}.0.key": MISSING},
    ),
    "a text is withheld and its key is not": (
        without(f"disclosure/{SECOND}.0.json"),
        {f"disclosure/{SECOND}.0.json": MISSING},
    ),
    "the earlier checkpoint is gone": (without("earlier/checkpoint"), {"earlier/checkpoint": MISSING}),
    "the proof of growth is gone": (without("earlier/consistency"), {"earlier/consistency": MISSING}),
    "the earlier checkpoint is of another history": (
        changed("earlier/checkpoint", Log([b"other", *LOG.entries[1:]]).note(5)),
        {"earlier/consistency": TAMPERED},
    ),
    "the earlier checkpoint is somebody else's": (
        changed("earlier/checkpoint", LOG.note(5, origin=FOREIGN_KEY.name, key=FOREIGN_KEY)),
        {"earlier/checkpoint": WRONG_KEY},
    ),
    "an event of another customer is put in": (
        lambda files: {**files, **strangers_event()},
        {"entries/0.json": UNEXPECTED, "entries/0.tlog-proof": TAMPERED},
    ),
    "a file is put in that belongs nowhere": (changed("notes.txt", b"hello"), {"notes.txt": UNEXPECTED}),
    "a part is put in that no entry names": (
        changed(f"payload/{FIRST}.7.ct", b"x"),
        {f"payload/{FIRST}.7.ct": UNEXPECTED},
    ),
    "a number is written in another way": (
        lambda files: {**files, f"entries/0{FIRST}.json": files[f"entries/{FIRST}.json"]},
        {f"entries/0{FIRST}.json": UNEXPECTED},
    ),
    "a schema is no JSON": (
        changed("schemas/customer.told.v1.json", b"{"),
        {"schemas/customer.told.v1.json": TAMPERED},
    ),
    "the README is gone": (without("README.md"), {"README.md": MISSING}),
}


def statement(event_id: str) -> bytes:
    return json.dumps({"by": event_id}).encode() + b"\n"


def strangers_event() -> Files:
    stranger = event(1, {OTHER_CUSTOMER: {}}, stream=OTHER_CUSTOMER)
    return {
        "entries/0.json": stranger.entry,
        "entries/0.tlog-proof": LOG.inclusion(0),
        "payload/0.0.ct": stranger.ciphertexts[0],
    }


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_named_with_its_place(attack: str) -> None:
    commit, expected = ATTACKS[attack]
    audit = audited(resealed(commit(dict(GENUINE))), keys=[VKEY])
    assert faults(audit) == expected
    graver = [verdict for verdict in Verdict if verdict in expected.values()]
    assert audit.findings.exit_code == graver[0].exit_code
    assert "DOES NOT HOLD" in verify.report_of(audit)


def test_a_second_key_that_opens_the_ciphertext_to_another_text_is_refused() -> None:
    """AES-GCM would take it: the commitment of the entry is what tells them apart."""
    genuine = told(1)
    number, part = 0, json.loads(genuine.entry)["parts"][0]
    ciphertext = genuine.ciphertexts[number]
    wrong = verify.Commitment(str(CUSTOMER), base64.b64decode(part["key"]), base64.b64decode(part["ct"]))
    entry = verify.entry_in(0, genuine.entry)
    place = verify.place_of(entry, number)
    assert verify.opened_part(genuine.keys[number], wrong, ciphertext, place) == genuine.plaintexts[number]
    with pytest.raises(verify.Fault) as caught:
        verify.opened_part(bytes(32), wrong, ciphertext, place)
    assert caught.value.verdict is WRONG_KEY


def test_a_ciphertext_that_the_entry_itself_took_from_elsewhere_does_not_open() -> None:
    """Whoever wrote the entry committed to another event's ciphertext and key: it is bound to its place."""
    first, second = told(1), told(2)
    members = second.members
    members["parts"][0] |= {name: first.members["parts"][0][name] for name in ("key", "ct", "salt")}
    moved = replace(
        second,
        entry=json.dumps(members).encode(),
        ciphertexts=[first.ciphertexts[0], second.ciphertexts[1]],
        keys=[first.keys[0], second.keys[1]],
    )
    forge = Forge([first, moved])
    place = f"disclosure/{list(forge.places)[1]}.0.key"
    assert faults(audited(forge.files(disclosed=[2]))) == {place: TAMPERED}


def test_a_log_that_repeats_a_version_is_named() -> None:
    forge = Forge([told(1), told(2), told(2)])
    third = list(forge.places)[2]
    assert faults(audited(resealed(forge.files()))) == {
        f"entries/{third}.json": TAMPERED,
        "version 3 of the customer": MISSING,
    }


def test_an_erasure_of_somebody_else_explains_nothing() -> None:
    forge = Forge([told(1), erasing(2, uuid4())])
    first = next(iter(forge.places))
    audit = audited(forge.files(erased={f"{first}.1": forge.events[1]}))
    assert faults(audit) == {f"payload/{first}.1.erased": TAMPERED}


def test_an_erasure_explains_nothing_that_came_after_it() -> None:
    forge = Forge([erasing(1, CONTACT), told(2)])
    second = list(forge.places)[1]
    audit = audited(forge.files(erased={f"{second}.1": forge.events[0]}))
    assert faults(audit) == {f"payload/{second}.1.erased": TAMPERED}


def test_an_erasing_event_of_another_customer_explains_nothing() -> None:
    forge = Forge([told(1), erasing(1, CONTACT, OTHER_CUSTOMER)])
    first, second = forge.places
    assert faults(audited(forge.files(erased={f"{first}.1": forge.events[1]}))) == {
        f"payload/{first}.1.erased": MISSING,
        f"entries/{second}.json": UNEXPECTED,
    }


def test_the_records_of_erasures_are_never_erased_with_a_file() -> None:
    assert str(RECORDS) == verify.RECORDS_SUBJECT


# --- checkpoints that the auditor kept --------------------------------------------------------------------------------

KEPT: dict[str, tuple[bytes, Verdict]] = {
    "without a proof in the pack": (LOG.note(6), MISSING),
    "younger than the pack": (Log([*LOG.entries, b"more"]).note(), MISSING),
    "of the same size and another root": (Log([b"other", *LOG.entries[1:]]).note(), TAMPERED),
    "of the packed size and another root": (Log([b"other", *LOG.entries[1:]]).note(5), TAMPERED),
    "of another log": (LOG.note(5, origin=FOREIGN_KEY.name, key=FOREIGN_KEY), WRONG_KEY),
    "that is no note": (b"\xff\x00", TAMPERED),
    "with a broken signature": (LOG.note(5)[:-6] + b"AAAA=\n", TAMPERED),
}


@pytest.mark.parametrize("which", KEPT)
def test_a_kept_checkpoint_that_proves_nothing_is_named(which: str) -> None:
    kept, verdict = KEPT[which]
    audit = audited(GENUINE, keys=[VKEY], kept=kept)
    assert faults(audit) == {"the checkpoint that you kept": verdict}
    assert audit.log.earlier is None


# --- whatever is done to it -------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(GENUINE)), st.data())
def test_any_changed_byte_of_any_file_is_reported(name: str, data: st.DataObject) -> None:
    content = bytearray(GENUINE[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    audit = audited({**GENUINE, name: bytes(content)}, keys=[VKEY])
    assert audit.findings.exit_code != 0
    assert verify.report_of(audit)
    assert json.dumps(verify.document_of(audit))


HARMLESS = ("README.md", "verify.py")
"""What only explains, or is not what runs."""


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(GENUINE.keys() - {verify.MANIFEST, *HARMLESS})), st.data())
def test_any_changed_byte_of_evidence_is_reported_though_the_manifest_fits(name: str, data: st.DataObject) -> None:
    content = bytearray(GENUINE[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    audit = audited(resealed({**GENUINE, name: bytes(content)}), keys=[VKEY])
    assert audit.findings.exit_code != 0


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(GENUINE)), st.binary(max_size=200))
def test_any_content_ends_in_findings(name: str, content: bytes) -> None:
    audit = audited({**GENUINE, name: content}, keys=[VKEY], kept=content)
    assert audit.findings.exit_code != 0
    assert verify.report_of(audit)


@pytest.mark.parametrize("name", sorted(GENUINE))
def test_any_removed_file_is_named(name: str) -> None:
    audit = audited({other: content for other, content in GENUINE.items() if other != name}, keys=[VKEY])
    assert faults(audit)[name] is MISSING


@given(st.text(min_size=1).filter(lambda name: name not in GENUINE), st.binary())
def test_any_added_file_is_named(name: str, content: bytes) -> None:
    audit = audited({**GENUINE, name: content}, keys=[VKEY])
    named = faults(audit)
    assert name in named or name.startswith(("entries/", "payload/", "disclosure/"))
    assert audit.findings.exit_code != 0


DEEP = b"[" * 100_000


@pytest.mark.parametrize("name", [verify.MANIFEST, f"entries/{FIRST}.json", "policy", "checkpoint"])
@pytest.mark.parametrize("content", [b"", DEEP, b"9" * 10_000, b'{"a":1,"a":2}', b"\xed\xa0\x80", b'"\\ud800"'])
def test_poisoned_text_ends_in_a_finding(name: str, content: bytes) -> None:
    audit = audited({**GENUINE, name: content}, keys=[VKEY])
    assert audit.findings.exit_code != 0
    assert verify.report_of(audit)


def test_a_poisoned_entry_that_stands_in_the_log_is_named_and_hides_nothing() -> None:
    poisoned = replace(told(2), entry=b"\x00no json")
    forge = Forge([told(1), told(1), told(3)])
    forge.events[1] = poisoned
    files: Files = {}
    log = Log([forge.events[0].entry, poisoned.entry, forge.events[2].entry])
    for index, each in enumerate(forge.events):
        files |= {f"entries/{index}.json": each.entry, f"entries/{index}.tlog-proof": log.inclusion(index)}
        files |= {f"payload/{index}.{n}.ct": ciphertext for n, ciphertext in enumerate(each.ciphertexts)}
    always = {name: GENUINE[name] for name in ("README.md", "verify.py", "policy")}
    manifest = {verify.MANIFEST: GENUINE[verify.MANIFEST].replace(b'"events": 4', b'"events": 3')}
    audit = audited(resealed({**always, **files, "checkpoint": log.note(), **manifest}))
    assert faults(audit) == {"entries/1.json": TAMPERED, "version 2 of the customer": MISSING}


def test_nothing_in_a_pack_moves_the_readers_cursor() -> None:
    audit = audited({**GENUINE, "\x1b[2J\u202e\ud800": b""})
    report = verify.report_of(audit)
    assert all(character.isprintable() or character == "\n" for character in report)
    assert report.encode()


def test_a_report_of_thousands_of_findings_is_one_page() -> None:
    audit = audited({**GENUINE, **{f"extra/{number}": b"" for number in range(5000)}})
    assert len(verify.report_of(audit).splitlines()) < 50
    assert len(verify.document_of(audit)["findings"]) == 5000


def test_the_cipher_and_the_verifier_agree_on_places() -> None:
    entry = verify.entry_in(0, told(3).entry)
    assert verify.place_of(entry, 1) == cipher.place_of(CUSTOMER, 3, 1)


def test_no_text_of_a_pack_fills_the_page() -> None:
    audit = audited({**GENUINE, "x" * 100_000: b""})
    assert max(map(len, verify.report_of(audit).splitlines())) < 600
