"""Charging points and CDRs read, checked against the rules and written again, per second of one core.

Charging points are treated as the node treats those of its own operator: read, checked against every rule that can
refuse one, turned into what they are searched by, and written as a page holds them. Beside it stands what a record
takes that is read in full, with its warnings, as every record is in which something is to be mended or told.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.records import charge_detail_records, evse_records
from benchmarks.scene import PEER_IDS
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.codec import View, encode, read
from p2pnode.oicp.mending import read_evse_record
from p2pnode.oicp.operations import Role
from p2pnode.oicp.rules import check
from p2pnode.roaming.evse_rows import Listing, Rows, add_evse
from p2pnode.roaming.records import OWN

if TYPE_CHECKING:
    from p2pnode.roaming.published_records import EvseRecord

RECORDS = 2_000
GOAL = Goal(25_000, "higher")
LISTING = Listing(OWN, PEER_IDS[Role.CPO], "Bench", is_shown=True)
UNIT = "records/s of a core"


def measure(plan: Plan) -> Iterator[Figure]:
    """Rates in CPU time; beside them what msgspec takes to decode and encode the same bytes."""
    evses = evse_records(PEER_IDS[Role.CPO], range(RECORDS))
    cdrs = charge_detail_records(PEER_IDS[Role.CPO], range(RECORDS))
    for raw in evses:
        treat_in_full(raw)
    yield from compared("evse-records", treat_evse_record, evses, plan, GOAL)
    yield from compared("evse-records.in-full", treat_in_full, evses, plan)
    yield from compared("cdrs", treat_cdr, cdrs, plan)


def compared(
    name: str, treat: Callable[[bytes], object], records: Sequence[bytes], plan: Plan, goal: Goal | None = None
) -> Iterator[Figure]:
    """The rate at which the records are treated, against the bare codec."""
    own: list[float] = []
    other: list[float] = []
    for run in range(plan.runs):
        plan.say(f"{name}, run {run + 1} of {plan.runs}")
        other.append(rate(treat_bare, records, plan.seconds))
        own.append(rate(treat, records, plan.seconds))
    yield Figure(f"msgspec.{name}", UNIT, other)
    yield Figure(name, UNIT, own, f"msgspec.{name}", other, goal)


def rate(treat: Callable[[bytes], object], records: Sequence[bytes], seconds: float) -> float:
    """Records per second of CPU time; all of them again and again until the time is over."""
    gc.collect()
    gc.freeze()
    begun, done = time.process_time(), 0
    while time.process_time() - begun < seconds:
        for record in records:
            treat(record)
        done += len(records)
    return done / (time.process_time() - begun)


def treat_evse_record(raw: bytes) -> View:
    """Take as from a push of our own backend. Raises Failure where the record is refused."""
    taken: Rows[EvseRecord] = Rows([])
    add_evse(taken, 0, raw, LISTING)
    if taken.violations:
        raise Failure(f"a record is not as it must be: {taken.violations}")
    return taken.rows[0].body


def treat_in_full(raw: bytes) -> bytes:
    """Read with its class, check all rules, write. Raises Failure where the record is not read as it is."""
    reading = read_evse_record(raw)
    if reading.record is None or reading.mended or check(reading.record):
        raise Failure(f"a record is not as it must be: {reading.mended} {reading.violations}")
    return encode(reading.body)


def treat_cdr(raw: bytes) -> bytes:
    """Read, check, write. Raises Failure where the record breaks a rule."""
    record = read(ChargeDetailRecord, raw)
    if violations := check(record):
        raise Failure(f"a CDR is not as it must be: {violations}")
    return encode(record)


def treat_bare(raw: bytes) -> bytes:
    """Decode and encode, nothing else."""
    return msgspec.json.encode(msgspec.json.decode(raw))


BENCHMARK = Benchmark("records", "charging points and CDRs read, checked and written on one core", measure)
