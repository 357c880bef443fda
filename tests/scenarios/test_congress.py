"""A real change log of fourteen years goes in; its past must come out exactly, on both times, with who did it.

The data (public domain, `unitedstates/congress-legislators`) is not part of the project: DOSSIER_CONGRESS_DATA names
its folder, else a folder `shared/data/congress` beside the checkout. Its README describes the files.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from db.embedded import attach
from tests.cli.service import RunningService

DATA = Path(os.environ.get("DOSSIER_CONGRESS_DATA", Path(__file__).parents[2].parent / "shared" / "data" / "congress"))
SCHEME = "BIOGUIDE"
READERS = 12
_COLUMNS = 50
_PLACE = re.compile(r"([^.\[\]]+)(?:\[([^\]]*)\])?(?:\.|$)")

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the congress change log is not at {DATA}"),
    pytest.mark.timeout(1500),
    pytest.mark.long,
]

Read = Callable[[str], Awaitable[Any]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService.start(tmp_path_factory.mktemp("congress"), "--no-sample") as running:
        yield running


def test_the_past_of_a_real_change_log_is_exact_on_both_axes(service: RunningService, tmp_path: Path) -> None:
    """Imported in chunks that end at the snapshots' instants, then compared with each twice, singly and all at once."""
    snapshots = [_opened(path) for path in sorted((DATA / "snapshots").iterdir())]
    instants = [datetime.fromisoformat(snapshot["as_of"]) for snapshot in snapshots]
    positions = [_import(service, chunk) for chunk in _chunks(instants, tmp_path)][: len(instants)]

    async def compare() -> list[str]:
        wrong: list[str] = []
        async with _reader(service) as read:
            customers = await _customers(read)
            for snapshot, position in zip(snapshots, positions, strict=True):
                for query in (f"valid_at={snapshot['as_of'].replace('+', '%2B')}", f"at_position={position}"):
                    wrong += await _differences(read, customers, snapshot["people"], query)
        return wrong

    async def compare_at_once() -> list[str]:
        wrong: list[str] = []
        paths = _most_common(
            path for snapshot in snapshots for record in snapshot["people"].values() for path in _flat(record)
        )
        async with _reader(service) as read:
            persons = {customer_id: person for person, customer_id in (await _customers(read)).items()}
        for snapshot, position in zip(snapshots, positions, strict=True):
            for moment in ({"valid_at": snapshot["as_of"]}, {"at_position": position}):
                rows = await _portfolio(service, paths, moment)
                shown = {persons[customer_id]: values for customer_id, values in rows.items() if values}
                told = {person: _some(_flat(record), paths) for person, record in snapshot["people"].items()}
                wrong += [
                    f"{person} {moment}"
                    for person in shown.keys() | told
                    if shown.get(person, {}) != told.get(person, {})
                ]
        return wrong

    assert asyncio.run(compare()) == []
    assert asyncio.run(compare_at_once()) == []


def test_blame_names_the_commit_that_set_each_field(service: RunningService) -> None:
    """All rows on which two independent methods agree: the field's value, author and authored commit."""
    expected: dict[str, dict[str, tuple[Any, str, str]]] = defaultdict(dict)
    with gzip.open(DATA / "who_last_changed.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            said = (json.loads(row["value_json"]), row["actor"], row["authored_commit"])
            expected[row["person_id"]][row["path"]] = said

    async def compare() -> list[str]:
        async with _reader(service) as read:
            customers = await _customers(read)

            async def check(person: str) -> list[str]:
                blame = await read(f"/v1/customers/{customers[person]}/blame?path=/attributes")
                found = {_key(item["path"]): item for item in blame["items"]}
                return [
                    f"{person} {path}"
                    for path, said in expected[person].items()
                    if _said(found.get(path)) != json.dumps(said)
                ]

            return await _gathered(check(person) for person in expected)

    assert sum(map(len, expected.values())) == 36_375
    assert asyncio.run(compare()) == []


def test_the_same_file_again_adds_nothing(service: RunningService) -> None:
    before = _recorded(service)
    outcome = _run_import(service, DATA / "changes.ndjson.gz")
    assert (outcome["changes"], outcome["replayed"], outcome["other_content"]) == (0, 34_790, 0)
    assert _recorded(service) == before


def _chunks(instants: list[datetime], folder: Path) -> Iterator[Path]:
    """The log cut behind the last line of each instant, and what follows the last one."""
    cuts = iter([*(instant.astimezone(UTC) for instant in instants), None])
    chunk: list[bytes] = []
    cut, number = next(cuts), 0
    with gzip.open(DATA / "changes.ndjson.gz", "rb") as lines:
        for line in lines:
            while cut is not None and datetime.fromisoformat(json.loads(line)["recorded_at"]) > cut:
                yield _written(folder / f"{number}.ndjson", chunk)
                chunk = []
                cut, number = next(cuts), number + 1
            chunk.append(line)
    yield _written(folder / f"{number}.ndjson", chunk)


def _written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def _import(service: RunningService, path: Path) -> int:
    """Import one chunk; the position of the log that the read models have then passed."""
    assert _run_import(service, path)["broken"] == 0
    return _sealed(service)


def _run_import(service: RunningService, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "cli.main", "import-changes", str(path), "--json", "--source", "congress"]
    options = ["--kind", "INDIVIDUAL", "--id-scheme", SCHEME, "--name-path", "name.official_full"]
    environment = {**os.environ, "DOSSIER_DATA": str(service.data)}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _recorded(service: RunningService) -> int:
    """How many events there are of customers: that somebody looked at one is recorded as well, and later."""
    with psycopg.connect(attach(service.data) or "") as connection:
        rows = connection.execute("SELECT count(*) FROM ledger.event WHERE type LIKE 'customer.%'").fetchall()
    return int(rows[0][0])


def _sealed(service: RunningService) -> int:
    """The end of the log, once nothing waits to be sealed and the read models have got there."""

    async def wait() -> int:
        async with _reader(service) as read:
            while True:
                ready = await read("/readyz")
                if ready["unsealed"] == 0 and ready["position"] == ready["sealed"]:
                    return int(ready["sealed"])
                await asyncio.sleep(0.2)

    return asyncio.run(wait())


@asynccontextmanager
async def _reader(service: RunningService) -> AsyncIterator[Read]:
    token = (service.data / "token").read_text().strip()
    busy = asyncio.Semaphore(READERS)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(service.url, headers=headers) as session:

        async def read(path: str) -> Any:
            async with busy, session.get(path) as answer:
                content = await answer.json(content_type=None)
                return content if answer.status == 200 else content | {"refused": answer.status}

        yield read


async def _customers(read: Read) -> dict[str, str]:
    """Every customer's id by its identifier."""
    found: dict[str, str] = {}
    token: str | None = ""
    ids: list[str] = []
    while token is not None:
        page = await read("/v1/customers?limit=500" + (f"&page_token={token}" if token else ""))
        ids += [item["customer_id"] for item in page["items"]]
        token = page["next_page_token"]
    for profile in await asyncio.gather(*(read(f"/v1/customers/{one}?fields=/identifiers") for one in ids)):
        found[next(iter(profile["identifiers"][SCHEME]))] = profile["customer_id"]
    return found


async def _differences(read: Read, customers: dict[str, str], people: dict[str, Any], query: str) -> list[str]:
    async def check(person: str, customer_id: str) -> list[str]:
        profile = await read(f"/v1/customers/{customer_id}?fields=/attributes&{query}")
        shown = _nested(profile.get("attributes", {}))
        return [] if _canonical(shown) == _canonical(people.get(person, {})) else [f"{person} {query}"]

    assert people.keys() <= customers.keys()
    return await _gathered(check(*pair) for pair in customers.items())


async def _portfolio(
    service: RunningService, paths: Sequence[str], moment: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What all customers say at those paths at a moment, by customer, in one question."""
    token = (service.data / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
    columns = ["customer_id", *(f"/attributes/{path}" for path in paths)]
    async with (
        aiohttp.ClientSession(service.url, headers=headers) as session,
        session.post("/v1/portfolio/query", json={"columns": columns, **moment}) as answer,
    ):
        *lines, last = (await answer.text()).splitlines()
    assert json.loads(last)["summary"]["row_count"] == len(lines)
    rows = map(json.loads, lines)
    return {row.pop("customer_id"): {_key(slot): row[slot] for slot in row if row[slot] is not None} for row in rows}


def _flat(record: Mapping[str, Any], outer: str = "") -> dict[str, Any]:
    """The record's values that are neither null nor in a list, by path."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{outer}{name}.")
        elif value is not None and not isinstance(value, list):
            values[outer + name] = value
    return values


def _some(values: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    return {path: values[path] for path in paths if path in values}


def _most_common(paths: Iterable[str]) -> list[str]:
    """As many as one question may have columns, besides that of the customer."""
    return [path for path, _ in Counter(paths).most_common(_COLUMNS - 1)]


async def _gathered(checks: Iterable[Awaitable[list[str]]]) -> list[str]:
    return [difference for found in await asyncio.gather(*checks) for difference in found]


def _nested(attributes: dict[str, Any]) -> dict[str, Any]:
    """The record that the paths describe: names joined by ".", "[key]" for an item of a list of objects."""
    record: dict[str, Any] = {}
    for path, value in attributes.items():
        place: Any = record
        *outer, last = _PLACE.findall(path)
        for name, key in outer:
            place = place.setdefault(name, _Items() if key else {})
            place = place.setdefault(key, {}) if key else place
        place[last[0]] = value
    return record


class _Items(dict[str, Any]):
    """The items of a list of objects by the keys that the log gives them."""


def _canonical(value: Any) -> str:
    """JSON with types kept and lists of objects in an order of their own, which the log does not keep."""
    if isinstance(value, _Items):
        value = list(value.values())
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "[" + ",".join(sorted(map(_canonical, value))) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_canonical(item)}" for name, item in sorted(value.items())) + "}"
    return json.dumps(value)


def _key(path: str) -> str:
    return path.removeprefix("/attributes/").replace("~1", "/").replace("~0", "~")


def _said(item: dict[str, Any] | None) -> str | None:
    if item is None:
        return None
    evidence = item["set_by"]["evidence"][0]
    author = evidence["note"].removeprefix("written by ").partition("; written at ")[0]
    return json.dumps((item["value"], author, evidence["url"].removeprefix("commit:")))


def _opened(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        content: dict[str, Any] = json.load(lines)
        return content
