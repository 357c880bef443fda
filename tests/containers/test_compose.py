"""The deployment under fire: whatever is killed, restarted or replaced, it comes back, and what it said holds.

One deployment for the whole module. Its writers send on while things fall, as clients do.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.checker import check
from tests.containers.stack import Stack, wait_until, what_is_missing
from tests.crashes.load import Load
from tests.crashes.reckoning import reckon

_MISSING = what_is_missing()

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(_MISSING), reason=_MISSING),
]

_BETWEEN_BLOWS = 120
"""So many orders are answered before the next blow falls."""
_ASKED_AGAIN = 200

Record = Callable[[str, object], None]
Blow = Callable[[Stack], None]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployment, started; a test may leave it stopped."""
    with Stack.build(tmp_path_factory.mktemp("stack")) as built:
        built.up()
        yield built


# --- blows ----------------------------------------------------------------------------------------------------------


def the_service_dies(stack: Stack) -> None:
    """Its parent process, so that nobody in the container can set things right: the engine must."""
    before = stack.state("api")["RestartCount"]
    stack.inside("api", "kill -9 $(cut -d ' ' -f 1 /proc/1/task/1/children)")
    wait_until(lambda: stack.state("api")["RestartCount"] > before, stack)


def the_service_is_killed(stack: Stack) -> None:
    """With all its processes at once. The engine takes that for an order, and leaves it to the operator to go on."""
    stack.compose("kill", "-s", "KILL", "api")
    wait_until(lambda: not stack.state("api")["Running"], stack)
    stack.compose("up", "--detach", "--no-build")


def a_backend_dies(stack: Stack) -> None:
    """PostgreSQL ends all its sessions and recovers from the log."""
    stack.inside("db", "kill -9 $(cut -d ' ' -f 3 /proc/1/task/1/children)")


def the_database_dies(stack: Stack) -> None:
    """The postmaster, without a checkpoint and by itself, so that the engine starts it again."""
    before = stack.state("db")["RestartCount"]
    stack.inside("db", "kill -QUIT 1")
    wait_until(lambda: stack.state("db")["RestartCount"] > before, stack)


def the_database_is_killed(stack: Stack) -> None:
    stack.compose("kill", "-s", "KILL", "db")
    wait_until(lambda: not stack.state("db")["Running"], stack)
    stack.compose("up", "--detach", "--no-build")


def all_is_killed_at_once(stack: Stack) -> None:
    stack.compose("kill", "-s", "KILL")
    wait_until(lambda: not stack.state("db")["Running"], stack)
    stack.compose("up", "--detach", "--no-build")


def all_is_restarted(stack: Stack) -> None:
    stack.compose("restart")


def the_service_is_stopped(stack: Stack) -> None:
    """As an operator does it: what is at hand is finished in time."""
    stack.compose("stop", "api")
    assert stack.state("api")["ExitCode"] == 0
    stack.compose("start", "api")


def all_is_replaced(stack: Stack) -> None:
    """New containers of everything, as after an upgrade; only the volumes stay."""
    before = {stack.container("db"), stack.container("api")}
    stack.compose("down")
    stack.compose("up", "--detach", "--no-build")
    assert not before & {stack.container("db"), stack.container("api")}


BLOWS = [
    the_service_dies, the_service_is_killed, a_backend_dies, the_database_dies, the_database_is_killed,
    all_is_killed_at_once, all_is_restarted, the_service_is_stopped, all_is_replaced,
]  # fmt: skip


# --- the tests ------------------------------------------------------------------------------------------------------


def test_whatever_falls_comes_back_and_keeps_what_was_acknowledged(stack: Stack, record_property: Record) -> None:
    chance = random.Random(3)  # noqa: S311 - for variety
    load = Load(stack, chance)
    asyncio.run(_under_fire(stack, load, record_property))
    events = reckon(stack.conninfo, load.orders)
    check(stack.conninfo, stack.kek)
    acknowledged = [order for order in load.orders if order.is_acknowledged]
    asyncio.run(load.ask_again(chance.sample(acknowledged, min(_ASKED_AGAIN, len(acknowledged)))))
    record_property("orders acknowledged, none lost", len(acknowledged))
    record_property("orders sent more than once", sum(bool(order.doubts) for order in load.orders))
    record_property("events", events)


async def _under_fire(stack: Stack, load: Load, record_property: Record) -> None:
    async with load.running():
        for blow in BLOWS:
            await asyncio.to_thread(_wait_answered, stack, load)
            started = time.monotonic()
            await asyncio.to_thread(blow, stack)
            await asyncio.to_thread(stack.wait_ready)
            record_property(f"{blow.__name__}, seconds until ready", round(time.monotonic() - started, 1))
        await asyncio.to_thread(_wait_answered, stack, load)


def _wait_answered(stack: Stack, load: Load) -> None:
    """Until so many more orders have their answers."""
    enough = _answered(load) + _BETWEEN_BLOWS
    wait_until(lambda: _answered(load) >= enough, stack)


def _answered(load: Load) -> int:
    return sum(order.answer is not None for order in load.orders)


def test_the_service_waits_for_its_database(stack: Stack) -> None:
    stack.compose("stop")
    stack.compose("up", "--detach", "--no-build", "--no-deps", "api")
    wait_until(lambda: "waiting up to 60 s for the database" in stack.said("api"), stack)
    before = stack.state("api")
    stack.compose("start", "db")
    stack.wait_ready()
    after = stack.state("api")
    assert (after["Pid"], after["RestartCount"]) == (before["Pid"], before["RestartCount"])


def test_the_engine_sees_whether_the_service_can_be_used(stack: Stack) -> None:
    stack.up()
    _wait_health(stack, "db", "healthy")
    _wait_health(stack, "api", "healthy")
    stack.compose("stop", "db")
    _wait_health(stack, "api", "unhealthy")
    stack.compose("start", "db")
    _wait_health(stack, "api", "healthy")


def _wait_health(stack: Stack, service: str, status: str) -> None:
    wait_until(lambda: stack.state(service)["Health"]["Status"] == status, stack)


def test_the_service_has_no_privileges_and_nowhere_to_write(stack: Stack) -> None:
    stack.up()
    assert stack.inside("api", "id -u").strip() == "10001"
    assert "CapEff:\t0000000000000000" in stack.inside("api", "cat /proc/1/status")
    assert stack.inside("api", "touch /written /opt/dossier/written 2> /dev/null || echo refused").strip() == "refused"
    assert set(stack.inside("api", "stat -c %a keys/kek keys/jwt.pem token").split()) == {"600"}


def test_what_is_left_behind_is_buried(stack: Stack) -> None:
    stack.up()
    stack.inside("api", "(setsid sleep 0.1 &)")
    states = "cut -d ' ' -f 2,3 /proc/[0-9]*/stat"
    wait_until(lambda: "(sleep)" not in stack.inside("api", states), stack)


def test_the_operators_verbs_are_in_the_image(stack: Stack) -> None:
    stack.up()
    assert "up to date" in stack.compose("run", "--rm", "-T", "api", "migrate")
    assert stack.inside("api", "dossier token --actor u-7").count(".") == 2
    assert stack.inside("api", "dossier db psql -- -Atc 'SELECT 40 + 2'") == "42\n"


def test_the_image_has_what_the_service_needs_and_no_more(stack: Stack) -> None:
    stack.up()
    installed = stack.inside("api", "ls /opt/dossier/lib/python3*/site-packages").split()
    assert "dossier_records-" in " ".join(installed)
    assert not {"pip", "setuptools", "pytest", "mypy", "hypothesis", "tests"} & set(installed)
    assert stack.inside("api", "for tool in cc gcc make git; do command -v $tool; done; true") == ""


def test_no_log_holds_a_token(stack: Stack) -> None:
    stack.up()
    wait_until(lambda: "Dossier serves at" in stack.said("api"), stack)
    assert stack.inside("api", "cat token").strip() not in stack.said("api")


def test_nothing_was_killed_that_was_asked_to_stop(stack: Stack) -> None:
    stack.up()
    stack.compose("stop")
    assert {stack.state(service)["ExitCode"] for service in ("db", "api")} == {0}
