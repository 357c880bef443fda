"""Idempotency keys: a request repeated is answered again, and never recorded again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from domain.decisions.classification import RemoveAttribute
from domain.errors import IdempotencyKeyReuse, NoChange
from domain.events import Actor
from tests.ledger.writing import (
    USCC,
    Path,
    assert_consistent,
    attribute,
    count,
    order,
    receipt_of,
    registration,
    wait_until,
    write_path,
)


@pytest.fixture
def path(database: str) -> Iterator[Path]:
    with write_path(database) as path:
        yield path


@pytest.fixture
def customer(path: Path) -> UUID:
    return path.accept(registration("Acme")).customer_id


def test_a_repeated_request_gets_the_same_answer(path: Path, database: str) -> None:
    chosen = uuid7()
    submission = registration("Acme", USCC, customer_id=chosen, key="k")
    first = path.accept(submission)
    path.accept(attribute(chosen, "a", 1))
    with write_path(database) as other:
        again = other.accept(submission)
    assert again == first.again()
    assert_consistent(database)


def test_a_repeated_request_within_one_batch_is_recorded_once(path: Path, customer: UUID, database: str) -> None:
    submission = attribute(customer, "a", 1, key="k")
    first, again, reused = path.process(submission, submission, attribute(customer, "a", 2, key="k"))
    assert receipt_of(again) == receipt_of(first).again()
    assert isinstance(reused, IdempotencyKeyReuse)
    assert_consistent(database)


def test_a_repeated_answer_tells_again_what_is_masked(path: Path, customer: UUID, database: str) -> None:
    path.accept(attribute(customer, "a", 2, effective_from=datetime.now(UTC) - timedelta(days=1)))
    submission = attribute(customer, "a", 1, key="k", effective_from=datetime.now(UTC) - timedelta(days=2))
    first = path.accept(submission)
    assert list(first.masked) == [first.version]
    assert first.profile_version < first.version
    with write_path(database) as other:
        assert other.accept(submission) == first.again()
    assert_consistent(database)


def test_a_repeated_answer_names_the_revision_of_then(path: Path, customer: UUID, database: str) -> None:
    """An order that moves nothing that shows leaves the count of boundaries as it was."""
    soon = path.accept(attribute(customer, "a", 2, effective_from=datetime.now(UTC) + timedelta(seconds=0.2)))
    wait_until(database, soon.events[0].envelope.effective_from)
    submission = attribute(customer, "a", 1, key="k", effective_from=datetime.now(UTC) - timedelta(days=2))
    first = path.accept(submission)
    with write_path(database) as other:
        assert other.accept(submission).revision == first.revision
    assert_consistent(database)


@pytest.mark.parametrize(
    "other",
    [
        {"body": "another body"},
        {"actor": Actor(id="u-2")},
        {"body": "another body", "actor": Actor(id="u-2")},
    ],
)
def test_a_key_belongs_to_one_request_of_one_person(
    path: Path, customer: UUID, database: str, other: dict[str, Any]
) -> None:
    path.accept(attribute(customer, "a", 1, key="k"))
    reused = path.process(attribute(customer, "a", 1, key="k", **other))[0]
    assert isinstance(reused, IdempotencyKeyReuse)
    assert_consistent(database)


def test_a_refused_command_leaves_its_key_free(path: Path, customer: UUID, database: str) -> None:
    refused = path.process(order(customer, RemoveAttribute(key="a"), key="k"))[0]
    assert isinstance(refused, NoChange)
    assert count(database, "ledger.idempotency") == 0
    assert not path.accept(attribute(customer, "a", 1, key="k")).replayed
    assert_consistent(database)
