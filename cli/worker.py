"""The API worker: one process that answers requests on the socket that the supervisor opened.

Started by `dossier serve` as `python -m cli.worker`; its settings come by environment, the socket's number too. Several
may share the socket: the kernel gives each connection to one of them.
"""

from __future__ import annotations

import math
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from api.accounts import Accounts
from api.app import create_app
from api.dispatch import Dispatch
from api.process import Process
from api.protocol import Limits, bounded, cut_overdue
from api.request_log import RequestLog
from api.security_headers import security_headers
from cli.lifeline import end_with_parent, tell_parent_we_are_up
from cli.logs import configure_logging, write_patiently
from cli.processes import allow_many_files, settle_memory
from settings import Settings

if TYPE_CHECKING:
    from api.spans import Spans

LISTENER_VARIABLE = "DOSSIER_LISTENER"
PLACE_VARIABLE = "DOSSIER_PLACE"

_DRAIN_SECONDS = 10
_TICKS_BETWEEN_CHECKS = 5
_TICKS_BETWEEN_STANDINGS = 10
_OWN_FILES = 128

_SWITCH_SECONDS = 0.0005
"""Event loop and writer take turns on the interpreter; with the default of 5 ms each waits for the other's turn."""


def main() -> None:
    """Serve until SIGTERM; then finish the requests at hand."""
    end_with_parent()
    configure_logging()
    allow_many_files()
    sys.setswitchinterval(_SWITCH_SECONDS)
    listener = socket.socket(fileno=int(os.environ[LISTENER_VARIABLE]))
    settings = Settings()
    log = RequestLog(write_patiently)
    process = Process(int(os.environ.get(PLACE_VARIABLE, "1")), log=log)
    app = create_app(settings, process)
    spans = _spans(settings, app.version)
    accounts = Accounts(
        process.counts,
        log.take if settings.request_log else None,
        request_seconds=settings.request_seconds,
        begin_span=None if spans is None else spans.begin,
    )
    limits = _limits(settings)
    settle_memory()
    config = uvicorn.Config(
        Dispatch(app, accounts),
        loop="uvloop",
        http=bounded(limits, process.load),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        headers=security_headers(is_behind_tls=settings.behind_tls),
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    _Server(config, app, accounts, log, spans).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Looks after the limits of its connections and requests in its main loop, which turns ten times a second."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, accounts: Accounts, log: RequestLog, spans: Spans | None
    ) -> None:
        super().__init__(config)
        self._app = app
        self._accounts = accounts
        self._log = log
        self._spans = spans

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._log.start()
        await super().startup(sockets)
        tell_parent_we_are_up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._log.stop()
        if self._spans is not None:
            self._spans.close()

    async def on_tick(self, counter: int) -> bool:
        self._log.flush()
        if counter % _TICKS_BETWEEN_CHECKS == 0:
            cut_overdue(self.server_state.connections)
            self._accounts.cut_overdue()
        if counter % _TICKS_BETWEEN_STANDINGS == 0:
            self._app.state.standings.publish()
        return await super().on_tick(counter)


def _spans(settings: Settings, version: str) -> Spans | None:
    """Who is told of requests as spans; the libraries of that are there only where somebody wants it."""
    if settings.otlp_endpoint is None:
        return None
    from api.spans import Spans, sent_to  # noqa: PLC0415 - see above

    return Spans(sent_to(settings.otlp_endpoint), version)


def _limits(settings: Settings) -> Limits:
    """What clients are allowed, within what the operating system allows us: a connection is an open file."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = settings.connections
    if files != resource.RLIM_INFINITY:
        connections = min(connections, max(1, (files - _OWN_FILES) // 2))  # as many again are told to come back
    return Limits(
        connections=connections,
        answer_bytes=settings.answer_bytes,
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        answer_seconds=settings.answer_seconds,
        idle_seconds=settings.idle_seconds,
    )


if __name__ == "__main__":
    main()
