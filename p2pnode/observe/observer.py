"""The one place that hears of every message on the wire: it logs, counts, tells, and notes who is alive."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from p2pnode.observe.events import Event, EventBus
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.metrics import NodeMetrics
from p2pnode.observe.status import PeerHealth
from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.status import Code
from p2pnode.roaming.catch_up import Caught
from p2pnode.roaming.records import CallOutcome, Verb

if TYPE_CHECKING:
    from p2pnode.observe.audit import AuditLog


AUDITED: Final = frozenset(
    {Code.UNAUTHORIZED_ACCESS, Code.INCONSISTENT_EVSE_ID, Code.INCONSISTENT_EVCO_ID, Code.SESSION_INVALID}
)
"""The codes that refuse a peer what is another's: each goes into the audit log."""
ONE_CHECK: Final = timedelta(minutes=1)
"""The probes of a peer within this time are one check."""
AUDITED_HTTP: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})


class Observer:
    """Log, metrics, events, peer health and, where one is kept, audit log of one node."""

    def __init__(self, log: NodeLog, metrics: NodeMetrics, events: EventBus, now: Callable[[], datetime]) -> None:
        self.log = log
        self.metrics = metrics
        self.events = events
        self._now = now
        self._health: dict[str, PeerHealth] = {}
        self._probed_at: dict[str, datetime] = {}
        self.audit_log: AuditLog | None = None

    def call(self, outcome: CallOutcome) -> None:
        """Note what became of one message. Takes microseconds. An HTTP status of 0 means that no answer came."""
        self.log.call(outcome)
        self.metrics.call(outcome)
        self.events.publish(Event("call", outcome.at, outcome))
        if outcome.peer:
            self._feel(outcome)
        if outcome.code != Code.SUCCESS and outcome.verb is Verb.RECEIVE:
            self._audit_refusal(outcome)

    def audit(self, event: str, **members: object) -> None:
        """Add a line to the audit log, if one is kept."""
        if self.audit_log is not None:
            self.audit_log.write(event, **members)

    def probed(self, peer: str, address: str) -> None:
        """Note that a peer has examined the way to this node: `p2pnode peer check` sends a probe for each operation.

        What comes within a minute is one line of the log and of the audit log.
        """
        self.metrics.probed(peer)
        now, last = self._now(), self._probed_at.get(peer)
        if last is None or now - last >= ONE_CHECK:
            self._probed_at[peer] = now
            self.log.logger.info("peer_check", peer=peer, address=address)
            self.audit("peer_check", peer=peer, address=address)

    def _audit_refusal(self, outcome: CallOutcome) -> None:
        if outcome.code in AUDITED or outcome.http in AUDITED_HTTP:
            self.audit(
                "refused",
                peer=outcome.peer,
                address=outcome.address,
                operation=outcome.operation,
                http=outcome.http,
                code=outcome.code,
                reason=outcome.detail,
                process_id=outcome.process_id,
            )

    def backend_call(self, outcome: CallOutcome) -> None:
        """Note what became of one message between our own backend and this node. It concerns no peer."""
        self.log.call(outcome)
        self.metrics.backend_call(outcome)
        self.events.publish(Event("backend", outcome.at, outcome))

    def _feel(self, outcome: CallOutcome) -> None:
        health = self._health.get(outcome.peer)
        if health is None:
            health = self._health[outcome.peer] = PeerHealth()
        if outcome.verb is Verb.SEND:
            health.sent += 1
        else:
            health.received += 1
        if outcome.http:
            health.heard_at = outcome.at
            if outcome.code != Code.SUCCESS:
                way = "sent" if outcome.verb is Verb.SEND else "received"
                health.refused_at = outcome.at
                health.refusal = f"{outcome.operation or 'request'} {way}: {_told(outcome)}"
        else:
            health.failed_at = outcome.at
            health.failure = f"{outcome.operation}: {_told(outcome)}"

    def cdr_checked(self, session_id: str, violations: Sequence[Violation]) -> None:
        """Note what the pre-flight of a CDR of our own has found."""
        told = [f"{each.severity.value} {each.pointer}: {each.message}" for each in violations]
        stopped = any(each.severity is Severity.ERROR for each in violations)
        self.log.logger.warning("cdr_preflight", session=session_id, stopped=stopped, found=told)
        for each in violations:
            self.metrics.cdr_violation(each.severity.value, each.code)
        self.event("cdr_preflight", session=session_id, stopped=stopped, found=told)

    def caught_up(self, caught: Caught) -> None:
        """Note what pulling from a peer has brought after an absence, and what of it went wrong."""
        records = {name: count for name, count in caught.records.items() if count}
        if caught.problems:
            self.log.logger.warning("not_caught_up", peer=caught.peer, problems=list(caught.problems), **records)
        else:
            self.log.logger.info("caught_up", peer=caught.peer, **records)
        self.event("caught_up", peer=caught.peer, records=dict(caught.records), problems=list(caught.problems))

    def event(self, kind: str, **data: object) -> None:
        """Tell of something that is no message: a peer accepted, a certificate renewed, a session changed."""
        self.events.publish(Event(kind, self._now(), data=data))

    def health(self, peer: str) -> PeerHealth:
        """What messages of and to a peer have told since the start."""
        health = self._health.get(peer)
        return PeerHealth() if health is None else replace(health)


def _told(outcome: CallOutcome) -> str:
    """The code and the reason of a message that did not succeed."""
    return f"{outcome.code} {outcome.reason}".strip()
