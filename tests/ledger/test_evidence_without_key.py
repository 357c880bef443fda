"""A key that is destroyed although no event of the stream says so: its parts are withheld, never an error."""

from __future__ import annotations

from tests.ledger.destroying import destroy
from tests.ledger.test_evidence import ALL, House, contents, faults, house

__all__ = ["house"]


def test_parts_of_a_destroyed_key_are_withheld_while_they_are_still_there(house: House) -> None:
    everything = house.packed(ALL)[0]
    destroy(house.database, house.customer)
    house.path.keys.forget(house.customer)
    told, archive = house.packed(ALL)
    assert faults(contents(archive)) == {}
    assert 0 < told.disclosed < everything.disclosed
    assert told.disclosed + told.withheld == everything.disclosed
