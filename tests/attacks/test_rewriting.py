"""A history that was exchanged as a whole fits together; what lies outside of the database does not fit it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ledger.believed import believed
from ledger.errors import ConsistencyNotProved
from ledger.log_errors import NoteUnverified
from ledger.merkle import verify_consistency
from ledger.notes import from_base64
from ledger.verify_published import published_checkpoint, published_findings
from tests.attacks.conftest import name_of
from tests.attacks.rewriting import REWRITTEN, rewrite
from tests.attacks.world import EARLY, SIZE, World
from tests.ledger.forge import audited
from tests.ledger.signing import KEY, OTHER_KEY, numbered
from tests.server import TestServer

BEGINS_OTHERWISE = "the first {} places of the log are not those that were signed"


@pytest.fixture
def rewritten(world: World) -> World:
    with psycopg.connect(world.database) as boss:
        rewrite(boss)
    return world


@pytest.fixture
def stolen(world: World) -> World:
    """Rewritten by somebody who has the signing key as well."""
    with psycopg.connect(world.database) as boss:
        rewrite(boss, thief=KEY)
    return world


# --- everything is rewritten ------------------------------------------------------------------------------------------


def test_a_history_that_is_rewritten_as_a_whole_fits_itself(rewritten: World) -> None:
    """Which is why something must be kept outside."""
    assert rewritten.verifier() == {}
    assert rewritten.scrubber() is None


def test_the_signer_remembers_better(rewritten: World) -> None:
    assert rewritten.signer() == ("HistoryChanged", None)
    with rewritten.signing() as signing:
        signing.grow(*numbered(3))
    assert rewritten.signer() == ("HistoryChanged", None)


@pytest.mark.parametrize("size", [EARLY, SIZE])
def test_an_auditor_with_an_old_checkpoint_sees_it(founded: World, rewritten: World, size: int) -> None:
    assert rewritten.auditor(founded.kept(size)) == BEGINS_OTHERWISE.format(size)


def test_what_was_published_before_is_not_gone_on_with(founded: World, rewritten: World, tmp_path: Path) -> None:
    assert founded.publisher(tmp_path) is None
    with rewritten.signing() as signing:
        signing.signer.close()
        signing.path.unlink()
        signing.grow(*numbered(1))
        assert signing.sign().size == SIZE + 1
    assert rewritten.publisher(tmp_path) == ("HistoryChanged", None)
    assert published_checkpoint(tmp_path, [KEY.verifier]).size == SIZE


# --- an old copy is put back ------------------------------------------------------------------------------------------


def test_an_old_copy_of_the_database_in_its_place_is_noticed_by_all_who_remember(
    server: TestServer, world: World
) -> None:
    with server.database(template=name_of(world.database)) as copy:
        with world.signing() as signing:
            signing.grow(*numbered(5))
            newest = signing.sign()
        assert world.scrubber() is None
        note = world.kept(newest.size)
        old = World(copy, world.outside)
        assert old.verifier() == {}
        assert old.signer() == ("MemoryAhead", SIZE)
        assert old.scrubber() == ("log", SIZE)
        assert old.auditor(note) == f"covers more than the log, which has {SIZE} places"
        with old.signing() as signing:
            signing.grow(*numbered(9, begin=100))
        assert old.signer() == ("HistoryChanged", None)
        assert old.auditor(note) == BEGINS_OTHERWISE.format(SIZE + 5)


# --- the signing key is stolen ----------------------------------------------------------------------------------------


def test_who_has_the_key_too_is_caught_by_what_was_signed_before(founded: World, stolen: World) -> None:
    assert (stolen.verifier(), stolen.scrubber()) == ({}, None)
    assert stolen.signer() == ("AnotherNote", None)
    for size in (EARLY, SIZE):
        assert stolen.auditor(founded.kept(size)) == BEGINS_OTHERWISE.format(size)
    assert stolen.pack(founded.kept(EARLY)) == "HistoryForked"


def test_two_checkpoints_of_one_size_prove_the_fork_to_anybody(founded: World, stolen: World) -> None:
    one, other = (believed(each.kept(SIZE), [KEY.verifier]) for each in (founded, stolen))
    assert (one.origin, one.size) == (other.origin, other.size)
    assert one.root != other.root


def test_no_proof_leads_from_what_was_signed_to_a_fork(founded: World, stolen: World) -> None:
    pack = stolen.packed(stolen.kept(EARLY))
    hashes = [from_base64(line) for line in pack["earlier/consistency"].decode().split("\n\n")[0].splitlines()[1:]]
    early, fork = believed(founded.kept(EARLY), [KEY.verifier]), believed(stolen.kept(SIZE), [KEY.verifier])
    with pytest.raises(ConsistencyNotProved):
        verify_consistency(EARLY, SIZE, hashes, early.root, fork.root)


def test_the_verifier_of_a_pack_tells_a_fork_from_what_was_kept(founded: World, stolen: World) -> None:
    """A service in the thief's hands would not refuse to make the pack."""
    pack = stolen.packed(stolen.kept(EARLY))
    faults = audited(pack, keys=[str(KEY.verifier)], kept=founded.kept(EARLY)).findings.faults
    assert {place: finding.verdict.name for place, finding in faults.items()} == {
        "the checkpoint that you kept": "TAMPERED"
    }


def test_a_key_that_was_not_stolen_but_made_is_not_believed(founded: World, world: World) -> None:
    with psycopg.connect(world.database) as boss:
        rewrite(boss, thief=OTHER_KEY)
    assert world.signer() == ("HistoryChanged", None)
    with pytest.raises(NoteUnverified):
        believed(world.kept(SIZE), [KEY.verifier])
    assert world.pack(founded.kept(EARLY)) == "NothingSigned"


# --- each is shown another history ------------------------------------------------------------------------------------


def test_two_views_hold_each_by_itself_and_not_against_each_other(
    founded: World, stolen: World, tmp_path: Path
) -> None:
    views = {"this": founded, "that": stolen}
    for name, view in views.items():
        assert view.publisher(tmp_path / name) is None
        signed = published_checkpoint(tmp_path / name, [KEY.verifier])
        assert list(published_findings(tmp_path / name, signed)) == []
    kept = believed(founded.kept(EARLY), [KEY.verifier])
    signed = published_checkpoint(tmp_path / "that", [KEY.verifier])
    findings = list(published_findings(tmp_path / "that", signed, against=[kept]))
    assert [(finding.check, finding.place) for finding in findings] == [("root", f"checkpoint of size {EARLY}")]
    assert REWRITTEN < EARLY


# --- the memory is taken as well --------------------------------------------------------------------------------------


def test_without_its_memory_the_signer_signs_nothing_that_was_signed_before(world: World) -> None:
    with world.signing() as signing:
        signing.path.unlink()
    assert world.signer() == ("MemoryMissing", None)


def test_who_takes_memory_key_and_database_is_left_with_those_who_kept_a_checkpoint(
    founded: World, stolen: World
) -> None:
    """The residue: nobody inside can notice this."""
    with stolen.signing() as signing:
        signing.path.write_bytes(stolen.kept(SIZE))
    assert (stolen.verifier(), stolen.scrubber(), stolen.signer()) == ({}, None, None)
    assert stolen.auditor(founded.kept(EARLY)) == BEGINS_OTHERWISE.format(EARLY)
