"""One page of a PullEvseData, 2,000 charging points out of 10,000: served from the store over mutual TLS, and read.

As in a crawl, the pages come over one connection that is kept.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.records import compact, evse_records, push_evse_data
from benchmarks.scene import NODE_IDS, PEER_IDS, Answer, acknowledged, ask, checked, path_to, scene
from p2pnode.oicp.envelopes import split_answer, views
from p2pnode.oicp.evse_sound import sound_evse_record
from p2pnode.oicp.mending import read_evse_record
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA, Role
from p2pnode.roaming.evse_rows import Listing, take_evse

if TYPE_CHECKING:
    from p2pnode.roaming.published_records import EvseRecord

EVSES = 10_000
PAGE_SIZE = 2_000
PATH = path_to(PULL_EVSE_DATA, f"?page=2&size={PAGE_SIZE}")
PULL = compact({"ProviderID": PEER_IDS[Role.EMP], "GeoCoordinatesResponseFormat": "Google"})
LISTING = Listing("node", NODE_IDS[Role.CPO], "Bench")
GOAL = Goal(10.0, "lower")


def measure(plan: Plan) -> Iterator[Figure]:
    """The time from the request to the last byte of the page, of the node and of an echo server with the same page.

    Beside it the time of a core that the puller takes to turn the page into what it keeps.
    """
    own: list[float] = []
    other: list[float] = []
    read: list[float] = []
    with scene(Role.CPO, Role.EMP) as made, made.node():
        records = evse_records(NODE_IDS[Role.CPO], range(EVSES))
        acknowledged(made.publish(PUSH_EVSE_DATA, push_evse_data("fullLoad", NODE_IDS[Role.CPO], records)))
        with closing(made.connection(made.peer_port)) as node:
            page = full(checked(ask(node, PATH, PULL))).body
            with made.echo(page), closing(made.connection(made.echo_port)) as echo:
                for run in range(plan.runs):
                    plan.say(f"run {run + 1} of {plan.runs}")
                    other.append(typical(lambda: ask(echo, PATH, PULL).seconds, plan.seconds))
                    own.append(typical(lambda: full(ask(node, PATH, PULL)).seconds, plan.seconds))
                    read.append(typical(lambda: reading(page), plan.seconds))
    yield Figure("echo.page", "ms", other)
    yield Figure("page", "ms", own, "echo.page", other, GOAL)
    yield Figure("page.read", "ms of a core", read)


def full(answer: Answer) -> Answer:
    """The answer. Raises Failure where it is not a full page."""
    page = json.loads(checked(answer).body)
    if len(page["content"]) != PAGE_SIZE or page["totalElements"] != EVSES:
        raise Failure(f"not the page asked for: {len(page['content'])} of {page['totalElements']} records")
    return answer


def reading(page: bytes) -> float:
    """How long a puller takes for a page, in seconds of a core. Raises Failure where a record is lost."""
    begun = time.process_time()
    rows: list[EvseRecord] = []
    for raw in views(split_answer(PULL_EVSE_DATA, page).records):
        take_evse(rows, raw, sound_evse_record(raw) or read_evse_record(bytes(raw)), LISTING)
    if len(rows) != PAGE_SIZE:
        raise Failure(f"{len(rows)} records of a page were taken")
    return time.process_time() - begun


def typical(measured: Callable[[], float], seconds: float) -> float:
    """The median of what is measured again and again for so many seconds, in ms."""
    begun = time.perf_counter()
    times = [measured()]
    while time.perf_counter() - begun < seconds:
        times.append(measured())
    return median(times) * 1000


BENCHMARK = Benchmark("page", f"a page of {PAGE_SIZE:,} charging points from the store", measure)
