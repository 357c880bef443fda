from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.errors import UsageError
from cli.importing.mapping import PathMap, UntranslatableValue, attribute_change, read_map
from tests.cli.changes import line, readable

PATHS = {"n": "/identity/legal_name", "i": "/identifiers/LEI", "o": "/owner/ACCOUNT_MANAGER", "t": "/tags/REGION"}


def translated(**columns: Any) -> list[dict[str, Any]]:
    return list(PathMap(PATHS).translate(readable([line(1, **columns)])[0].change))


def test_a_name_is_copied() -> None:
    assert translated(path="n", new="Ada") == [
        {"type": "customer.legal-name-changed", "name": "Ada", "name_kind": "LEGAL"}
    ]


def test_a_removed_name_stays() -> None:
    assert translated(path="n", op="remove", old="Ada") == []


def test_a_removed_owner_stays() -> None:
    assert translated(path="o", op="remove", old="u-1") == []


def test_an_owner_is_assigned() -> None:
    assert translated(path="o", new="u-1") == [
        {"type": "customer.owner-assigned", "role": "ACCOUNT_MANAGER", "to_staff": "u-1"}
    ]


def test_a_changed_identifier_is_revoked_and_recorded() -> None:
    assert [change["type"] for change in translated(path="i", op="change", old=12, new="13")] == [
        "customer.identifier-revoked",
        "customer.identifier-recorded",
    ]


def test_a_removed_identifier_is_revoked_under_its_old_value() -> None:
    assert translated(path="i", op="remove", old=12) == [
        {"type": "customer.identifier-revoked", "scheme": "LEI", "value": "12"}
    ]


def test_a_changed_tag_goes_and_comes() -> None:
    assert translated(path="t", op="change", old="EAST", new="WEST") == [
        {"type": "customer.tag-removed", "group": "REGION", "code": "EAST"},
        {"type": "customer.tag-applied", "group": "REGION", "code": "WEST"},
    ]


def test_a_path_that_is_not_mapped_means_nothing_more() -> None:
    assert translated(path="other") == []


@pytest.mark.parametrize("value", [None, True, 1.5, ["a"], {"a": 1}, "", "  "])
def test_what_is_no_text_cannot_fill_a_slot(value: object) -> None:
    with pytest.raises(UntranslatableValue):
        translated(path="n", new=value)


def test_every_change_is_an_attribute() -> None:
    added, removed = readable([line(1, path="a.b", new=None), line(2, path="a.b", op="remove")])
    assert attribute_change(added.change) == {"type": "customer.attribute-recorded", "key": "a.b", "value": None}
    assert attribute_change(removed.change) == {"type": "customer.attribute-removed", "key": "a.b"}


@pytest.mark.parametrize(
    "target", ["legal_name", "/identity/nickname", "/identifiers/lei", "/tier/VALUE", "/tags/REGION/EAST", "", "/tags/"]
)
def test_a_target_that_we_do_not_have_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="cannot be mapped"):
        PathMap({"a": target})


def test_a_map_file_names_paths(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text('[paths]\n"name.full" = "/identity/legal_name"\n')
    assert read_map(file) == {"name.full": "/identity/legal_name"}


@pytest.mark.parametrize("content", ["[paths", "[path]\na='b'", "[paths]\na = 1", "paths = 3", "\udcff"])
def test_a_map_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "map.toml"
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(UsageError):
        read_map(file)


def test_a_map_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_map(tmp_path / "none.toml")
