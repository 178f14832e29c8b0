"""Loads on several servers in turns, so that what slows the machine down slows all of them down."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.figures import Failure, Figure, Goal, Plan
from benchmarks.load import Job, Load
from benchmarks.processes import Generator

CONNECTIONS = (1, 16, 64)
KINDS: tuple[tuple[str, str, Callable[[Load], float]], ...] = (
    ("rate", "requests/s", lambda load: load.rate),
    ("p50", "ms", lambda load: load.p50),
    ("p99", "ms", lambda load: load.p99),
)
BUSY = 0.95

MakeJob = Callable[[int], Job]
"""The job for so many connections."""
Loads = Mapping[tuple[str, int], Sequence[Load]]
"""The loads by the name of what was measured and the number of connections, one of each run."""


def interleaved(plan: Plan, jobs: Mapping[str, MakeJob]) -> Loads:
    """The loads of every run; within a run the jobs take turns, and the order changes from run to run.

    Raises Failure where it was the generator that was measured.
    """
    loads: defaultdict[tuple[str, int], list[Load]] = defaultdict(list)
    for run in range(plan.runs):
        for connections in CONNECTIONS:
            for name in jobs if run % 2 == 0 else reversed(list(jobs)):
                plan.say(f"run {run + 1} of {plan.runs}, {name}, {connections} connections")
                with Generator(jobs[name](connections)) as generator:
                    load = generator.load()
                if load.cpu > BUSY:
                    raise Failure(f"the load generator used {load.cpu:.0%} of its core: it is what would be measured")
                loads[name, connections].append(load)
    return loads


def compared(loads: Loads, own: str, called: str, goals: Mapping[tuple[str, int], Goal]) -> Iterator[Figure]:
    """Rate, p50 and p99 at each number of connections, of `own` under the name `called`, and of the echo server."""
    for connections in CONNECTIONS:
        for kind, unit, of in KINDS:
            name = f"{connections}.{kind}"
            reference = [of(load) for load in loads["echo", connections]]
            yield Figure(f"echo.{name}", unit, reference)
            samples = [of(load) for load in loads[own, connections]]
            yield Figure(f"{called}.{name}", unit, samples, f"echo.{name}", reference, goals.get((kind, connections)))
