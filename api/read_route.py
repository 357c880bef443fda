"""How reads wait for the read models: without a connection, which others need meanwhile.

A handler looks through its connection and raises ReadModelsBehind where the read models have not got to what is asked
about. The connection goes back to the pool; once they have got there, the handler is called again from its beginning.
"""

from __future__ import annotations

import time

from fastapi import Request
from fastapi.responses import Response

from api.dependencies import service_of
from api.direct_route import DirectRoute, Handler
from api.viewing import require_told
from projections.errors import ReadModelsBehind


class ReadRoute(DirectRoute):
    """Calls its handler until the read models have got to what is asked about, for at most `wait_seconds`.

    Handlers may be called several times for one request, so they must only read; what they show they have told before
    they answer (viewing.py).
    """

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            service = service_of(request)
            deadline = time.monotonic() + service.wait_seconds
            while True:
                try:
                    response = await handler(request)
                except ReadModelsBehind as behind:
                    await service.catch_up.passes(behind, deadline)
                else:
                    require_told(request)
                    return response

        return handle
