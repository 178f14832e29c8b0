"""AuthorizeStart over mutual TLS: parsed, decided, its session committed, answered; against a bare echo."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.load import Load
from benchmarks.processes import Generator, Server
from benchmarks.scene import Scene, scene
from p2pnode.oicp.operations import Role

CONNECTIONS = (1, 16, 64)
GOALS = {("rate", 16): Goal(0.4, "higher", "ratio")}
KINDS: tuple[tuple[str, str, Callable[[Load], float]], ...] = (
    ("rate", "requests/s", lambda load: load.rate),
    ("p50", "ms", lambda load: load.p50),
    ("p99", "ms", lambda load: load.p99),
)
BUSY = 0.95

Loads = dict[tuple[str, int], list[Load]]


def measure(plan: Plan) -> Iterator[Figure]:
    """Rate, p50 and p99 at each number of connections, of the echo server and of the node."""
    with scene(Role.EMP) as made, made.node() as node, made.echo(made.authorize()) as echo:
        loads = interleaved(plan, made, (echo, node))
    for connections in CONNECTIONS:
        own, other = loads["node", connections], loads["echo", connections]
        for kind, unit, of in KINDS:
            name = f"{connections}.{kind}"
            reference = [of(load) for load in other]
            goal = GOALS.get((kind, connections))
            yield Figure(f"echo.{name}", unit, reference)
            samples = [of(load) for load in own]
            yield Figure(f"authorize-start.{name}", unit, samples, f"echo.{name}", reference, goal)


def interleaved(plan: Plan, made: Scene, servers: tuple[Server, ...]) -> Loads:
    """The loads of every run; within a run the servers take turns, and the order changes from run to run."""
    loads: Loads = defaultdict(list)
    for run in range(plan.runs):
        for connections in CONNECTIONS:
            for server in servers if run % 2 == 0 else reversed(servers):
                plan.say(f"run {run + 1} of {plan.runs}, {server.name}, {connections} connections")
                with Generator(made.job(server, connections, plan.seconds)) as generator:
                    load = generator.load()
                if load.cpu > BUSY:
                    raise Failure(f"the load generator used {load.cpu:.0%} of its core: it is what would be measured")
                loads[server.name, connections].append(load)
    return loads


BENCHMARK = Benchmark("authorize-start", "AuthorizeStart with its session committed, over mutual TLS", measure)
