"""The judgement: from what both backends have on disk and both nodes remember, whether anything was lost."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from chaos_check import messages, plan
from chaos_check.entries import CpoEntry, EmpEntry, Received, RemotelyRefused, RemotelyStarted, Session
from chaos_check.ledger import Ledger
from chaos_check.plan import Kind, Options
from chaos_check.states import NodeState, StoredEvse, StoredSession, version_of
from p2pnode.oicp import operations as ops

CDR = ops.CHARGE_DETAIL_RECORD.name
PROGRESS = ops.CHARGING_NOTIFICATION_PROGRESS.name
PUSH_FORM = {"ChargingStationID": "ChargingStationId"}
PULL_MEMBERS = ("OperatorID", "OperatorName", "lastUpdate", "deltaType")
HUB_MEMBERS = ("HubOperatorID", "HubProviderID")
REFUSED_CARD = "102"
ENDING = 1.0
"""How long a process takes at most to end, in seconds."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault as it happened: from when to when (Unix time, seconds)."""

    at: float
    until: float
    kind: Kind
    who: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a judgement is made from."""

    options: Options
    cpo: Sequence[CpoEntry]
    emp: Sequence[EmpEntry]
    happened: Sequence[Happened]
    nodes: Mapping[str, NodeState]
    """By the names of the plan; empty as long as only the backends are looked at."""
    pulled: Mapping[str, StoredEvse] | None = None
    """What the EMP's backend has pulled; None where it has not."""
    ended: Sequence[tuple[float, str]] = ()
    """When which process has ended although nobody has ended it."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Something that is not as it must be; `session_id` is empty where it is about no session."""

    what: str
    session_id: str = ""
    detail: str = ""


@dataclass
class Verdict:
    """What was found: how often what happened, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter[str])
    divergences: list[Divergence] = field(default_factory=list[Divergence])

    def wrong(self, what: str, session_id: str = "", detail: str = "") -> None:
        """Note a divergence."""
        self.divergences.append(Divergence(what, session_id, detail))


def judge(evidence: Evidence) -> Verdict:
    """Everything that is wrong, and what happened how often."""
    verdict = Verdict()
    _endings(verdict, evidence)
    ledger = Ledger(evidence.cpo)
    arrivals: dict[str, list[Received]] = {}
    for entry in evidence.emp:
        if isinstance(entry, Received):
            arrivals.setdefault(entry.session_id, []).append(entry)
    _intents(verdict, ledger, evidence)
    for session in ledger.sessions.values():
        _session(verdict, ledger, session, arrivals.get(session.session_id, []), evidence.happened)
    for session_id in arrivals.keys() - ledger.sessions.keys():
        verdict.wrong("the EMP's backend was told of a session the CPO's has not", session_id)
    _pushes(verdict, ledger)
    for name, state in evidence.nodes.items():
        _stored(verdict, ledger, name, state)
    if evidence.nodes:
        held = {name: state.evses for name, state in evidence.nodes.items()}
        if evidence.pulled is not None:
            held["the EMP's backend"] = evidence.pulled
        _evses(verdict, ledger, held)
    return verdict


def _endings(verdict: Verdict, evidence: Evidence) -> None:
    """A node that starts on a full disk says so and ends, to be started again; nothing else ends by itself."""
    for at, name in evidence.ended:
        if any(
            fault.kind is Kind.FULL_DISK and fault.who == name and fault.at <= at <= fault.until + ENDING
            for fault in evidence.happened
        ):
            verdict.counts[f"{name} ended on a full disk and was started again"] += 1
        else:
            verdict.wrong(f"{name} has ended by itself")


def _intents(verdict: Verdict, ledger: Ledger, evidence: Evidence) -> None:
    """Each intent of either backend has become a session, or was refused because it had to be."""
    for number in set(range(evidence.options.local)) - ledger.started - ledger.not_started.keys():
        verdict.wrong("an intent of the CPO's backend did not come to an end", detail=f"intent {number}")
    for number, refusal in ledger.not_started.items():
        if messages.UNKNOWN_CARD in ledger.begun[number].body and refusal.code == REFUSED_CARD:
            verdict.counts["sessions refused, as they had to be"] += 1
        else:
            verdict.wrong("a start was refused", detail=f"intent {number}: {refusal.code}")
    remotely = {entry.number: entry for entry in evidence.emp if isinstance(entry, RemotelyStarted | RemotelyRefused)}
    for number in set(range(evidence.options.remote)) - remotely.keys():
        verdict.wrong("a remote start did not come to an end", detail=f"remote start {number}")
    for number, entry in remotely.items():
        if isinstance(entry, RemotelyRefused):
            verdict.wrong("a remote start was refused", detail=f"remote start {number}: {entry.told}")
        elif entry.session_id not in ledger.sessions:
            verdict.wrong(
                "a remote start was told as done, and the CPO's backend has no such session", entry.session_id
            )


def _session(
    verdict: Verdict, ledger: Ledger, session: Session, arrivals: Sequence[Received], happened: Sequence[Happened]
) -> None:
    """What was acknowledged of a session has come to the EMP's backend, in its order, as it was sent."""
    session_id = session.session_id
    counts = verdict.counts
    counts["sessions begun from afar" if session.number is None else "sessions begun at the charging point"] += 1
    if session_id not in ledger.over:
        verdict.wrong("a session did not come to an end", session_id)
    if (refused := ledger.refused.get(session_id)) is not None:
        verdict.wrong("a message of a session was refused", session_id, f"step {refused.step}: {refused.told}")
    order: list[int] = []
    for arrival in arrivals:
        step = _step_of(session, arrival)
        if step is None:
            verdict.wrong("what arrived is not what was sent", session_id, arrival.operation)
        else:
            order.append(step)
    if order != sorted(order):
        verdict.wrong("messages of a session arrived out of order", session_id, f"steps {order}")
    for step in sorted(ledger.acknowledged.get(session_id, ())):
        name = session.steps[step][0]
        kind = "CDRs" if name == CDR else "Progress" if name == PROGRESS else "Start, End and Error"
        counts[f"{kind} acknowledged"] += 1
        came = order.count(step)
        counts[f"{kind} arrived"] += came > 0
        counts[f"{kind} arrived again"] += max(came - 1, 0)
        if came == 0 and kind != "Progress":
            verdict.wrong(f"{name} was acknowledged and has not arrived", session_id)
    _repeats(verdict, session_id, [arrival for arrival in arrivals if arrival.operation == CDR], happened)


def _repeats(verdict: Verdict, session_id: str, cdrs: Sequence[Received], happened: Sequence[Happened]) -> None:
    """The same CDR comes to the EMP's backend again only where its node cannot know that it has come."""
    for first, again in pairwise(cdrs):
        causes = [
            fault.kind
            for fault in happened
            if fault.who in {plan.EMP_NODE, plan.EMP_BACKEND} and fault.at <= again.at and fault.until >= first.at
        ]
        if not causes:
            verdict.wrong("a CDR came again without a cause", session_id, f"after {again.at - first.at:.3f} s")


def _step_of(session: Session, arrival: Received) -> int | None:
    """Which message of the session this is, whatever members a hub has set in it."""
    for step, (name, body) in enumerate(session.steps):
        if name == arrival.operation and (body == arrival.body or _without_hub(body) == _without_hub(arrival.body)):
            return step
    return None


def _without_hub(body: str) -> list[tuple[str, bytes]]:
    """The members of a body in their order and as they are spelled, but for those a hub sets."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return [(name, bytes(value)) for name, value in members.items() if name not in HUB_MEMBERS]


def _stored(verdict: Verdict, ledger: Ledger, name: str, state: NodeState) -> None:
    """A node has one CDR for each session, as it was sent, and no session is left behind."""
    for session_id, session in ledger.sessions.items():
        if session_id not in ledger.over or session_id in ledger.refused:
            continue
        found = state.cdrs.get(session_id, [])
        verdict.counts[f"CDRs stored at {name}"] += len(found)
        if len(found) != 1:
            verdict.wrong(f"{name} has {len(found)} CDRs of a session", session_id)
        for cdr in found:
            if _without_hub(session.steps[-1][1]) != _without_hub(bytes(cdr.record).decode()):
                verdict.wrong(f"{name} has another CDR than was sent", session_id)
            if cdr.forwarded_at is None:
                verdict.wrong(f"{name} has not noted that it passed a CDR on", session_id)
        stored = state.sessions.get(session_id)
        if stored is None or stored.state != "settled":
            verdict.wrong(f"a session is not settled at {name}", session_id, stored.state if stored else "unknown")
    partners = {begun.partner_session_id for begun in ledger.begun.values()}
    for session_id in state.sessions.keys() - ledger.sessions.keys():
        _left_over(verdict, name, state.sessions[session_id], partners)


def _left_over(verdict: Verdict, name: str, session: StoredSession, partners: set[str]) -> None:
    """A session that only a node knows: its start was answered, or asked, in vain, and it expires by itself."""
    if session.state == "authorized" and session.cpo_partner_session_id in partners:
        verdict.counts[f"authorized at {name}, the answer lost, started again under another id"] += 1
    elif session.state == "unconfirmed":
        verdict.counts[f"unconfirmed at {name}, never reached the CPO's backend"] += 1
    else:
        verdict.wrong(f"a session is stuck at {name}", session.session_id, session.state)


def _pushes(verdict: Verdict, ledger: Ledger) -> None:
    verdict.counts["pushes acknowledged"] += ledger.pushed
    verdict.counts["pushes repeated and refused, then sent as a full load"] += sum(
        refused.is_repeat for refused in ledger.refused_pushes
    )
    for refused in ledger.refused_pushes:
        if not refused.is_repeat:
            verdict.wrong("a push was refused", detail=f"{refused.operation} {refused.number}: {refused.told}")
    for push in ledger.open_pushes.values():
        verdict.wrong("a push was never acknowledged", detail=f"{push.operation} {push.number}")


def _evses(verdict: Verdict, ledger: Ledger, held: Mapping[str, Mapping[str, StoredEvse]]) -> None:
    """Both nodes have the EVSE data and status that the CPO's backend published last, and a pull gives the same."""
    data, status = (ledger.last_push.get(operation.name) for operation in (ops.PUSH_EVSE_DATA, ops.PUSH_EVSE_STATUS))
    if data is None or status is None:
        verdict.wrong("nothing was published")
        return
    for name, evses in held.items():
        verdict.counts[f"EVSEs at {name}"] += len(evses)
        found = {key: version_of(evse.record) for key, evse in evses.items()}
        if found != data.state:
            verdict.wrong(f"EVSE data at {name} is not what was published", detail=_difference(data.state, found))
        statuses = {key: str(evse.status) for key, evse in evses.items() if key in status.state}
        if statuses != status.state:
            verdict.wrong(
                f"EVSE status at {name} is not what was published", detail=_difference(status.state, statuses)
            )
    own, copy = held[plan.CPO_NODE], held[plan.EMP_NODE]
    for key in own.keys() & copy.keys():
        ours, theirs = _texts(own[key].record), _texts(copy[key].record)
        if ours != theirs:
            difference = _difference(ours, theirs)
            verdict.wrong("an EVSE data record differs between the nodes", detail=f"{key}: {difference}")


def _texts(record: Mapping[str, object]) -> dict[str, str]:
    """The members of a record, in whichever form it came: by a push, or by a pull with its operator and last change."""
    members = {PUSH_FORM.get(name, name): json.dumps(value) for name, value in record.items()}
    return {name: text for name, text in members.items() if name not in PULL_MEMBERS}


def _difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    keys = [key for key in sorted(wanted.keys() | found.keys()) if wanted.get(key) != found.get(key)]
    return "; ".join(f"{key}: {wanted.get(key)} expected, {found.get(key)} found" for key in keys[:5])
