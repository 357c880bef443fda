"""How findings are shown and kept.

One table, results/<date>.json with everything, results/latest.json with the verdicts, and the table in
docs/performance.md between its two marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from bench.yardstick import Comparison, Findings, Spread, Yardstick

RESULTS: Final = Path(__file__).parent / "results"
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "performance.md"
_MARKS: Final = ("<!-- figures: written by `make bench` -->", "<!-- end of figures -->")
_HEADING: Final = ("id", "what", "ours", "baseline", "ratio (min-max)", "goal", "met")


@dataclass(frozen=True)
class Measured:
    """One yardstick of a run: its findings, or why there are none."""

    yardstick: Yardstick
    findings: Findings | None
    failure: str = ""


def table(measured: Sequence[Measured]) -> str:
    """The findings as a Markdown table."""
    rows = [_HEADING, tuple("---" for _ in _HEADING), *(row for each in measured for row in _rows(each))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def notes(measured: Sequence[Measured]) -> str:
    """What was found besides, as a Markdown list."""
    found = [(each.yardstick.id, each.findings.notes) for each in measured if each.findings]
    return "\n".join(f"- {id_}, {name}: {_said(note)}" for id_, notes in found for name, note in notes.items())


def _said(note: Any) -> str:
    if isinstance(note, dict):
        return ", ".join(f"{name} {value}" for name, value in note.items())
    return ", ".join(map(str, note)) if isinstance(note, list) else str(note)


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    yardstick = measured.yardstick
    if measured.findings is None:
        yield (yardstick.id, yardstick.title, "-", "-", "-", "-", f"not measured: {measured.failure.splitlines()[0]}")
        return
    for found in measured.findings.comparisons:
        ours, baseline, ratio = Spread.of(found.ours), Spread.of(found.baseline), found.ratio
        yield (
            yardstick.id,
            found.what,
            f"{_short(ours.median)} {found.unit}",
            f"{_short(baseline.median)} {found.unit}",
            f"{ratio.median:.2f} ({ratio.least:.2f}-{ratio.most:.2f})",
            str(found.goal),
            "yes" if found.is_met else "**no**",
        )


def keep(measured: Sequence[Measured], machine: dict[str, Any], settings: dict[str, Any], now: datetime) -> Path:
    """Write results/<date>.json, and bring results/latest.json up to date; the path of the former."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"
    content = {"measured_at": now, "machine": machine, "settings": settings, "yardsticks": [*map(_full, measured)]}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    latest = RESULTS / "latest.json"
    kept = orjson.loads(latest.read_bytes()) if latest.exists() else []
    fresh = [verdict for each in measured for verdict in _verdicts(each)]
    renewed = {verdict["id"] for verdict in fresh}
    merged = [verdict for verdict in kept if verdict["id"] not in renewed] + fresh
    merged.sort(key=lambda verdict: _order(verdict["id"]))
    latest.write_bytes(orjson.dumps(merged, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def mirror(measured: Sequence[Measured], machine: dict[str, Any], now: datetime) -> None:
    """Put the table into docs/performance.md, in place of the one before."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    caption = (
        f"Measured {now.astimezone(UTC):%Y-%m-%d} at commit {machine['commit']}: {machine['processors']} processors"
        f" ({machine['processor']}), {machine['memory_gib']} GiB, Python {machine['python']},"
        f" PostgreSQL {machine['postgresql'].get('server_version', '-')}."
    )
    content = "\n\n".join([caption, table(measured), notes(measured)])
    DOCUMENT.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}", encoding="utf-8")


def _full(measured: Measured) -> dict[str, Any]:
    yardstick, findings = measured.yardstick, measured.findings
    content: dict[str, Any] = {"id": yardstick.id, "title": yardstick.title, "baseline": yardstick.baseline}
    if findings is None:
        return {**content, "failure": measured.failure}
    return {**content, "comparisons": [*map(_comparison, findings.comparisons)], "notes": findings.notes}


def _comparison(found: Comparison) -> dict[str, Any]:
    sides = {"ours": found.ours, "baseline": found.baseline}
    return {
        "what": found.what,
        "unit": found.unit,
        **{side: {"rounds": figures, **Spread.of(figures)._asdict()} for side, figures in sides.items()},
        "ratio": found.ratio._asdict(),
        "goal": str(found.goal),
        "met": found.is_met,
    }


def _verdicts(measured: Measured) -> list[dict[str, Any]]:
    if measured.findings is None:
        goal = {"id": measured.yardstick.id, "what": measured.yardstick.title, "ratio": None, "goal": None}
        return [{**goal, "met": False}]
    return [
        {
            "id": measured.yardstick.id,
            "what": found.what,
            "ratio": round(found.ratio.median, 3),
            "goal": str(found.goal),
            "met": found.is_met,
        }
        for found in measured.findings.comparisons
    ]


def _order(yardstick_id: str) -> tuple[int, str]:
    return int("".join(filter(str.isdigit, yardstick_id)) or 0), yardstick_id


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"  # noqa: PLR2004 - readable, that is all
