"""Stories of names and identifiers."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decisions.identity import ChangeLegalName, RecordIdentifier, RevokeIdentifier
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import (
    EffectiveDateOutOfRange,
    EvidenceRequired,
    IdentifierAlreadyClaimed,
    InvalidField,
    NoChange,
    NotCorrectable,
    ObservedAtRequired,
    ReasonRequired,
    UnknownCode,
    UnknownItem,
)
from domain.events.identity import NameKind
from domain.facts import ABSENT
from tests.domain.story import IMPORTER, Story, opened, uid
from tests.make import ONE_PERSON

USCC = ("CN_USCC", "91440300708461136T")
LEI = "HWUPKR0MPOU8FGXBT394"


def test_a_new_legal_name_replaces_the_old_one_from_its_effective_time() -> None:
    story = opened()
    story.do(ChangeLegalName(name="New Name", language="en"), now="2026-02-01", effective_from="2026-01-20")
    assert story.shows("/identity/legal_name", "2026-01-20") == "New Name"
    assert story.shows("/identity/legal_name", "2026-01-19") != "New Name"
    assert story.shows("/identity/legal_name_language") == "en"


def test_a_name_without_a_language_takes_the_old_language_away() -> None:
    story = opened(language="zh-CN")
    story.do(ChangeLegalName(name="Another"))
    assert story.shows("/identity/legal_name_language") is ABSENT


def test_names_of_different_kinds_stand_side_by_side() -> None:
    story = opened()
    story.do(ChangeLegalName(name="Tencent", name_kind=NameKind.TRADING))
    assert story.shows("/identity/trading_name") == "Tencent"
    assert story.shows("/identity/legal_name") == "深圳市腾讯计算机系统有限公司"


def test_a_changed_name_says_when_it_was_learned_and_on_what_evidence_but_a_first_one_need_not() -> None:
    story = opened()
    changed = ChangeLegalName(name="New Name")
    story.refuses(ObservedAtRequired, changed, pointer="/observed_at", observed_at=None)
    story.refuses(EvidenceRequired, changed, pointer="/evidence", evidence=())
    first = ChangeLegalName(name="Short", name_kind=NameKind.SHORT)
    assert len(story.do(first, observed_at=None, evidence=())) == 1


def test_nobody_learns_a_thing_later_than_now() -> None:
    opened().refuses(
        ObservedAtRequired,
        ChangeLegalName(name="N"),
        pointer="/observed_at",
        now="2026-02-01",
        observed_at="2026-02-02",
    )


@pytest.mark.parametrize(
    ("scheme", "written", "kept"),
    [
        ("CN_USCC", "9144 0300 7084 6113 6t", "91440300708461136T"),
        ("LEI", LEI.lower(), LEI),
        ("DUNS", "12-345-6789", "123456789"),
        ("GB_COH", "sc123456", "SC123456"),
        ("VAT", "DE 136,695 976".replace(",", ""), "DE136695976"),
        ("BIOGUIDE", "A000360", "A000360"),
    ],
)
def test_an_identifier_is_kept_in_one_normalised_form(scheme: str, written: str, kept: str) -> None:
    story = opened()
    story.do(RecordIdentifier(scheme=scheme, value=written, issuer="the register"))
    assert story.shows(f"/identifiers/{scheme}/{kept}") == {"issuer": "the register"}
    assert story.whole().claims() == {(scheme, kept)}


@pytest.mark.parametrize("scheme", ["CN_USCC", "LEI", "VAT", "DUNS", "GB_COH", "CN_RIC"])
def test_an_identifier_that_breaks_its_standard_is_refused(scheme: str) -> None:
    opened().refuses(InvalidField, RecordIdentifier(scheme=scheme, value="914403007084TEMPLATE00"), pointer="/value")


def test_a_scheme_has_a_name_in_capitals() -> None:
    opened().refuses(UnknownCode, RecordIdentifier(scheme="uscc", value="1"), pointer="/scheme")


def test_an_identifier_expires_after_it_is_issued() -> None:
    command = RecordIdentifier(scheme="OTHER", value="1", issued_on="2026-01-02", expires_on="2026-01-02")
    opened().refuses(InvalidField, command, pointer="/expires_on")


def test_an_identifier_needs_evidence() -> None:
    opened().refuses(
        EvidenceRequired, RecordIdentifier(scheme=USCC[0], value=USCC[1]), pointer="/evidence", evidence=()
    )


def test_an_identifier_of_another_file_is_refused_and_an_initial_load_is_no_exemption() -> None:
    story, command = opened(), RecordIdentifier(scheme=USCC[0], value=USCC[1])
    story.holders[USCC] = uid(77)
    refusal = story.refuses(IdentifierAlreadyClaimed, command, pointer="/value")
    assert refusal.holder == str(uid(77))
    story.refuses(IdentifierAlreadyClaimed, command, pointer="/value", by=IMPORTER, initial_load=True)


def test_a_file_may_say_more_about_an_identifier_of_its_own() -> None:
    story = with_identifier()
    story.holders[USCC] = story.customer_id
    story.refuses(NoChange, RecordIdentifier(scheme=USCC[0], value=USCC[1]), pointer="")
    story.do(RecordIdentifier(scheme=USCC[0], value=USCC[1], issuer="SAMR"))


def test_asking_for_the_holders_of_a_malformed_identifier_raises_nothing() -> None:
    assert RecordIdentifier(scheme="LEI", value="nonsense").identifiers() == frozenset()
    assert RecordIdentifier(scheme="LEI", value=LEI.lower()).identifiers() == {("LEI", LEI)}


def test_a_revoked_identifier_is_claimed_no_more() -> None:
    story = with_identifier()
    story.do(RevokeIdentifier(scheme=USCC[0], value=USCC[1].lower()))
    assert story.whole().claims() == set()


def test_a_revocation_needs_a_reason_an_identifier_and_may_not_lie_in_the_future() -> None:
    story, revoke = with_identifier(), RevokeIdentifier(scheme=USCC[0], value=USCC[1])
    story.refuses(ReasonRequired, revoke, pointer="/reason", reason=None)
    story.refuses(EffectiveDateOutOfRange, revoke, pointer="/effective_from", effective_from="2026-12-01")
    story.refuses(UnknownItem, RevokeIdentifier(scheme="LEI", value=LEI), pointer="/value")


def test_an_identifier_is_claimed_before_and_after_its_valid_time() -> None:
    story = opened()
    command = RecordIdentifier(scheme=USCC[0], value=USCC[1])
    story.do(command, now="2026-02-01", effective_from="2026-03-01", effective_to="2026-04-01")
    assert story.whole().claims() == {USCC}
    story.now = story.now.replace(year=2027)
    assert story.whole().claims() == {USCC}


def test_an_identifier_recorded_after_a_revocation_is_not_given_up_by_the_clock() -> None:
    """Else who holds it would depend on when somebody looked; for its expiry there is a field."""
    story, again = with_identifier(), RecordIdentifier(scheme=USCC[0], value=USCC[1])
    story.do(RevokeIdentifier(scheme=USCC[0], value=USCC[1]), now="2026-03-01")
    ending: dict[str, Any] = {"effective_from": "2026-03-02", "effective_to": "2026-04-01"}
    story.refuses(EffectiveDateOutOfRange, again, pointer="/effective_to", now="2026-03-02", **ending)
    [recorded] = story.do(again, now="2026-03-02")
    shortened = CorrectFact(corrects=recorded.envelope.event_id, replacement={})
    story.refuses(EffectiveDateOutOfRange, shortened, pointer="/effective_to", now="2026-03-03", **ending)
    said_more = RecordIdentifier(scheme=USCC[0], value=USCC[1], issuer="SAMR")
    story.do(said_more, now="2026-03-03", **ending)
    retraction = RetractFact(retracts=recorded.envelope.event_id)
    story.refuses(EffectiveDateOutOfRange, retraction, pointer="", now="2026-03-03")
    assert story.whole().claims() == {USCC}
    story.do(retraction, now="2026-04-01")
    assert story.whole().claims() == set()


def test_a_claim_once_given_up_comes_back_neither_by_retraction_nor_by_correction_of_its_revocation() -> None:
    story = with_identifier()
    [revoked] = story.do(RevokeIdentifier(scheme=USCC[0], value=USCC[1]), now="2026-03-01")
    event_id = revoked.envelope.event_id
    story.refuses(NotCorrectable, RetractFact(retracts=event_id), pointer="", now="2026-03-02")
    later = CorrectFact(corrects=event_id, replacement={})
    story.refuses(NotCorrectable, later, pointer="", now="2026-03-02", effective_from="2026-05-01")
    story.do(CorrectFact(corrects=event_id, replacement={}), effective_from="2026-02-20")


def test_a_mistaken_identifier_is_released_by_retraction() -> None:
    story = with_identifier()
    story.do(RetractFact(retracts=story.events[-1].envelope.event_id))
    assert story.whole().claims() == set()


def with_identifier() -> Story:
    story = opened()
    story.policy = ONE_PERSON
    story.do(RecordIdentifier(scheme=USCC[0], value=USCC[1]), now="2026-02-01")
    return story
