"""The process that answers: which one it is, and how much memory it has."""

from __future__ import annotations

import re
from pathlib import Path

from tests.processes import tcp_sockets, workers_of
from tests.scenarios.service import Service

_LISTENING = "0A"


def worker_of(service: Service) -> int:
    """The id of the only API worker."""
    (worker,) = workers_of(service.process.pid)
    return worker


def resident_bytes(process_id: int, kind: str = "VmRSS") -> int:
    """Of main memory, now; or at most so far, with VmHWM."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    found = re.search(rf"{kind}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def held_connections(service: Service) -> int:
    """How many connections of clients the service holds; of those it has let go of, the kernel may know more."""
    port = f":{service.http.base_url.port:04X}"
    return sum(
        local.endswith(port) and state != _LISTENING and inode != "0"
        for _, local, _, state, _, _, _, _, _, inode, *_ in tcp_sockets()
    )
