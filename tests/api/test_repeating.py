"""Work beside the requests: it is done again and again, through failures, and ends with its context."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from api.repeating import repeating


def test_a_step_that_fails_is_told_of_and_tried_again() -> None:
    taken: list[int] = []
    enough = asyncio.Event()

    async def step() -> None:
        taken.append(len(taken))
        if len(taken) == 3:
            enough.set()
        if len(taken) < 3:
            raise ValueError(f"step {len(taken)}")

    async def work() -> None:
        async with repeating(step, 0.001, "counting"):
            await enough.wait()
        steps = len(taken)
        await asyncio.sleep(0.01)
        assert len(taken) == steps

    with capture_logs() as logs:
        asyncio.run(work())
    assert [(log["event"], log["what"], log["error"]) for log in logs] == [
        ("a repeated step failed", "counting", "ValueError")
    ] * 2
