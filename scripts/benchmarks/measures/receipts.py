"""AuthorizeStart with its request and answer signed, checked and kept as a receipt; against the same without."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.interleaving import CONNECTIONS, KINDS, interleaved
from benchmarks.load import Load
from benchmarks.scene import scene
from p2pnode.oicp.operations import Role

GOALS = {("rate", 16): Goal(0.7, "higher", "ratio")}


def measure(plan: Plan) -> Iterator[Figure]:
    """Rate, p50 and p99 at each number of connections, and the time of a core that the node takes for a request."""
    with (
        scene(Role.EMP) as plain,
        scene(Role.EMP, signatures="require") as signed,
        plain.node() as one,
        signed.node() as other,
    ):
        loads = interleaved(
            plan,
            {
                "without": lambda connections: plain.job(one, connections, plan.seconds),
                "with": lambda connections: signed.job(other, connections, plan.seconds),
            },
        )
    for connections in CONNECTIONS:
        without, own = loads["without", connections], loads["with", connections]
        for kind, unit, of in (*KINDS, ("core", "us", _core)):
            name, goal = f"{connections}.{kind}", GOALS.get((kind, connections))
            yield from _pair(name, unit, [of(load) for load in without], [of(load) for load in own], goal)


def _pair(name: str, unit: str, without: Sequence[float], own: Sequence[float], goal: Goal | None) -> Iterator[Figure]:
    yield Figure(f"unsigned.{name}", unit, without)
    yield Figure(f"receipts.{name}", unit, own, f"unsigned.{name}", without, goal)


def _core(load: Load) -> float:
    """What a request costs the node of a core, in microseconds."""
    return load.used[0] / load.answers * 1e6


BENCHMARK = Benchmark("receipts", "AuthorizeStart with receipts, against the same without", measure)
