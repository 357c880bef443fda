"""One of several processes that write to the same files, each in an order of its own; a program.

    python -m tests.concurrency.rival DATABASE NAME

Each line it reads is a round: `{"round": 7, "customers": [...]}`. It makes a batch of everything that rivals can meet
on (versions, identifiers given up and claimed, idempotency keys, new files and so their data keys), shuffles it, has it
decided and saved, and answers with a line that counts the outcomes by kind.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from uuid import NAMESPACE_OID, UUID, uuid5

from uuid_utils.compat import uuid7

from cli.logs import configure_logging
from domain.decisions.identity import RecordIdentifier, RevokeIdentifier
from domain.errors import Refusal
from ledger.records import Outcome, Submission
from tests.ledger.writing import Path, attribute, order, registration, write_path

IDENTIFIERS = 6
"""How many identifiers the customers hand to each other."""


def rounds(path: Path, dice: random.Random, name: str) -> None:
    for line in sys.stdin:
        told = json.loads(line)
        batch = _batch(told["round"], [UUID(customer) for customer in told["customers"]], dice, name)
        dice.shuffle(batch)
        counted = Counter(map(_kind, path.process(*batch)))
        sys.stdout.write(json.dumps(counted) + "\n")
        sys.stdout.flush()


def _batch(number: int, customers: Sequence[UUID], dice: random.Random, name: str) -> list[Submission]:
    """Attributes are one's own; identifiers and the requests with a key are those of every rival."""
    own = [attribute(customer, name, number) for customer in customers]
    handed_on = [
        order(
            dice.choice(customers), dice.choice([RecordIdentifier, RevokeIdentifier])(scheme="REGISTER", value=str(n))
        )
        for n in range(IDENTIFIERS)
    ]
    repeated = [attribute(customer, f"of all {number}", 1, key=f"{number} {customer}") for customer in customers]
    opened = [
        registration("one of all", ("REGISTER", f"{number}-{n}"), customer_id=_shared(number, n), key=f"{number} {n}")
        for n in range(3)
    ]
    return own + handed_on + repeated + opened


def _shared(number: int, n: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"{number}-{n}")


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Exception):
        return "refused" if isinstance(outcome, Refusal) else type(outcome).__name__
    return "replayed" if outcome.replayed else "recorded"


def _hesitant(dice: random.Random) -> UUID:
    """A new id; now and then it takes a while, so that others' transactions come and go while a batch is decided."""
    if dice.random() < 0.02:
        time.sleep(dice.uniform(0, 0.01))
    return uuid7()


def main() -> None:
    configure_logging()
    database, name = sys.argv[1:]
    dice = random.Random(name)  # noqa: S311 - no secret
    with write_path(database, new_id=lambda: _hesitant(dice)) as path:
        rounds(path, dice, name)


if __name__ == "__main__":
    main()
