"""What /metrics says, in the text format of Prometheus: how the processes of this host stand, and how far the log is.

Names, units and help texts are here and nowhere else; docs/operating.md tells what to watch. What must stay true: a
series is one of few, labelled by names of ours, never by anything that a client chose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.counts import BOUNDS
from api.standings import Standing
from ledger.refusal_file import Refusal
from ledger.scrub_record import Progress as Lap
from ledger.writer import BATCH_BOUNDS
from projections.basis import Progress
from projections.lags import Lags

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_WORKER: Final = "worker"
_OF_POOLS: Final = (
    ("connections", "pool_size", "Connections to the database."),
    ("idle_connections", "pool_available", "Connections to the database that nobody has."),
    ("waiting", "requests_waiting", "Who waits for a connection now."),
)
_COUNTED_OF_POOLS: Final = (
    ("requests", "requests_num", 1.0, "Connections asked for."),
    ("waits", "requests_queued", 1.0, "Connections that had to be waited for."),
    ("wait_seconds", "requests_wait_ms", 0.001, "How long connections were waited for, in all."),
    ("failures", "requests_errors", 1.0, "Connections that were waited for in vain."),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a scrape tells. What is None is not known, or not there: a database of the keys, a scrubber."""

    version: str
    standings: Sequence[Standing]
    progress: Progress | None
    lags: Lags | None
    keys_are_up: bool | None
    refusal: Refusal | None
    lap: Lap | None
    is_damaged: bool


def text(seen: Seen) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Told(seen))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        yield _gauge("dossier_info", "The version that runs.", 1, version=self._seen.version)
        yield from _of_requests(self._seen.standings)
        yield from _of_writers(self._seen.standings)
        yield from _of_pools(self._seen.standings)
        yield from _of_the_log(self._seen)
        yield from _of_read_models(self._seen)
        yield from _of_guards(self._seen)


def _of_requests(standings: Sequence[Standing]) -> Iterator[Metric]:
    took = HistogramMetricFamily(
        "dossier_request_seconds",
        "How long requests took until their answers were sent, by route and class of status.",
        labels=[_WORKER, "method", "route", "status"],
    )
    refused = CounterMetricFamily(
        "dossier_refused",
        "Problems answered, by the type of problem and the rule that was broken, if it has a number.",
        labels=[_WORKER, "problem", "rule"],
    )
    connections = _by_worker("dossier_connections", "Connections of clients.")
    unread = _by_worker("dossier_unread_answer_bytes", "Bytes of answers that wait to be read.")
    dropped = CounterMetricFamily(
        "dossier_log_lines_dropped", "Lines of the request log that nobody took in time.", labels=[_WORKER]
    )
    for standing in standings:
        worker = _place(standing)
        for method, route, status, seconds, *cells in standing["requests"]:
            took.add_metric([worker, method, route, f"{status}xx"], _buckets(BOUNDS, cells), seconds)
        for problem, rule, number in standing["problems"]:
            refused.add_metric([worker, problem, rule], number)
        connections.add_metric([worker], standing["connections"])
        unread.add_metric([worker], standing["unread_bytes"])
        dropped.add_metric([worker], standing["log_lines_dropped"])
    yield from (took, refused, connections, unread, dropped)


def _of_writers(standings: Sequence[Standing]) -> Iterator[Metric]:
    sizes = HistogramMetricFamily("dossier_writer_batch_orders", "Orders that share a commit.", labels=[_WORKER])
    orders = _by_worker("dossier_writer_orders_waiting", "Orders that wait for the writer, with those at hand.")
    changes = _by_worker("dossier_writer_changes_waiting", "Changes in these orders.")
    for standing in standings:
        worker, writer = _place(standing), standing["writer"]
        sizes.add_metric([worker], _buckets(BATCH_BOUNDS, writer["batches"]), writer["orders"])
        orders.add_metric([worker], writer["orders_waiting"])
        changes.add_metric([worker], writer["changes_waiting"])
    yield from (sizes, orders, changes)


def _of_pools(standings: Sequence[Standing]) -> Iterator[Metric]:
    labels = [_WORKER, "pool"]
    pools = [(_place(standing), pool, stats) for standing in standings for pool, stats in standing["pools"].items()]
    for name, key, what in _OF_POOLS:
        gauge = GaugeMetricFamily(f"dossier_pool_{name}", what, labels=labels)
        for worker, pool, stats in pools:
            gauge.add_metric([worker, pool], stats.get(key, 0))
        yield gauge
    for name, key, unit, what in _COUNTED_OF_POOLS:
        counter = CounterMetricFamily(f"dossier_pool_{name}", what, labels=labels)
        for worker, pool, stats in pools:
            counter.add_metric([worker, pool], stats.get(key, 0) * unit)
        yield counter


def _of_the_log(seen: Seen) -> Iterator[Metric]:
    progress, lags = seen.progress, seen.lags
    yield _gauge("dossier_database_up", "Whether the database answers.", progress is not None)
    if seen.keys_are_up is not None:
        yield _gauge("dossier_keys_database_up", "Whether that of the data keys does.", seen.keys_are_up)
    if progress is None or lags is None:
        return
    yield _gauge("dossier_followed", "Whether a sealer and a runner of read models are at work.", progress.is_followed)
    yield _gauge("dossier_unsealed_events", "Events that have no place in the log yet.", progress.unsealed)
    yield _gauge("dossier_unsealed_age_seconds", "How long the first of them has waited.", lags.unsealed_seconds)
    yield _gauge("dossier_sealed_events", "Events in the log.", progress.sealed)
    yield _gauge("dossier_signed_events", "Events below the newest signed checkpoint.", progress.signed)
    yield _gauge("dossier_sign_lag_seconds", "How long it took to seal and sign the last of these.", lags.sign_seconds)


def _of_read_models(seen: Seen) -> Iterator[Metric]:
    if seen.progress is None or seen.lags is None:
        return
    events = GaugeMetricFamily(
        "dossier_projection_lag_events", "Events that a read model has not passed.", labels=["projection"]
    )
    seconds = GaugeMetricFamily(
        "dossier_projection_lag_seconds", "For how long the first of them has been known.", labels=["projection"]
    )
    for name, position, behind in seen.lags.read_models:
        events.add_metric([name], max(0, seen.progress.sealed - position))
        seconds.add_metric([name], behind)
    yield from (events, seconds)


def _of_guards(seen: Seen) -> Iterator[Metric]:
    refusing = GaugeMetricFamily("dossier_signer_refusing", "Whether the signer refuses, and why.", labels=["reason"])
    if seen.refusal is not None:
        refusing.add_metric([seen.refusal.reason], 1)
    yield refusing
    yield _gauge("dossier_damage_found", "Whether the scrubber has found a fault that stands.", seen.is_damaged)
    if seen.lap is not None:
        yield _gauge("dossier_scrubber_position", "How far the scrubber is in this lap.", seen.lap.position)
        laps = CounterMetricFamily("dossier_scrubber_laps", "How often the scrubber has looked through the log.")
        laps.add_metric([], seen.lap.laps)
        yield laps


def _gauge(name: str, what: str, value: float, **labels: str) -> Metric:
    gauge = GaugeMetricFamily(name, what, labels=list(labels))
    gauge.add_metric(list(labels.values()), float(value))
    return gauge


def _by_worker(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=[_WORKER])


def _place(standing: Standing) -> str:
    return str(standing["worker"])


def _buckets(bounds: Sequence[float], cells: Sequence[float]) -> list[Any]:
    """Cumulated, as Prometheus wants them; the last cell is what lies behind all bounds."""
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(cells), strict=True))
