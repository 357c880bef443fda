"""A profile row that another version of the program wrote is not read: the file is folded from its stream."""

from __future__ import annotations

import psycopg

from tests.scenarios.client import Api
from tests.scenarios.service import Service


def test_a_profile_row_of_another_fold_is_folded_anew(service: Service, li_na: Api) -> None:
    file = li_na.register()
    file.record("/attributes", key="k", value=1)
    before, etag = file.profile(), file.etag
    with psycopg.connect(service.conninfo) as connection:
        connection.execute(
            "UPDATE read.profile SET fold_version = 0, state = 'of another time' WHERE customer_id = %s",
            [file.customer_id],
        )
    after = file.profile()
    assert {**after, "basis": None} == {**before, "basis": None}
    assert file.etag == etag
    file.record("/attributes", key="k", value=2)
    assert file.profile()["attributes"] == {"k": 2}
