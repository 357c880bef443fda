"""The log of requests: whole lines, in pieces that a pipe takes at once; who is slow to take them loses some."""

from __future__ import annotations

import json
import select
from threading import Event

from api.request_log import RequestLog


def test_lines_come_out_whole_and_in_order() -> None:
    written: list[bytes] = []
    log = RequestLog(written.append)
    log.start()
    for number in range(1000):
        log.take({"number": number, "text": "x" * 100})
    log.flush()
    log.stop()
    assert [json.loads(line)["number"] for line in b"".join(written).splitlines()] == list(range(1000))
    assert all(piece.endswith(b"\n") and len(piece) <= select.PIPE_BUF for piece in written)
    assert len(written) < 100
    assert log.dropped == 0


def test_who_does_not_read_holds_nobody_up_and_loses_lines() -> None:
    reads = Event()
    log = RequestLog(lambda _lines: reads.wait())
    log.start()
    for number in range(50_000):
        log.take({"number": number})
        log.flush()
    assert log.dropped > 0
    log.stop(patience_seconds=0)
    reads.set()
