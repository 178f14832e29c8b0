"""A status change of our own backend on its way to 1, 10, 50 and 100 EMPs over kept-alive mutual TLS.

The backend is answered once all EMPs have acknowledged the change, so that its time is an upper bound of each arrival.
"""

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.load import percentile
from benchmarks.measures.fan_out import OPERATOR, Asking
from benchmarks.scene import HOST, TIMEOUT
from p2pnode.oicp.operations import BASE_PATH, PUSH_EVSE_STATUS

PEERS = (1, 10, 50, 100)
TAKEN = json.dumps({"Result": True, "StatusCode": {"Code": "000"}})
PATH = BASE_PATH + PUSH_EVSE_STATUS.url_path(OPERATOR)
GOALS = {50: Goal(150.0, "lower")}
WARMUP = 20


def measure(plan: Plan) -> Iterator[Figure]:
    """p50 and p99 of the time until all have the change, and changes per second, at each number of EMPs."""
    for peers in PEERS:
        p50: list[float] = []
        p99: list[float] = []
        rates: list[float] = []
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            asking = Asking(Path(name), ((TAKEN, 0.0),) * peers)
            emps, node, _ = asking.servers(datetime.now(UTC))
            with emps, node:
                for run in range(plan.runs):
                    plan.say(f"{peers} EMPs, run {run + 1} of {plan.runs}")
                    times = changes(asking.face, plan.seconds)
                    p50.append(percentile(times, 0.5))
                    p99.append(percentile(times, 0.99))
                    rates.append(len(times) / sum(times))
        yield Figure(f"status.{peers}.p50", "ms", p50)
        yield Figure(f"status.{peers}.p99", "ms", p99, goal=GOALS.get(peers))
        yield Figure(f"status.{peers}.rate", "changes/s", rates)


def changes(face: int, seconds: float) -> list[float]:
    """How long each of the changes took that were published one after the other, in seconds, shortest first."""
    connection = http.client.HTTPConnection(HOST, face, timeout=TIMEOUT)
    push(connection, "fullLoad", "Available")
    for number in range(WARMUP):
        push(connection, "update", "Occupied" if number % 2 else "Reserved")
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        times.append(push(connection, "update", "Occupied" if len(times) % 2 else "Available"))
    connection.close()
    return sorted(times)


def push(connection: http.client.HTTPConnection, action: str, status: str) -> float:
    """Publish one status; how long that took until all had it, in seconds. Raises Failure where one has not."""
    block = {"OperatorID": OPERATOR, "EvseStatusRecord": [{"EvseID": f"{OPERATOR}*E1", "EvseStatus": status}]}
    body = json.dumps({"ActionType": action, "OperatorEvseStatus": block}).encode()
    begun = time.perf_counter()
    connection.request("POST", PATH, body, {"Content-Type": "application/json"})
    told = json.loads(connection.getresponse().read())
    took = time.perf_counter() - begun
    if not told["Result"] or told["StatusCode"].get("AdditionalInfo"):
        raise Failure(f"a change did not reach everybody: {told['StatusCode']}")
    return took


BENCHMARK = Benchmark("status-changes", "a status change until 1, 10, 50 and 100 EMPs have it", measure)
