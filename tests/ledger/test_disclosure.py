"""One part's key: opens that part and nothing else, and each way in which it does not open has a name of its own."""

from __future__ import annotations

import os

import orjson
import pytest

from domain.events.contacts import ContactAdded
from ledger import codec, errors
from ledger.disclosure import key_of_part, open_part
from tests.ledger.examples import CONTACT, CUSTOMER, EXAMPLES

DATA_KEYS = {CUSTOMER: b"c" * 32, CONTACT: b"p" * 32}
EVENT = codec.checked(codec.encode(EXAMPLES[ContactAdded.type], DATA_KEYS))
BUSINESS, PERSONAL = 0, 1


def without(part: int) -> codec.Checked:
    return EVENT._replace(ciphertexts={number: ct for number, ct in EVENT.ciphertexts.items() if number != part})


def test_the_key_of_a_part_opens_it() -> None:
    opened = open_part(EVENT, PERSONAL, key_of_part(EVENT, PERSONAL, DATA_KEYS))
    assert orjson.loads(opened)["payload"]


def test_it_opens_no_other_part() -> None:
    with pytest.raises(errors.WrongKey) as caught:
        open_part(EVENT, BUSINESS, key_of_part(EVENT, PERSONAL, DATA_KEYS))
    assert (caught.value.part, caught.value.subject) == (BUSINESS, str(CUSTOMER))


def test_it_opens_no_part_of_another_event_of_the_same_subject() -> None:
    another = codec.checked(codec.encode(EXAMPLES[ContactAdded.type], DATA_KEYS))
    with pytest.raises(errors.WrongKey):
        open_part(another, PERSONAL, key_of_part(EVENT, PERSONAL, DATA_KEYS))


def test_it_still_opens_once_the_data_key_is_gone() -> None:
    key = key_of_part(EVENT, PERSONAL, DATA_KEYS)
    with pytest.raises(errors.DataKeyMissing):
        key_of_part(EVENT, PERSONAL, {CUSTOMER: DATA_KEYS[CUSTOMER]})
    assert open_part(EVENT, PERSONAL, key)


def test_an_erased_part_has_no_key_to_disclose_and_opens_by_none() -> None:
    key = key_of_part(EVENT, PERSONAL, DATA_KEYS)
    with pytest.raises(errors.PartMissing):
        key_of_part(without(PERSONAL), PERSONAL, DATA_KEYS)
    with pytest.raises(errors.PartMissing) as caught:
        open_part(without(PERSONAL), PERSONAL, key)
    assert (caught.value.part, caught.value.subject) == (PERSONAL, str(CONTACT))


@pytest.mark.parametrize("at", [0, -1])
def test_an_altered_part_is_tampered_with_whatever_the_key(at: int) -> None:
    ciphertext = bytearray(EVENT.ciphertexts[PERSONAL])
    ciphertext[at] ^= 1
    altered = EVENT._replace(ciphertexts={**EVENT.ciphertexts, PERSONAL: bytes(ciphertext)})
    for key in (key_of_part(EVENT, PERSONAL, DATA_KEYS), os.urandom(32)):
        with pytest.raises(errors.Tampered):
            open_part(altered, PERSONAL, key)


def test_the_other_parts_ciphertext_in_its_place_is_tampered_with() -> None:
    swapped = EVENT._replace(ciphertexts={BUSINESS: EVENT.ciphertexts[PERSONAL], PERSONAL: EVENT.ciphertexts[BUSINESS]})
    with pytest.raises(errors.Tampered):
        open_part(swapped, PERSONAL, key_of_part(EVENT, PERSONAL, DATA_KEYS))


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), bytes(33)])
def test_a_key_that_is_none_is_the_wrong_one(key: bytes) -> None:
    with pytest.raises(errors.WrongKey):
        open_part(EVENT, PERSONAL, key)


def test_a_key_that_does_not_fit_is_not_given_away() -> None:
    with pytest.raises(errors.WrongKey):
        key_of_part(EVENT, PERSONAL, {**DATA_KEYS, CONTACT: b"x" * 32})


@pytest.mark.parametrize("part", [-1, 2, 65_536])
def test_a_part_that_the_entry_does_not_name_is_told(part: int) -> None:
    with pytest.raises(errors.EntryMismatch, match="names no part"):
        key_of_part(EVENT, part, DATA_KEYS)
    with pytest.raises(errors.EntryMismatch, match="names no part"):
        open_part(EVENT, part, bytes(32))
