"""The `dossier` command: starts everything, and reads and writes as a client of the HTTP API.

This room may import every other and is imported by none. So it is here, before anything else of ours is imported, that
our processes are told to look for garbage rarely: what they import is none, and with the default thresholds an eighth
of each start went into looking for some; later a quarter of the writer's time, whose batches are thousands of objects.
"""

import gc

gc.set_threshold(50_000, 20, 100)
