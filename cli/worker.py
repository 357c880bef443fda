"""The API worker: one process that answers requests on the socket that the supervisor opened.

Started by `dossier serve` as `python -m cli.worker`; its settings come by environment, the socket's number too. Several
may share the socket: the kernel gives each connection to one of them.
"""

from __future__ import annotations

import os
import socket

import uvicorn

from api.app import create_app
from cli.lifeline import end_with_parent
from settings import Settings

LISTENER_VARIABLE = "DOSSIER_LISTENER"

_DRAIN_SECONDS = 10


def main() -> None:
    """Serve until SIGTERM; then finish the requests at hand."""
    end_with_parent()
    listener = socket.socket(fileno=int(os.environ[LISTENER_VARIABLE]))
    config = uvicorn.Config(
        create_app(Settings()),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
