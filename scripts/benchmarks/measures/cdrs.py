"""CDRs from a CPO's backend through both nodes: each is answered when the EMP's node has it on disk, as ours has."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.hops import OPERATOR, Hops, hops
from benchmarks.load import cpu_seconds, percentile
from benchmarks.processes import Server
from benchmarks.requests import SessionIds
from benchmarks.scene import HOST, UID
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH, CHARGE_DETAIL_RECORD, AnyOperation

CONNECTIONS = 16
A_SECOND = 400
"""How many CDRs there are for each second of a run."""
GOAL = Goal(300.0, "higher")
IDENTIFICATION = {"RFIDMifareFamilyIdentification": {"UID": UID}}
EVSE = f"{OPERATOR}*E0000001"

Send = Callable[[str], Awaitable[float]]


def measure(plan: Plan) -> Iterator[Figure]:
    """CDRs per second, and the time of each."""
    rates: list[float] = []
    p50: list[float] = []
    p99: list[float] = []
    costs: dict[str, list[float]] = {}
    with hops() as way:
        emp_node, cpo_node = way.nodes()
        with way.backend() as backend, emp_node, cpo_node:
            for run in range(plan.runs):
                plan.say(f"run {run + 1} of {plan.runs}")
                watched = (cpo_node, emp_node, backend)
                times, seconds, used = asyncio.run(exchange(way, int(A_SECOND * plan.seconds), watched))
                for server, cost in zip(watched, used, strict=True):
                    costs.setdefault(server.name, []).append(cost / len(times) * 1e6)
                rates.append(len(times) / seconds)
                p50.append(percentile(times, 0.5))
                p99.append(percentile(times, 0.99))
    yield Figure("cdrs.rate", "CDRs/s", rates, goal=GOAL)
    yield Figure("cdrs.p50", "ms", p50)
    yield Figure("cdrs.p99", "ms", p99)
    for name, samples in costs.items():
        yield Figure(f"cdrs.{name}", "us of a core", samples)


async def exchange(way: Hops, count: int, watched: Sequence[Server]) -> tuple[list[float], float, Sequence[float]]:
    """Authorize so many sessions, then send their CDRs.

    Returns the time of each, shortest first, that of all, and that of a core each of the watched took, in seconds.
    """
    ids = SessionIds()
    sessions = [ids.next().decode() for _ in range(count)]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(f"http://{HOST}:{way.backend_face}", connector=connector) as client:
        await on_all(sessions, lambda session: post(client, AUTHORIZE_START, start(session)))
        before = [cpu_seconds(server.pid) for server in watched]
        begun = time.perf_counter()
        times = await on_all(sessions, lambda session: post(client, CHARGE_DETAIL_RECORD, cdr(session)))
        seconds = time.perf_counter() - begun
        used = [cpu_seconds(server.pid) - earlier for server, earlier in zip(watched, before, strict=True)]
        return sorted(times), seconds, used


async def on_all(sessions: Sequence[str], send: Send) -> list[float]:
    """Send something for each session, on so many connections at once."""
    waiting = iter(sessions)
    times: list[float] = []

    async def work() -> None:
        for session in waiting:
            took = await send(session)
            times.append(took)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())
    return times


async def post(client: aiohttp.ClientSession, operation: AnyOperation, message: dict[str, object]) -> float:
    """How long the answer took, in seconds. Raises Failure where it is not a plain yes."""
    begun = time.perf_counter()
    async with client.post(BASE_PATH + operation.url_path(OPERATOR), json=message) as response:
        told = json.loads(await response.read())
    if told["StatusCode"]["Code"] != "000" or told["StatusCode"].get("AdditionalInfo"):
        raise Failure(f"{operation.name}: {told['StatusCode']}")
    return time.perf_counter() - begun


def start(session: str) -> dict[str, object]:
    """The AuthorizeStart of a session."""
    return {"SessionID": session, "OperatorID": OPERATOR, "EvseID": EVSE, "Identification": IDENTIFICATION}


def cdr(session: str) -> dict[str, object]:
    """The CDR of a session of an hour."""
    end = datetime.now(UTC).replace(microsecond=0)
    begin = end - timedelta(hours=1)
    return {
        "SessionID": session,
        "EvseID": EVSE,
        "Identification": IDENTIFICATION,
        "SessionStart": begin.isoformat(),
        "SessionEnd": end.isoformat(),
        "ChargingStart": begin.isoformat(),
        "ChargingEnd": end.isoformat(),
        "ConsumedEnergy": 10.5,
    }


BENCHMARK = Benchmark("cdrs", "CDRs from backend to backend, each on disk at both nodes before its answer", measure)
