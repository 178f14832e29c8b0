"""What is to go wrong, and when: made from the seed alone."""

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random

CPO_NODE, EMP_NODE, CPO_BACKEND, EMP_BACKEND = "cpo-node", "emp-node", "cpo-backend", "emp-backend"
PROCESSES = (CPO_NODE, EMP_NODE, CPO_BACKEND, EMP_BACKEND)
NETWORK = "network"
LONGEST_AWAY = 0.6
LONGEST_OUTAGE = 1.2
LAST = 0.95
"""The share of the sessions after which nothing new goes wrong."""
LEAST_OUTAGES = 3
LEAST_AT_ONCE = 24
MOST_AT_ONCE = 60
REMOTE_SHARE = 0.2


class Kind(StrEnum):
    """What can go wrong."""

    KILL = "kill"
    CUT = "cut"
    SLOW = "slow"
    LOSE_ANSWERS = "lose answers"
    FULL_DISK = "full disk"


OUTAGES = (Kind.CUT, Kind.LOSE_ANSWERS, Kind.SLOW)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong once this share of the sessions is over, at a process or the network, for seconds."""

    after: float
    kind: Kind
    at: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Options:
    """How much of everything, and the seed it is made from. `settle` is how long healing may take, in seconds."""

    sessions: int
    kills: int
    seed: int
    settle: float

    @property
    def remote(self) -> int:
        """How many of the sessions are begun from afar."""
        return int(self.sessions * REMOTE_SHARE)

    @property
    def local(self) -> int:
        """How many are begun at the charging point."""
        return self.sessions - self.remote

    @property
    def at_once(self) -> int:
        """How many sessions a backend begins at the same time at most."""
        return min(max(LEAST_AT_ONCE, self.sessions // 40), MOST_AT_ONCE)

    @property
    def limit(self) -> float:
        """How long the sessions may take in all, in seconds."""
        return 60.0 + self.sessions * 0.1 + self.kills * 5.0


def faults(options: Options) -> list[Fault]:
    """The faults in their order: kills of all four in turn, outages of the network, a full disk at each node."""
    random = Random(f"{options.seed}:faults")  # noqa: S311 - to be repeated, not to be secret
    outages = max(LEAST_OUTAGES, math.ceil(options.kills / 2))
    killed: list[str] = []
    while len(killed) < options.kills:
        killed += random.sample(PROCESSES, len(PROCESSES))
    made = [(Kind.KILL, at) for at in killed[: options.kills]]
    made += [(OUTAGES[number % len(OUTAGES)], NETWORK) for number in range(outages)]
    made += [(Kind.FULL_DISK, CPO_NODE), (Kind.FULL_DISK, EMP_NODE)]
    random.shuffle(made)
    return [
        Fault((number + random.random()) / len(made) * LAST, kind, at, _seconds(kind, random))
        for number, (kind, at) in enumerate(made)
    ]


def _seconds(kind: Kind, random: Random) -> float:
    return random.random() * LONGEST_AWAY if kind is Kind.KILL else (1 + random.random()) / 2 * LONGEST_OUTAGE
