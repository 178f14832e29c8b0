"""Who a remote start goes to, among 1,000,000 charging points that 50 peers have published."""

import os
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.processes import MEGABYTE, memory_of
from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.authorization import AuthorizeRemoteStart
from p2pnode.oicp.identification import Identification, RemoteIdentification
from p2pnode.oicp.identifiers import evse_key, operator_key
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.published_records import EvseRecord
from p2pnode.roaming.router import Knowledge, claimant, publisher_of, resolve
from p2pnode.store.database import Database
from p2pnode.store.publication import SqlPublication
from p2pnode.store.store import SqlStore

EVSES = 1_000_000
PEERS = 50
PREFIXES = 20
PER_PUSH = 20_000
LOOK_UPS = 5_000
BODY = b'{"EvseID":"%s"}'
GOAL = Goal(20.0, "lower")
UNIT = "us of a core"
OWN = OwnParty((), ("DE-OWN",))


@dataclass(frozen=True, slots=True)
class Known:
    """A store that holds all charging points, the peer table, and what holding them costs, in bytes for each."""

    store: SqlStore
    peers: PeerTable
    memory: float
    disk: float


def measure(plan: Plan) -> Iterator[Figure]:
    """The time to find the owner of a charging point, each drawn by chance from all that are known."""
    yield from uvloop.run(measured(plan))


async def measured(plan: Plan) -> Sequence[Figure]:
    """As `measure`."""
    routed: list[float] = []
    claimed: list[float] = []
    async with known(plan) as found:
        for run in range(plan.runs):
            plan.say(f"run {run + 1} of {plan.runs}")
            evse_ids = [evse_id(random.randrange(EVSES)) for _ in range(LOOK_UPS)]  # noqa: S311 - no secret
            routed.append(await routing(found, evse_ids))
            claimed.append(claiming(found, evse_ids))
    return (
        Figure("routing.look-up", UNIT, routed, goal=GOAL),
        Figure("routing.by-table", UNIT, claimed, goal=GOAL),
        Figure("routing.memory-per-evse", "bytes", [found.memory]),
        Figure("routing.disk-per-evse", "bytes", [found.disk]),
    )


async def routing(found: Known, evse_ids: Sequence[str]) -> float:
    """What a remote start does to find its peer, all of it on the event loop, in µs of its core."""
    message = AuthorizeRemoteStart(
        provider_id="DE-OWN",
        evse_id=evse_ids[0],
        identification=Identification(remote_identification=RemoteIdentification(evco_id="DE-OWN-C12345678-X")),
    )
    messages = [message.model_copy(update={"evse_id": text}) for text in evse_ids]
    begun = time.thread_time()
    for each in messages:
        published = await found.store.evse_owners(evse_key(each.evse_id))
        knowledge = Knowledge(OWN, evse_owner=publisher_of(published, found.peers))
        resolve(AUTHORIZE_REMOTE_START, each, found.peers, knowledge)
    seconds = time.thread_time() - begun
    for each in messages[:100]:
        (owner,) = await found.store.evse_owners(evse_key(each.evse_id))
        if owner.owner != owner_of(number_of(each.evse_id)):
            raise Failure(f"{each.evse_id} is not known as {owner_of(number_of(each.evse_id))}'s")
    return seconds / len(messages) * 1e6


def claiming(found: Known, evse_ids: Sequence[str]) -> float:
    """The same by the peer table alone."""
    begun = time.thread_time()
    for each in evse_ids:
        if claimant(each, found.peers, OWN) is None:
            raise Failure(f"nobody claims {each}")
    return (time.thread_time() - begun) / len(evse_ids) * 1e6


@asynccontextmanager
async def known(plan: Plan) -> AsyncGenerator[Known]:
    """All charging points, published."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = Path(name) / "node.db"
        async with SqlStore.open(path) as store:
            before = memory_of(os.getpid())
            for first in range(0, EVSES, PER_PUSH):
                plan.say(f"{first:,} of {EVSES:,} charging points")
                await publish(store, range(first, first + PER_PUSH))
            memory = (memory_of(os.getpid()) - before) * MEGABYTE
            disk = Database.at(path, 1.0).published.path.stat().st_size
            yield Known(store, table(), memory / EVSES, disk / EVSES)


async def publish(store: SqlStore, numbers: Iterable[int]) -> None:
    """Publish these charging points."""
    records = [record(number) for number in numbers]
    await store.publish(partial(SqlPublication.put_evses, records=records, at=datetime.now(UTC)))


def table() -> PeerTable:
    """Each peer with its operator, and EVSEs under the operator of the next."""
    return PeerTable(
        PeerEntry(
            name=f"peer-{number}",
            url="http://127.0.0.1:1/api/oicp",
            tls="off",
            operators=(operator_of(number),),
            evse_prefixes=tuple(f"{operator_of(number + 1)}*E{digits:02d}" for digits in range(50, 50 + PREFIXES)),
        )
        for number in range(PEERS)
    )


def operator_of(number: int) -> str:
    """The OperatorID of a peer."""
    return f"DE*{number % PEERS:03d}"


def owner_of(number: int) -> str:
    """The name of the peer that has published a charging point: not the one its operator is."""
    return f"peer-{(number + 7) % PEERS}"


def evse_id(number: int) -> str:
    """The EvseID of a charging point, one of three spellings."""
    text = f"{operator_of(number)}*E{number:08d}"
    return (text, text.replace("*", ""), text.lower())[number % 3]


def number_of(text: str) -> int:
    """The charging point with this EvseID."""
    return int(text[-8:])


def record(number: int) -> EvseRecord:
    """What is kept of a charging point, without the 2 kB of a real body: the disk holds those besides."""
    text = evse_id(number)
    operator = operator_of(number)
    return EvseRecord(
        owner=owner_of(number),
        evse_key=evse_key(text),
        evse_id=text,
        operator_key=operator_key(operator),
        operator_id=operator,
        operator_name="Bench",
        body=BODY % text.encode(),
    )


BENCHMARK = Benchmark("routing", f"the owner of a charging point among {EVSES:,}", measure)
