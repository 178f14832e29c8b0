"""An AuthorizeStart of a card nobody has seen before, asked of 50 EMPs at once over mutual TLS."""

import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.peers import Emp
from benchmarks.processes import Server, free_port, module
from benchmarks.requests import SessionIds, Template, authorize_start
from benchmarks.scene import HOST, NODE_IDS, TIMEOUT, Answer, checked, exchange
from p2pnode.config.files import write_toml
from p2pnode.config.load import NODE_FILE, save_peer
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH, Role
from p2pnode.pki import Identity, Leaf, create_identity

PEERS = 50
DEADLINE = 2.0
APPROVAL = 0.05
LATE = 5.0
GOAL = Goal(100.0, "lower")
OPERATOR = NODE_IDS[Role.CPO]
PATH = BASE_PATH + AUTHORIZE_START.url_path(OPERATOR)
YES = json.dumps({"AuthorizationStatus": "Authorized", "StatusCode": {"Code": "000"}})
NO = json.dumps({"AuthorizationStatus": "NotAuthorized", "StatusCode": {"Code": "106"}})
UNKNOWN_CARD = json.dumps({"AuthorizationStatus": "NotAuthorized", "StatusCode": {"Code": "102"}})

Behaviour = tuple[str, float] | None
"""What an EMP answers and after how many seconds; None: nobody listens."""
OTHERS: tuple[Behaviour, ...] = (
    *((None, ("", 0.0)) * 5),
    *([(YES, LATE)] * 10),
    (UNKNOWN_CARD, 0.0),
    *([(NO, 0.0)] * (PEERS - 22)),
)
"""All but the approver: 10 that are dead, of which half take the connection, 10 that are late; the rest refuse."""

cards = count(0xA0000000)


@dataclass(frozen=True, slots=True)
class Asking:
    """A node that asks these EMPs, in a directory of its own; `face` is the port of its backend face."""

    directory: Path
    emps: Sequence[Behaviour]
    face: int = field(default_factory=free_port)

    def servers(self, now: datetime) -> tuple[Server, Server, Emp]:
        """The EMPs' process, the node's process, and the first EMP."""
        own = create_identity(self.directory / "pki", Leaf("node"), now)
        listening: list[Emp] = []
        for number, says in enumerate(self.emps):
            identity = create_identity(self.directory / f"emp-{number}", Leaf(f"emp-{number}"), now)
            port = free_port()
            save_peer(self.directory, entry(number, port, identity))
            if says is not None:
                listening.append(Emp(port, str(identity.certificate_file), str(identity.key_file), *says))
        self._configure()
        file = self.directory / "emps.json"
        file.write_text(json.dumps([asdict(emp) for emp in listening]), encoding="utf-8")
        first = listening[0]
        peers = [*module("benchmarks.peers"), f"--emps={file}", f"--trust={own.trust}"]
        node = [*module("p2pnode"), "run", str(self.directory)]
        return (
            Server("emps", peers, self.directory / "emps.log", lambda: self.ask_directly(first)),
            Server("node", node, self.directory / "node.log", self._connection().connect),
            first,
        )

    def _configure(self) -> None:
        document = {
            "node": {"name": "node", "operators": [OPERATOR]},
            "peer_face": {"port": 0},
            "backend_face": {"port": self.face},
            "admin_face": {"port": 0},
            "roaming": {"authorize_seconds": DEADLINE},
        }
        write_toml(self.directory / NODE_FILE, document)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.face, timeout=TIMEOUT)

    def ask_directly(self, emp: Emp) -> Answer:
        """What an EMP answers to the node's certificate, without the node."""
        context = ssl.create_default_context(cafile=emp.certificate)
        context.check_hostname = False
        context.load_cert_chain(self.directory / "pki" / "node.pem", self.directory / "pki" / "node.key")
        return exchange(http.client.HTTPSConnection(HOST, emp.port, timeout=TIMEOUT, context=context), PATH, request())

    def ask(self) -> Answer:
        """What the node answers to a card that was never shown before."""
        return checked(exchange(self._connection(), PATH, request()))


def entry(number: int, port: int, identity: Identity) -> PeerEntry:
    """An EMP in the node's peer table."""
    url = f"https://{HOST}:{port}{BASE_PATH}"
    return PeerEntry(name=f"emp-{number}", url=url, providers=(f"DE-Y{number:02d}",), certificate=identity.trust)


def request() -> bytes:
    """The AuthorizeStart of a new card."""
    ids = SessionIds()
    return Template.of(authorize_start(OPERATOR, f"{next(cards):08X}")).filled(ids.next(), ids.next())


def measure(plan: Plan) -> Iterator[Figure]:
    """How long after the approver the node says yes, the first time and later, and how long after the deadline no."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield from approved(plan, Asking(Path(name), ((YES, APPROVAL), *OTHERS)))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield from refused(plan, Asking(Path(name), tuple(reversed(OTHERS))))


def approved(plan: Plan, asking: Asking) -> Iterator[Figure]:
    """One EMP says yes."""
    first: list[float] = []
    later: list[float] = []
    alone: list[float] = []
    emps, node, approver = asking.servers(datetime.now(UTC))
    with emps:
        for run in range(plan.runs):
            plan.say(f"run {run + 1} of {plan.runs}")
            with node:
                first.append(told(asking.ask(), "000"))
                time.sleep(DEADLINE)
                for _ in range(5):
                    alone.append(told(asking.ask_directly(approver), "000"))
                    later.append(told(asking.ask(), "000"))
    beyond = [own - other for own, other in zip(later, alone, strict=True)]
    yield Figure("fan-out.approver", "ms", alone)
    yield Figure("fan-out", "ms", later, "fan-out.approver", alone)
    yield Figure("fan-out.beyond", "ms", beyond, goal=GOAL)
    yield Figure("fan-out.first-beyond", "ms", [own - min(alone) for own in first], goal=GOAL)


def refused(plan: Plan, asking: Asking) -> Iterator[Figure]:
    """Nobody says yes: the best refusal counts."""
    late: list[float] = []
    emps, node, _ = asking.servers(datetime.now(UTC))
    with emps, node:
        for run in range(plan.runs):
            plan.say(f"nobody says yes, run {run + 1} of {plan.runs}")
            late.append(told(asking.ask(), "102") - DEADLINE * 1000)
    yield Figure("fan-out.refused-beyond-deadline", "ms", late, goal=GOAL)


def told(answer: Answer, code: str) -> float:
    """How long the answer took, in ms. Raises Failure where it is another one."""
    found = json.loads(answer.body)["StatusCode"]["Code"]
    if found != code:
        raise Failure(f"{found} instead of {code}: {answer.body[:500].decode(errors='replace')}")
    return answer.seconds * 1000


BENCHMARK = Benchmark("fan-out", f"AuthorizeStart asked of {PEERS} EMPs at once, most of which do not help", measure)
