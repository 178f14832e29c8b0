"""The memory of an idle node, and of one that holds 100,000 charging points."""

from collections.abc import Iterator

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.records import evse_records, push_evse_data
from benchmarks.scene import PEER_IDS, acknowledged, scene
from p2pnode.oicp.operations import PUSH_EVSE_DATA, Role

EVSES = 100_000
PER_PUSH = 2_000
IDLE_GOAL = Goal(120.0, "lower")


def measure(plan: Plan) -> Iterator[Figure]:
    """The resident set, of the node and of the echo server, each a new process in every run."""
    idle: list[float] = []
    holding: list[float] = []
    echo_idle: list[float] = []
    for run in range(plan.runs):
        with scene(Role.EMP) as made, made.node() as node:
            idle.append(node.memory())
            with made.echo(made.authorize()) as echo:
                echo_idle.append(echo.memory())
            for first in range(0, EVSES, PER_PUSH):
                plan.say(f"run {run + 1} of {plan.runs}, {first} of {EVSES} charging points")
                records = evse_records(PEER_IDS[Role.CPO], range(first, first + PER_PUSH))
                push = push_evse_data("insert", PEER_IDS[Role.CPO], records)
                acknowledged(made.call(PUSH_EVSE_DATA, push))
            holding.append(node.memory())
    yield Figure("echo.memory", "MB", echo_idle)
    yield Figure("memory.idle", "MB", idle, "echo.memory", echo_idle, IDLE_GOAL)
    yield Figure("memory.100000-evses", "MB", holding, "memory.idle", idle)


BENCHMARK = Benchmark("memory", "resident memory, idle and with 100,000 charging points", measure)
