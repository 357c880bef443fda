"""How what the service answers looks to people. Text of customers is printed as it is, never read as markup.

What must stay true: nothing here decides anything; a field that an answer lacks leaves a cell empty. Ids in paths are
cut to their last characters and times have no offset: whoever needs them whole asks for --json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.masking import is_marker
from domain.slots import kind_of
from domain.values import BUSINESS_TIMEZONE

TIMES = f"times are those of {BUSINESS_TIMEZONE}"

_ABOUT_THE_ANSWER = frozenset({"customer_id", "customer_kind", "file_state", "existence", "display_name", "basis"})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{6}([0-9a-f]{6})")
_NOT_SHOWN = _ABOUT_THE_ANSWER | {"provenance", "version", "profile_version"}


def people_console() -> Console:
    """Return where tables go."""
    return Console(highlight=False)


def profile_table(file: Mapping[str, Any]) -> Table:
    """One row per field of the file."""
    states = [file.get("customer_kind"), file.get("file_state"), file.get("existence")]
    told = " · ".join(str(state) for state in states if state not in {None, "LIVE", "EFFECTIVE"})
    table = _table("field", "value", title=Text(f"{_words(file.get('display_name')) or '?'}  ({told})", style="bold"))
    table.caption = Text(str(file.get("customer_id", "")))
    for path, value in _slots("", {name: part for name, part in file.items() if name not in _NOT_SHOWN}):
        table.add_row(_path(path), _value(value))
    return table


def history_table(events: Sequence[Mapping[str, Any]], *, with_customers: bool = False) -> Table:
    """One row per event; below it what it moved, from what to what."""
    table = _table("position", *(["customer"] if with_customers else []), "recorded, true from", "by", "what happened")
    for event in events:
        what = Text(_type(event.get("type")), style="bold")
        for change in event.get("changes") or []:
            what.append("\n").append_text(_move(change))
        if reason := _reason(event.get("reason")):
            what.append(f"\n{reason}", style="italic")
        table.add_row(
            _cell(event.get("position")),
            *([_cell(event.get("customer_id"))] if with_customers else []),
            Text("\n").join((_time(event.get("recorded_at")), _period(event))),
            _actor(event.get("actor")),
            what,
        )
    return table


def blame_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row per field with the event that holds it."""
    table = _table("field", "value", "by", "recorded", "true from", "why")
    for row in rows:
        setter = row.get("set_by") or {}
        table.add_row(
            _path(row.get("path")),
            _value(row.get("value")),
            _actor(setter.get("actor"), setter.get("approved_by")),
            _time(setter.get("recorded_at")),
            _period(setter),
            _path("\n".join(filter(None, (_reason(setter.get("reason")), *_evidence(setter.get("evidence")))))),
        )
    return table


def diff_table(changes: Sequence[Mapping[str, Any]]) -> Table:
    """One row per difference with its causes."""
    table = _table("field", "before", "after", "kind", "caused by")
    for change in changes:
        causes = Text("\n").join(_cause(cause) for cause in change.get("caused_by") or [])
        before, after = (_value(change[side]) if side in change else Text("-", style="dim") for side in ("from", "to"))
        table.add_row(_path(change.get("path")), before, after, _cell(change.get("kind")), causes)
    return table


def portfolio_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row per customer, or per group; a value that is not there leaves its cell empty."""
    columns = list(rows[0]) if rows else ["customer_id"]
    table = _table(*columns)
    for row in rows:
        cells = (row.get(column) for column in columns)
        table.add_row(*(Text("") if cell is None else _whole(cell) for cell in cells))
    return table


def matrix_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    """From what, down, to what, across, how many; outside and without a value are the same."""
    ends = {side: {_end(cell[side]).plain: None for cell in cells} for side in ("from", "to")}
    counts = {(_end(cell["from"]).plain, _end(cell["to"]).plain): cell["count"] for cell in cells}
    table = _table("from \\ to", *ends["to"])
    for before in ends["from"]:
        table.add_row(Text(before), *(_cell(counts.get((before, after))) for after in ends["to"]))
    return table


def movements_table(items: Sequence[Mapping[str, Any]]) -> Table:
    """One row per customer that entered, left or moved, with the causes."""
    table = _table("customer_id", "movement", "before", "after", "kind", "true from", "caused by")
    for item in items:
        table.add_row(
            _cell(item.get("customer_id")),
            _cell(item.get("movement")),
            _end(item.get("from")),
            _end(item.get("to")),
            _cell(item.get("kind")),
            _time(item.get("effective_from")),
            Text("\n").join(_cause(cause) for cause in item.get("caused_by") or []),
        )
    return table


def erasures_table(requests: Sequence[Mapping[str, Any]]) -> Table:
    """One row per request for erasure. Its id and its subject stand whole: other verbs ask for them."""
    table = _table("request", "subject", "state", "asked for", "decided", "unreadable since")
    for request in requests:
        decided = request.get("decided") or {}
        table.add_row(
            _cell(request.get("request_id")),
            _cell(request.get("subject")),
            _cell(request.get("state")),
            *(
                Text("\n").join((_time(step.get("at")), _cell(step.get("by"))))
                for step in (request.get("requested") or {}, decided)
            ),
            _time(request.get("unreadable_since")),
        )
    return table


def approvals_table(requests: Sequence[Mapping[str, Any]]) -> Table:
    """One row per request that waits for a second person."""
    table = _table("kind", "request", "customer", "asked for by", "what", "why", "expires", "")
    for request in requests:
        moved = [*request.get("commands", ()), *request.get("paths", ())]
        table.add_row(
            _cell(request.get("kind")),
            _cell(request.get("request_id")),
            _cell(request.get("customer_id")),
            Text("\n").join((_cell(request.get("requester")), _time(request.get("recorded_at")))),
            Text("\n").join(map(_cell, moved or [request.get("subject")])),
            _cell(request.get("reason")),
            _time(request.get("expires_at")),
            Text("yours to decide" if request.get("can_decide") else ""),
        )
    return table


def staff_table(members: Sequence[Mapping[str, Any]]) -> Table:
    """One row per member of staff."""
    table = _table("id", "name", "team", "roles", "reports to", "")
    for member in members:
        table.add_row(
            _cell(member.get("subject")),
            _cell(member.get("name")),
            _cell(member.get("team")),
            Text(", ".join(member.get("roles") or ())),
            _cell(member.get("manager")),
            Text("" if member.get("active") else "inactive", style="bold"),
        )
    return table


def the_basis(basis: Mapping[str, Any]) -> Text:
    """One line: what was known and true at which moment."""
    names = (("known_at", "known at"), ("position", "position"), ("valid_at", "true at"))
    told = [f"{words} {plain_time(basis[name])}" for name, words in names if basis.get(name) is not None]
    return Text("; ".join((", ".join(told), TIMES)) if told else TIMES)


def _table(*columns: str, title: Text | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "position")
    return table


def _slots(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the slots of a nested document, each with its whole value; what is empty is left out."""
    kind = kind_of(path) if path else None
    if isinstance(value, dict) and (kind is None or kind.presence):
        for name, part in value.items():
            yield from _slots(f"{path}/{name.replace('~', '~0').replace('/', '~1')}", part)
    elif kind is not None or value:
        yield path, value


def _move(change: Mapping[str, Any]) -> Text:
    text = _path(change.get("path")).append(": ")
    if "old" in change:
        text.append_text(_value(change["old"])).append(" → ")
    return text.append_text(_value(change["new"]) if "new" in change else Text("gone", style="dim"))


def _cause(cause: Mapping[str, Any]) -> Text:
    actor = _actor(cause.get("actor"), cause.get("approved_by")).plain
    return Text(" ".join(filter(None, (_type(cause.get("type")), "by", actor, _reason(cause.get("reason"))))))


def _actor(actor: Any, approved_by: Any = None) -> Text:
    """An actor is an object or only an id."""
    if isinstance(actor, Mapping):
        name, person = actor.get("name_at_time"), str(actor.get("id", ""))
        text = f"{name} ({person})" if name else person
        if actor.get("on_behalf_of"):
            text += f" for {actor['on_behalf_of']}"
    else:
        text = str(actor or "")
    if approved_by:
        approver = approved_by.get("id") if isinstance(approved_by, Mapping) else approved_by
        text += ", who approved it" if str(approver) in text else f", approved by {approver}"
    return Text(text)


def _reason(reason: Any) -> str:
    if isinstance(reason, Mapping):
        told = [reason] if is_marker(reason) else [reason.get("code"), reason.get("text")]
        return ": ".join(map(_words, filter(None, told)))
    return str(reason or "")


def _words(words: Any) -> str:
    """Words, or that they are not for whoever asks."""
    return f"masked ({words['class'].lower()})" if is_marker(words) else str(words or "")


def _evidence(evidence: Any) -> Iterator[str]:
    for item in evidence or []:
        yield " ".join(_words(item[name]) for name in ("document_id", "url", "note") if item.get(name))


def _period(times: Mapping[str, Any]) -> Text:
    text = plain_time(times.get("effective_from"))
    return Text(f"{text} to {plain_time(times['effective_to'])}" if times.get("effective_to") else text)


def _type(event_type: Any) -> str:
    return str(event_type or "").removeprefix("customer.").replace("-", " ")


def _path(path: Any) -> Text:
    """Text with its ids cut to their last characters."""
    return Text(_UUID.sub(r"…\1", str(path or "")))


def _value(value: Any) -> Text:
    """Text as it is, a code as the code, an object as its fields; everything else as JSON."""
    match value:
        case str():
            return _path(value)
        case {"code": str(code), **rest} if not rest:
            return Text(code)
        case {"erased": True, "by": str(), **rest} if not rest:
            return Text("erased", style="dim")
        case dict() if is_marker(value):
            return Text(_words(value), style="dim")
        case dict() if value:
            shown = {name: part for name, part in value.items() if part not in (None, [])}
            return Text(", ").join(Text(f"{name} ").append_text(_value(part)) for name, part in shown.items())
        case _:
            return Text("on file" if value == {} else json.dumps(value, ensure_ascii=False))


def _end(value: Any) -> Text:
    return Text("-", style="dim") if value is None else _whole(value)


def _whole(value: Any) -> Text:
    """As _value, with ids as they are: they are what a row is known by."""
    return Text(value) if isinstance(value, str) else _value(value)


def _cell(value: Any) -> Text:
    return Text("" if value is None else str(value))


def _time(value: Any) -> Text:
    return Text(plain_time(value))


def plain_time(value: Any) -> str:
    """A time of the business time zone, to the second, or the date alone at midnight; anything else as it is."""
    if not isinstance(value, str):
        return "" if value is None else str(value)
    try:
        moment = datetime.fromisoformat(value).astimezone(BUSINESS_TIMEZONE)
    except (ValueError, OverflowError):
        return value
    return moment.date().isoformat() if moment.time() == time() else f"{moment:%Y-%m-%d %H:%M:%S}"
