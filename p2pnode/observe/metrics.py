"""The node's numbers, in a registry of its own, for Prometheus and for the table of the 48 cells."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from p2pnode.oicp.operations import OPERATIONS
from p2pnode.oicp.status import Code
from p2pnode.roaming.outbox_records import BreakerState, QueueCount, QueueState
from p2pnode.roaming.records import CallOutcome, Verb

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER = "other"

_CODES = {str(code) for code in Code}
_OPERATIONS = {operation.name for operation in OPERATIONS}


@dataclass(slots=True)
class Tally:
    """What there is to tell of one operation in one direction: calls by peer and OICP code, and how long they took."""

    calls: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    seconds: float = 0.0


class NodeMetrics:
    """Counters of one node. Labels come from closed sets, whatever a peer writes: see `OTHER`.

    Counts every message by itself and makes the metrics when they are asked for, which is seldom.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._backend_calls = Counter(
            "p2pnode_backend_calls",
            "Messages between the node and our own backend by operation, verb and OICP status code.",
            ("operation", "verb", "code"),
            registry=self.registry,
        )
        self._queued = Gauge(
            "p2pnode_outbox",
            "Messages in the outbox by peer and state; peer is empty for our own backend.",
            ("peer", "state"),
            registry=self.registry,
        )
        self._breakers = Gauge(
            "p2pnode_breaker_open",
            "Whether a peer counts as away: it has not answered for a while, and is asked seldom.",
            ("peer",),
            registry=self.registry,
        )
        self._certificates = Gauge(
            "p2pnode_certificate_not_after_seconds",
            "When the first certificate ends that this node shows (peer empty) or knows a peer by, in Unix time.",
            ("peer",),
            registry=self.registry,
        )
        self._probes = Counter(
            "p2pnode_probes",
            "Probes by peers that have examined the way to this node.",
            ("peer",),
            registry=self.registry,
        )
        self._cdr_violations = Counter(
            "p2pnode_cdr_preflight",
            "What the pre-flight of our own CDRs has found, by severity and rule; errors have stopped a CDR.",
            ("severity", "rule"),
            registry=self.registry,
        )
        Info("p2pnode_build", "The version that runs.", registry=self.registry).info({"version": version})
        self._sent = {name: Tally() for name in (*_OPERATIONS, OTHER)}
        self._received = {name: Tally() for name in (*_OPERATIONS, OTHER)}
        self.registry.register(self)

    def call(self, outcome: CallOutcome) -> None:
        """Count one message."""
        tallies = self._sent if outcome.verb is Verb.SEND else self._received
        tally = tallies.get(outcome.operation) or tallies[OTHER]
        key = (outcome.peer, outcome.code)
        if key not in tally.calls:
            key = (outcome.peer, _code(outcome))
        tally.calls[key] = tally.calls.get(key, 0) + 1
        seconds = outcome.ms / 1000
        tally.buckets[bisect_left(SECONDS, seconds)] += 1
        tally.seconds += seconds

    def probed(self, peer: str) -> None:
        """Count one probe of `p2pnode peer check`; it is no message."""
        self._probes.labels(peer).inc()

    def backend_call(self, outcome: CallOutcome) -> None:
        """Count one message between our own backend and this node; it is in no cell, since it concerns no peer."""
        self._backend_calls.labels(_operation(outcome), outcome.verb.value, _code(outcome)).inc()

    def outbox(self, counts: Mapping[str, QueueCount], breakers: Mapping[str, BreakerState]) -> None:
        """Take how much is in the outbox, by peer, and how the breakers stand, instead of those known so far."""
        self._queued.clear()
        for peer, count in counts.items():
            self._queued.labels(peer, QueueState.WAITING.value).set(count.waiting)
            self._queued.labels(peer, QueueState.DEAD.value).set(count.dead)
        self._breakers.clear()
        for peer, state in breakers.items():
            self._breakers.labels(peer).set(0 if state is BreakerState.CLOSED else 1)

    def certificates(self, until: Mapping[str, datetime]) -> None:
        """Take the ends of certificates, by peer, instead of those known so far."""
        self._certificates.clear()
        for peer, end in until.items():
            self._certificates.labels(peer).set(end.timestamp())

    def cdr_violation(self, severity: str, rule: str) -> None:
        """Count one thing that the pre-flight of a CDR has found."""
        self._cdr_violations.labels(severity, rule).inc()

    def collect(self) -> Iterable[Metric]:
        """The calls on the wire, for the registry."""
        calls = CounterMetricFamily(
            "p2pnode_calls",
            "Messages on the wire by operation, verb, peer and OICP status code.",
            labels=("operation", "verb", "peer", "code"),
        )
        seconds = HistogramMetricFamily(
            "p2pnode_call_seconds", "Time from a message to its answer.", labels=("operation", "verb")
        )
        for verb, tallies in ((Verb.SEND, self._sent), (Verb.RECEIVE, self._received)):
            for operation, tally in tallies.items():
                for (peer, code), count in tally.calls.items():
                    calls.add_metric((operation, verb.value, peer, code), count)
                if tally.calls and operation != OTHER:
                    bounds = (*map(str, SECONDS), "+Inf")
                    buckets = list(zip(bounds, accumulate(tally.buckets), strict=True))
                    seconds.add_metric((operation, verb.value), buckets, tally.seconds)
        return (calls, seconds)

    def cells(self) -> dict[str, dict[str, int]]:
        """For each of the 24 operations how often it was sent and received since the start."""
        return {
            operation.name: {
                "sent": sum(self._sent[operation.name].buckets),
                "received": sum(self._received[operation.name].buckets),
            }
            for operation in OPERATIONS
        }

    def exposition(self) -> bytes:
        """All numbers in the text format of Prometheus; its content type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)


def _operation(outcome: CallOutcome) -> str:
    return outcome.operation if outcome.operation in _OPERATIONS else OTHER


def _code(outcome: CallOutcome) -> str:
    return outcome.code if outcome.code in _CODES else OTHER
