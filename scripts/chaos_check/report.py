"""What a person, or a program, is told in the end."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from chaos_check.entries import Acknowledged, Received, Refused, Session
from chaos_check.oracle import Divergence, Verdict
from chaos_check.running import Course

SHOWN = 5
"""How many divergences of one kind are shown."""
TOLD_OF = 3
"""Of how many sessions the course is shown."""


def as_json(course: Course, verdict: Verdict) -> str:
    """The closing table as one JSON object."""
    told: dict[str, Any] = {
        "seed": course.options.seed,
        "sessions": course.options.sessions,
        "kills": course.options.kills,
        "seconds": {name: round(seconds, 1) for name, seconds in course.seconds.items()},
        "faults": faults(course),
        "counts": dict(verdict.counts),
        "divergences": [
            {"what": wrong.what, "session_id": wrong.session_id, "detail": wrong.detail}
            for wrong in verdict.divergences
        ],
        "ok": not verdict.divergences,
    }
    return json.dumps(told, indent=2)


def as_table(course: Course, verdict: Verdict) -> str:
    """The closing table for people."""
    rows: list[tuple[str, object]] = [("seed", course.options.seed)]
    rows += [(f"seconds of {name}", f"{seconds:.1f}") for name, seconds in course.seconds.items()]
    rows += list(faults(course).items())
    rows += sorted(verdict.counts.items())
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def faults(course: Course) -> dict[str, int]:
    """What went wrong, and how often."""
    found = Counter(f"{fault.kind} {fault.who}" for fault in course.happened)
    kills = sum(fault.kind == "kill" for fault in course.happened)
    lost = sum(proxy.lost_answers for proxy in course.stage.proxies)
    broken = sum(proxy.broken for proxy in course.stage.proxies)
    return {"kills": kills, **dict(sorted(found.items())), "answers lost": lost, "connections cut": broken}


def divergences(course: Course, verdict: Verdict) -> str:
    """What is wrong, by kind, and the course of the first sessions it is about."""
    kinds: dict[str, list[Divergence]] = {}
    for wrong in verdict.divergences:
        kinds.setdefault(wrong.what, []).append(wrong)
    lines: list[str] = []
    for what, found in kinds.items():
        lines.append(f"{len(found)} times: {what}")
        lines += [f"  {wrong.session_id} {wrong.detail}".rstrip() for wrong in found[:SHOWN]]
    about = dict.fromkeys(wrong.session_id for wrong in verdict.divergences if wrong.session_id)
    for session_id in islice(about, TOLD_OF):
        lines += [f"\n{session_id}", *_course_of(course, session_id)]
    return "\n".join(lines)


def _course_of(course: Course, session_id: str) -> Sequence[str]:
    """What happened around a session, in the order of time."""
    steps: list[tuple[str, str]] = []
    told: list[tuple[float, str]] = []
    for entry in course.cpo:
        match entry:
            case Session(session_id=found) if found == session_id:
                steps = entry.steps
                told.append((entry.at, "CPO's backend: begun"))
            case Acknowledged(session_id=found) if found == session_id:
                told.append((entry.at, f"CPO's backend: {steps[entry.step][0]} acknowledged"))
            case Refused(session_id=found) if found == session_id:
                told.append((entry.at, f"CPO's backend: {steps[entry.step][0]} refused, {entry.told}"))
            case _:
                pass
    told += [
        (arrival.at, f"EMP's backend: {arrival.operation} arrived")
        for arrival in course.emp
        if isinstance(arrival, Received) and arrival.session_id == session_id
    ]
    if told:
        first, last = min(told)[0], max(told)[0]
        for fault in course.happened:
            if fault.until >= first and fault.at <= last:
                told += [(fault.at, f"{fault.kind} {fault.who}"), (fault.until, f"end of {fault.kind} {fault.who}")]
    return [f"  {datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}  {text}" for at, text in sorted(told)]
