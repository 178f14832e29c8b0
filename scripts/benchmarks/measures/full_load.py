"""A fullLoad of 100,000 charging points, about 200 MB in one request, and how others fare meanwhile."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figures import Benchmark, Figure, Goal, Plan
from benchmarks.processes import MEGABYTE, Generator
from benchmarks.records import evse_records, push_evse_data
from benchmarks.scene import PEER_IDS, acknowledged, scene
from p2pnode.oicp.operations import PUSH_EVSE_DATA, Role

EVSES = 100_000
OTHERS = 4
PAUSE = 0.02
LONGEST = 120.0


def measure(plan: Plan) -> Iterator[Figure]:
    """Each run is a new node: the time of the push, the p99 of AuthorizeStart meanwhile, the peak of the memory."""
    body = push_evse_data("fullLoad", PEER_IDS[Role.CPO], evse_records(PEER_IDS[Role.CPO], range(EVSES)))
    own: list[float] = []
    other: list[float] = []
    meanwhile: list[float] = []
    peak: list[float] = []
    for run in range(plan.runs):
        plan.say(f"run {run + 1} of {plan.runs}, {len(body) / MEGABYTE:.0f} MB")
        with scene(Role.EMP) as made, made.node() as node:
            with made.echo(made.authorize()):
                other.append(made.call_echo(body).seconds)
            idle = node.memory()
            node.forget_peak()
            job = replace(made.job(node, OTHERS, LONGEST, PAUSE), warmup=0.0)
            with Generator(job) as generator:
                own.append(acknowledged(made.call(PUSH_EVSE_DATA, body)).seconds)
                meanwhile.append(generator.load(stop=True).p99)
            peak.append((node.peak_memory() - idle) * MEGABYTE / len(body))
    yield Figure("echo.full-load", "s", other)
    yield Figure("full-load", "s", own, "echo.full-load", other, Goal(10.0, "lower"))
    yield Figure("full-load.others.p99", "ms", meanwhile, goal=Goal(100.0, "lower"))
    yield Figure("full-load.peak-memory", "x body", peak, goal=Goal(2.0, "lower"))


BENCHMARK = Benchmark("full-load", f"{EVSES:,} charging points in one push, and others meanwhile", measure)
