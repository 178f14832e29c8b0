"""AuthorizeStart over mutual TLS: parsed, decided, its session committed, answered; against a bare echo."""

from collections.abc import Iterator

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.interleaving import compared, interleaved
from benchmarks.scene import scene
from p2pnode.oicp.operations import Role

GOALS = {("rate", 16): Goal(0.4, "higher", "ratio")}


def measure(plan: Plan) -> Iterator[Figure]:
    """Rate, p50 and p99 at each number of connections, of the echo server and of the node."""
    with scene(Role.EMP) as made, made.node() as node, made.echo(made.authorize()) as echo:
        loads = interleaved(
            plan,
            {
                "echo": lambda connections: made.job(echo, connections, plan.seconds),
                "node": lambda connections: made.job(node, connections, plan.seconds),
            },
        )
    yield from compared(loads, "node", "authorize-start", GOALS)


BENCHMARK = Benchmark("authorize-start", "AuthorizeStart with its session committed, over mutual TLS", measure)
