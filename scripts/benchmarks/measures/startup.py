"""The time from a process's start to its first answer."""

from collections.abc import Iterator

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.processes import Server
from benchmarks.scene import scene
from p2pnode.oicp.operations import Role

GOAL = Goal(2.0, "lower")


def measure(plan: Plan) -> Iterator[Figure]:
    """Seconds until an AuthorizeStart is answered, the database there already; and until the echo server answers."""
    own: list[float] = []
    other: list[float] = []
    with scene(Role.EMP) as made:
        with made.node():
            answer = made.authorize()
        for run in range(plan.runs):
            plan.say(f"run {run + 1} of {plan.runs}")
            other.append(started(made.echo(answer)))
            own.append(started(made.node()))
    yield Figure("echo.startup", "s", other)
    yield Figure("startup", "s", own, "echo.startup", other, GOAL)


def started(server: Server) -> float:
    """How long the server took to answer, in seconds; it is ended again."""
    with server:
        return server.seconds_to_first_answer


BENCHMARK = Benchmark("startup", "from the start of the process to the first answer", measure)
