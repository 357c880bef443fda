"""The table from errors to statuses knows every error that a request can end in."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import iscoroutinefunction

from fastapi import FastAPI

from api.errors import TABLE, install
from domain import errors as domain
from ledger import errors as ledger
from ledger import log_errors as log
from projections import errors as projections
from projections.portfolio import errors as portfolio

_NEVER_A_REQUESTS_ANSWER: set[type[Exception]] = {
    # found by the runner, which stops there
    projections.EventUnreadable,
    projections.ProjectionFailed,
    projections.AnotherRunner,
    # the profile's route folds the stream instead
    projections.FoldOutdated,
    # a row that somebody damaged: unexpected, and told in the log
    projections.StateMalformed,
    # the write path tries again, or answers Overloaded
    ledger.AppendConflict,
    ledger.StreamMoved,
    ledger.ConcurrencyFailure,
    # verbs and the eraser meet these, no request does
    ledger.AnotherRotation,
    ledger.KeyHeld,
    # answered as an invalid parameter, which only the route can name
    projections.NotKnownYet,
    # answered as an invalid body, while it is read
    portfolio.PathUnknown,
    portfolio.NotGroupable,
    # an operator's verbs end in them
    projections.StreamUnreadable,
    projections.AnotherRebuild,
    projections.RectanglesOverlap,
    projections.SchemaTaken,
    projections.TablesAltered,
    projections.NeverFree,
    projections.FolderTaken,
    # who reads what others have signed ends in them
    log.MalformedKey,
    log.MalformedNote,
    log.SignatureInvalid,
    log.NoteUnverified,
    log.MalformedCheckpoint,
    log.OriginMismatch,
    ledger.ErasureListMalformed,
    log.OriginUsed,
}
_FAULTS = (
    ledger.UnreadableEvent,
    ledger.DataKeyMissing,
    ledger.KeyEncryptionError,
    ledger.TreeError,
    log.LogKeyUnusable,
    log.LogRefused,
    ledger.EpochsUnreadable,
    projections.LongTextMissing,
)
"""What only damage or a wrong installation can bring: 500, and the log says which."""


def _leaves(error: type[Exception]) -> Iterator[type[Exception]]:
    if not error.__subclasses__():
        yield error
    for subclass in error.__subclasses__():
        yield from _leaves(subclass)


def test_every_error_that_a_request_can_end_in_has_a_row() -> None:
    roots = (domain.Refusal, ledger.LedgerError, projections.ProjectionError)
    missing = {
        error
        for root in roots
        for error in _leaves(root)
        if not issubclass(error, _FAULTS) and not set(error.__mro__) & TABLE.keys()
    }
    assert missing == _NEVER_A_REQUESTS_ANSWER


def test_a_slug_has_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for slug, status, _ in TABLE.values():
        statuses.setdefault(slug, set()).add(status)
    assert all(len(found) == 1 for found in statuses.values())


def test_no_error_is_answered_in_a_thread() -> None:
    """There are few threads: in a crowd, errors would wait for them with all that they hold."""
    app = FastAPI()
    install(app)
    assert all(iscoroutinefunction(handler) for handler in app.exception_handlers.values())
