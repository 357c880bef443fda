"""What waits for a second person: the table says at every position what the file says then, as the past file does."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
import psycopg
from hypothesis import HealthCheck, given, settings

from api.encoding import to_json
from db.pool import connect
from db.queries import load
from domain.decisions.privacy import ApproveErasure, PlaceLegalHold, RequestErasure
from domain.decisions.tier import ApproveTierReassignment, RejectTierReassignment, RequestTierReassignment
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from domain.events.privacy import LegalBasis
from domain.events.proposals import ChangeProposed
from domain.file import CustomerFile
from domain.pending import PendingRequest, RequestKind, pending_requests
from projections.approvals import Inbox, inbox
from projections.basis import Basis
from projections.past import file_at
from projections.rebuild import Watch, check
from tests.domain.private_histories import LI_LEI, OFFICER, SECOND, histories
from tests.domain.story import APPROVER, CLERK, Story, opened, uid
from tests.ledger.examples import CONTACT, EXAMPLES
from tests.ledger.writing import KEK
from tests.make import Stream
from tests.projections.world import World, a_world
from tests.server import TestServer

_OPEN = """
    SELECT kind, request_id, requester, requester_for, reason, expires_at, event_id, version, subject, about,
           CASE WHEN agreed <= %(position)s THEN agreed_by END
    FROM read.approvals
    WHERE opened <= %(position)s AND (closed IS NULL OR closed > %(position)s)
    ORDER BY opened
"""


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_what_waits_at_a_position_is_what_the_file_says_then(server: TestServer, story: Story) -> None:
    with server.database() as database, a_world(database) as world:
        told_and_compared(world, story)


def test_an_approval_that_waits_for_a_hold_and_a_request_that_was_decided(world: World) -> None:
    told_and_compared(world, with_requests())


def test_an_inbox_is_read_page_by_page_at_one_position(world: World) -> None:
    story = with_requests()
    world.project(*story.events)
    now, end = story.now, len(story.events)
    ask = partial(inbox, position=end, valid_at=now, limit=1)
    first = world.read(lambda connection: ask(connection, wanted=Inbox()))
    second = world.read(lambda connection: ask(connection, wanted=Inbox(), after=first[0]["opened"]))
    assert [(row["kind"], row["approved_by"], row["owner"]) for row in (*first, *second)] == [
        ("ERASURE", "u-502", "u-204"),
        ("TIER", None, "u-204"),
    ]
    story.do(RejectTierReassignment(request_id=uid(71)), by=APPROVER, reason=None, evidence=())
    world.project(*story.events[end:])
    assert world.read(lambda connection: ask(connection, wanted=Inbox(), after=first[0]["opened"])) == second
    assert world.read(lambda c: inbox(c, len(story.events), now, Inbox(kind=RequestKind.TIER), limit=9)) == []


def test_the_eraser_learns_that_another_files_proposal_speaks_of_the_same_person(world: World) -> None:
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    stream.add(EXAMPLES[ChangeProposed.type].payload)
    world.project(*stream.events)
    used_elsewhere = load("ledger", "eraser.sql")["used_elsewhere"]
    with connect(world.conninfo, "dossier_eraser") as connection:
        for subject, is_used in ((CONTACT, True), (uid(999), False)):
            asked = {"subject": subject, "stream": uid(1)}
            assert connection.execute(used_elsewhere, asked).fetchone() == (is_used,)


def with_requests() -> Story:
    story = opened()
    story.do(PlaceLegalHold(hold_id=uid(70), reference="case"), by=OFFICER)
    story.do(RequestErasure(request_id=uid(71), subject=LI_LEI, legal_basis=LegalBasis.PIPL_47), by=OFFICER)
    story.do(RequestTierReassignment(request_id=uid(71), to_code="HIGH_VALUE"), by=CLERK)
    story.do(RequestTierReassignment(request_id=uid(72), to_code="HIGH_VALUE"), by=CLERK)
    story.do(ApproveErasure(request_id=uid(71), after_hold=True), by=SECOND)
    story.do(ApproveTierReassignment(request_id=uid(72)), by=APPROVER, reason=None, evidence=())
    story.do(RequestTierReassignment(request_id=uid(72), to_code="ORDINARY"), by=CLERK)
    story.do(ApproveTierReassignment(request_id=uid(72)), by=APPROVER, reason=None, evidence=())
    return story


def told_and_compared(world: World, story: Story) -> None:
    world.project(*story.events)
    events = world.ledger.history(story.customer_id)
    for position in range(1, len(events) + 1):
        file = CustomerFile.folded(story.customer_id, events[:position])
        expected = pending_requests(file)
        assert open_at(world, position) == [row_of(request) for request in expected]
        moment = Basis(file.as_of, position, file.as_of, stable=True)
        past = world.read(partial(file_at, customer_id=story.customer_id, moment=moment))
        assert past is not None
        listed = orjson.loads(to_json([request.as_json() for request in expected]))
        assert orjson.loads(to_json(list(past.decided.awaited.values()))) == listed
    assert check(world.conninfo, KEK, Watch(lambda _: None)).differences == len(file_rows(world))


def open_at(world: World, position: int) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.conninfo) as connection:
        return connection.execute(_OPEN, {"position": position}).fetchall()


def row_of(request: PendingRequest) -> tuple[Any, ...]:
    subject = None if request.kind is RequestKind.TIER else request.subject
    about = {"paths": [*request.paths], "commands": [*request.commands]}
    said = [getattr(request, name) for name in ("requester", "requester_for", "reason", "expires_at", "event_id")]
    return (request.kind, request.request_id, *said, request.version, subject, about, request.approved_by)


def file_rows(world: World) -> list[Any]:
    """Nothing here writes the rows that are written with the events, of which the check therefore tells."""
    with psycopg.connect(world.conninfo) as connection:
        return connection.execute("SELECT DISTINCT stream FROM ledger.event WHERE type LIKE 'customer.%'").fetchall()
