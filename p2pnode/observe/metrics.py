"""The node's numbers, in a registry of its own, for Prometheus and for the table of the 48 cells."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest

from p2pnode.oicp.operations import OPERATIONS
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import CallOutcome, Verb

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER = "other"

_CODES = {str(code) for code in Code}
_OPERATIONS = {operation.name for operation in OPERATIONS}


@dataclass(slots=True)
class Cell:
    """How often one operation was sent and received."""

    sent: int = 0
    received: int = 0


class NodeMetrics:
    """Counters of one node. Labels come from closed sets, whatever a peer writes: see `OTHER`."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "p2pnode_calls",
            "Messages on the wire by operation, verb, peer and OICP status code.",
            ("operation", "verb", "peer", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "p2pnode_call_seconds",
            "Time from a message to its answer.",
            ("operation", "verb"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._backend_calls = Counter(
            "p2pnode_backend_calls",
            "Messages between the node and our own backend by operation, verb and OICP status code.",
            ("operation", "verb", "code"),
            registry=self.registry,
        )
        Info("p2pnode_build", "The version that runs.", registry=self.registry).info({"version": version})
        self._cells = {operation.name: Cell() for operation in OPERATIONS}
        self._count: dict[tuple[str, Verb, str, str], Callable[[], None]] = {}
        self._observe: dict[tuple[str, Verb], Callable[[float], None]] = {}

    def call(self, outcome: CallOutcome) -> None:
        """Count one message."""
        key = (outcome.operation, outcome.verb, outcome.peer, outcome.code)
        count = self._count.get(key)
        if count is None:
            count = self._counter(outcome)
            if outcome.code in _CODES and outcome.operation in _OPERATIONS:
                self._count[key] = count
        count()
        verb = outcome.verb
        if (cell := self._cells.get(outcome.operation)) is None:
            return
        if verb is Verb.SEND:
            cell.sent += 1
        else:
            cell.received += 1
        observe = self._observe.get((outcome.operation, verb))
        if observe is None:
            observe = self._seconds.labels(outcome.operation, verb.value).observe
            self._observe[outcome.operation, verb] = observe
        observe(outcome.ms / 1000)

    def backend_call(self, outcome: CallOutcome) -> None:
        """Count one message between our own backend and this node; it is in no cell, since it concerns no peer."""
        self._backend_calls.labels(_operation(outcome), outcome.verb.value, _code(outcome)).inc()

    def _counter(self, outcome: CallOutcome) -> Callable[[], None]:
        return self._calls.labels(_operation(outcome), outcome.verb.value, outcome.peer, _code(outcome)).inc

    def cells(self) -> dict[str, dict[str, int]]:
        """For each of the 24 operations how often it was sent and received since the start."""
        return {name: {"sent": cell.sent, "received": cell.received} for name, cell in self._cells.items()}

    def exposition(self) -> bytes:
        """All numbers in the text format of Prometheus; its content type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)


def _operation(outcome: CallOutcome) -> str:
    return outcome.operation if outcome.operation in _OPERATIONS else OTHER


def _code(outcome: CallOutcome) -> str:
    return outcome.code if outcome.code in _CODES else OTHER
