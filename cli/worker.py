"""The API worker: one process that answers requests on the socket that the supervisor opened.

Started by `dossier serve` as `python -m cli.worker`; its settings come by environment, the socket's number too. Several
may share the socket: the kernel gives each connection to one of them.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from api.app import create_app
from cli.lifeline import end_with_parent
from cli.processes import configure_logging, settle_memory
from settings import Settings

LISTENER_VARIABLE = "DOSSIER_LISTENER"

_DRAIN_SECONDS = 10
_SWITCH_SECONDS = 0.0005
"""Event loop and writer take turns on the interpreter; with the default of 5 ms each waits for the other's turn."""


def main() -> None:
    """Serve until SIGTERM; then finish the requests at hand."""
    end_with_parent()
    configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    listener = socket.socket(fileno=int(os.environ[LISTENER_VARIABLE]))
    app = create_app(Settings())
    settle_memory()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
