"""AuthorizeStart from a CPO's backend through both nodes to an EMP's backend, and back; against a bare echo."""

from collections.abc import Iterator

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.hops import hops
from benchmarks.interleaving import CONNECTIONS, compared, interleaved
from benchmarks.scene import scene
from p2pnode.oicp.operations import Role

GOALS = {("p99", 16): Goal(25.0, "lower")}


def measure(plan: Plan) -> Iterator[Figure]:
    """Rate, p50 and p99 at each number of connections, and the time of a core a request costs each process."""
    with scene(Role.EMP) as made, hops() as way:
        emp_node, cpo_node = way.nodes()
        with way.backend() as backend, emp_node, cpo_node, made.echo(way.authorize().body) as echo:
            watched = (cpo_node, emp_node, backend)
            loads = interleaved(
                plan,
                {
                    "echo": lambda connections: made.job(echo, connections, plan.seconds),
                    "two-hops": lambda connections: way.job(connections, plan.seconds, watched),
                },
            )
    yield from compared(loads, "two-hops", "two-hops", GOALS)
    for connections in CONNECTIONS:
        for number, server in enumerate(watched):
            samples = [load.used[number] / load.answers * 1e6 for load in loads["two-hops", connections]]
            yield Figure(f"two-hops.{connections}.{server.name}", "us of a core", samples)


BENCHMARK = Benchmark("two-hops", "AuthorizeStart through both nodes, from backend to backend", measure)
