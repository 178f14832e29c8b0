"""One page of a PullEvseData, 2,000 charging points out of 10,000, served from the store over mutual TLS."""

import json
import time
from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.records import compact, evse_records, push_evse_data
from benchmarks.scene import NODE_IDS, PEER_IDS, Answer, Scene, acknowledged, checked, scene
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA, Role

EVSES = 10_000
PAGE_SIZE = 2_000
QUERY = f"?page=2&size={PAGE_SIZE}"
PULL = compact({"ProviderID": PEER_IDS[Role.EMP], "GeoCoordinatesResponseFormat": "Google"})
GOAL = Goal(10.0, "lower")


def measure(plan: Plan) -> Iterator[Figure]:
    """The time from the request to the last byte of the page, of the node and of an echo server with the same page."""
    own: list[float] = []
    other: list[float] = []
    with scene(Role.CPO, Role.EMP) as made, made.node():
        records = evse_records(NODE_IDS[Role.CPO], range(EVSES))
        acknowledged(made.publish(PUSH_EVSE_DATA, push_evse_data("fullLoad", NODE_IDS[Role.CPO], records)))
        with made.echo(pulled(made).body):
            for run in range(plan.runs):
                plan.say(f"run {run + 1} of {plan.runs}")
                other.append(typical(lambda: made.call_echo(PULL), plan.seconds))
                own.append(typical(lambda: pulled(made), plan.seconds))
    yield Figure("echo.page", "ms", other)
    yield Figure("page", "ms", own, "echo.page", other, GOAL)


def pulled(made: Scene) -> Answer:
    """The page. Raises Failure where it is not full."""
    answer = checked(made.call(PULL_EVSE_DATA, PULL, QUERY))
    page = json.loads(answer.body)
    if len(page["content"]) != PAGE_SIZE or page["totalElements"] != EVSES:
        raise Failure(f"not the page asked for: {len(page['content'])} of {page['totalElements']} records")
    return answer


def typical(ask: Callable[[], Answer], seconds: float) -> float:
    """The median time of the answers within so many seconds, in ms."""
    times = [ask().seconds]
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        times.append(ask().seconds)
    return median(times) * 1000


BENCHMARK = Benchmark("page", f"a page of {PAGE_SIZE:,} charging points from the store", measure)
